#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "gradatim/data/fetch.hpp"
#include "redrawn_line.hpp"

namespace gradatim::app {

/// Shows a download on stderr: a bar that is redrawn on a terminal, a line a file elsewhere.
class FetchPrinter {
 public:
  void show(const FetchProgress& progress);
  /// Ends the bar's line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void begin(const FetchProgress& progress);
  void draw(const FetchProgress& progress);

  RedrawnLine line_{stderr};
  std::string url_;  // of the download shown now
  std::uint64_t resumed_from_ = 0;
  Clock::time_point started_{};
};

}  // namespace gradatim::app
