#include "gradatim/io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "gradatim/core/error.hpp"
#include "io/text.hpp"

namespace gradatim {
namespace {

[[noreturn]] void throw_system_error(std::string_view operation, const std::filesystem::path& path,
                                     int code) {
  throw DataError(fmt::format("{} {}: {}", operation, path.string(), detail::system_message(code)));
}

// Unique among the processes and threads of this machine; the leading dot keeps it out of listings.
std::filesystem::path temporary_beside(const std::filesystem::path& target) {
  static std::atomic<unsigned> counter{0};
  const auto name = fmt::format(".{}.{}-{}.tmp", target.filename().string(), ::getpid(), counter++);
  return target.parent_path() / name;
}

// As temporary_beside names them.
bool is_temporary(std::string_view name) {
  constexpr std::string_view kEnd = ".tmp";
  if (!name.starts_with('.') || !name.ends_with(kEnd)) return false;
  name.remove_suffix(kEnd.size());
  const std::size_t dot = name.rfind('.');
  const std::size_t dash = name.rfind('-');
  if (dot == 0 || dash == std::string_view::npos || dash < dot) return false;
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return is_number(name.substr(dot + 1, dash - dot - 1)) && is_number(name.substr(dash + 1));
}

// The rename is on the disk once the folder is.
void flush_folder(const std::filesystem::path& folder) {
  const int descriptor =
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder one may write to but not list
  ::fsync(descriptor);         // some file systems refuse it for folders: nothing can be done
  ::close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target)
    : target_(std::move(target)), temporary_(temporary_beside(target_)) {
  if (std::error_code ignored; std::filesystem::is_directory(target_, ignored)) fail(EISDIR);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(int code) const { throw_system_error("write", target_, code); }

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) fail(errno);
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail(errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
  ::close(std::exchange(descriptor_, -1));
  flush_folder(target_.parent_path());
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void remove_temporaries(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::directory_iterator entry(folder, ignored);
  for (; entry != std::filesystem::directory_iterator(); entry.increment(ignored))
    if (entry->symlink_status(ignored).type() == std::filesystem::file_type::regular &&
        is_temporary(entry->path().filename().string()))
      std::filesystem::remove(entry->path(), ignored);
}

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  // Without O_NONBLOCK, to open a FIFO would wait for someone to write.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw_system_error("read", path, errno);
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    ::close(descriptor);
    throw DataError(fmt::format("read {}: expected a regular file", path.string()));
  }
  std::string text;
  int error = 0;
  for (bool more = true; more && error == 0 && text.size() <= max_bytes;) {
    constexpr std::size_t kPiece = 1U << 16U;
    const std::size_t size = text.size();
    text.resize(size + kPiece);
    const ssize_t got = ::read(descriptor, text.data() + size, kPiece);
    if (got < 0 && errno != EINTR) error = errno;
    more = got != 0;
    text.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
  }
  ::close(descriptor);
  if (error != 0) throw_system_error("read", path, error);
  if (text.size() > max_bytes)
    throw DataError(fmt::format("read {}: expected at most {} bytes", path.string(), max_bytes));
  return text;
}

}  // namespace gradatim
