#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gradatim::detail {

struct ProcessResult {
  int exit_code = 0;  // 128 + n if signal n ended it
  std::string output;
  std::string errors;
};

/// Runs arguments[0] (searched in PATH unless it holds a slash) with `input` on its stdin, no shell
/// between, and waits for its end. Throws DataError if it can't be started.
///
/// The child leads a process group of its own: Ctrl-C goes to the whole group of the caller, and
/// gnuplot hangs for good where it comes in the midst of malloc (about one time in eighty). A
/// caller that a second Ctrl-C ends leaves it to finish by itself.
ProcessResult run_process(std::span<const std::string> arguments, std::string_view input);

}  // namespace gradatim::detail
