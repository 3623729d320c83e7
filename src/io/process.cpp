#include "io/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "core/open_file.hpp"
#include "gradatim/core/error.hpp"
#include "io/text.hpp"

namespace gradatim::detail {
namespace {

[[noreturn]] void fail(std::string_view what, int code) {
  throw DataError(fmt::format("{}: {}", what, system_message(code)));
}

// The reading and the writing end, closed with it; neither is inherited by other children.
struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe", errno);
  }
  ~Pipe() {
    close(0);
    close(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close(std::size_t end) {
    if (ends[end] >= 0) ::close(std::exchange(ends[end], -1));
  }
  std::array<int, 2> ends{-1, -1};
};

struct SpawnActions {
  SpawnActions() { ::posix_spawn_file_actions_init(&actions); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t actions{};
};

struct OwnProcessGroup {
  OwnProcessGroup() {
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  }
  ~OwnProcessGroup() { ::posix_spawnattr_destroy(&attributes); }
  OwnProcessGroup(const OwnProcessGroup&) = delete;
  OwnProcessGroup& operator=(const OwnProcessGroup&) = delete;
  posix_spawnattr_t attributes{};
};

// The child's stdin: a file without a name, so that no pipe can fill up or break.
OpenFile file_of(std::string_view input) {
  OpenFile file(std::tmpfile());
  if (!file || std::fwrite(input.data(), 1, input.size(), file.get()) != input.size() ||
      std::fflush(file.get()) != 0)
    fail("temporary file", errno);
  std::rewind(file.get());
  return file;
}

pid_t spawn(std::span<const std::string> arguments, int input, int output, int errors) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  SpawnActions spawn_actions;
  ::posix_spawn_file_actions_adddup2(&spawn_actions.actions, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&spawn_actions.actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&spawn_actions.actions, errors, STDERR_FILENO);
  const OwnProcessGroup group;
  pid_t child = 0;
  const int code = ::posix_spawnp(&child, argv[0], &spawn_actions.actions, &group.attributes,
                                  argv.data(), environ);
  if (code != 0) fail(fmt::format("run {}", arguments[0]), code);
  return child;
}

// Reads both pipes until the child has closed them.
void drain(Pipe& output, std::string& output_text, Pipe& errors, std::string& errors_text) {
  std::array<pollfd, 2> polled{{{.fd = output.ends[0], .events = POLLIN, .revents = 0},
                                {.fd = errors.ends[0], .events = POLLIN, .revents = 0}}};
  const std::array<std::string*, 2> texts{&output_text, &errors_text};
  std::array<char, 1U << 16U> buffer{};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) fail("poll", errno);
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].fd < 0 || polled[i].revents == 0) continue;
      const ssize_t got = ::read(polled[i].fd, buffer.data(), buffer.size());
      if (got > 0) texts[i]->append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) polled[i].fd = -1;
    }
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail("waitpid", errno);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

ProcessResult run_process(std::span<const std::string> arguments, std::string_view input) {
  const OpenFile script = file_of(input);
  Pipe output;
  Pipe errors;
  const pid_t child = spawn(arguments, ::fileno(script.get()), output.ends[1], errors.ends[1]);
  output.close(1);
  errors.close(1);
  ProcessResult result;
  drain(output, result.output, errors, result.errors);
  result.exit_code = wait_for(child);
  return result;
}

}  // namespace gradatim::detail
