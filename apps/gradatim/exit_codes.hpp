#pragma once

namespace gradatim::app {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;    // a verdict or a training that failed
inline constexpr int kBadInput = 2;  // usage, files, data
// And 128 + n for a run that signal n stopped: 130 for Ctrl-C.

}  // namespace gradatim::app
