#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

int report(std::string_view message, int exit_code) {
  std::fflush(stdout);
  fmt::print(stderr, "gradatim: {}\n", one_line(message));
  return exit_code;
}

// CLI11 would say that a subcommand is required, and not which one was meant.
void check_subcommand(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands({})) names.push_back(sub->get_name());
  if (std::find(names.begin(), names.end(), argv[1]) != names.end()) return;
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  throw InvalidArgument(
      fmt::format("unknown command '{}'{}", argv[1], did_you_mean(argv[1], candidates)));
}

int parse_and_run(CLI::App& app, int argc, char** argv, const int& exit_code) {
  try {
    check_subcommand(app, argc, argv);
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    put_formula_last(app, arguments);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
    return exit_code;
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    return report(fmt::format("{}; see gradatim --help", error.what()), kBadInput);
  } catch (const NonFiniteError& error) {
    return report(error.what(), kFailed);
  } catch (const Error& error) {
    return report(error.what(), kBadInput);
  } catch (const std::bad_alloc&) {
    return report("there is not enough memory for this network and data", kBadInput);
  } catch (const std::exception& error) {
    return report(fmt::format("internal error: {}", error.what()), kFailed);
  }
}

int run(int argc, char** argv) {
  int exit_code = kDone;
  CLI::App app("Neural networks trained by gradient descent, fast, on ordinary CPUs", "gradatim");
  app.set_version_flag("--version", "gradatim " GRADATIM_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Every command takes --json: one JSON object as the last line of stdout.\n"
      "Exit codes: 0 done, 1 a failed verdict or training, 2 bad usage, input or disk; 128 + n if "
      "signal n stopped it: 130 Ctrl-C, 143 SIGTERM.");
  add_train_command(app, exit_code);
  add_search_command(app, exit_code);
  add_eval_command(app, exit_code);
  add_predict_command(app, exit_code);
  add_check_command(app, exit_code);
  add_derive_command(app, exit_code);
  add_data_command(app, exit_code);
  add_doctor_command(app, exit_code);
  const int code = parse_and_run(app, argc, argv, exit_code);
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return report(fmt::format("write to stdout: {}", std::strerror(errno)), kFailed);
  return code;
}

}  // namespace
}  // namespace gradatim::app

int main(int argc, char** argv) { return gradatim::app::run(argc, argv); }
