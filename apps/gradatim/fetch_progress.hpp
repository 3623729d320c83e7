#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "gradatim/data/fetch.hpp"

namespace gradatim::app {

/// Shows a download on stderr: a bar that is redrawn on a terminal, a line a file elsewhere.
class FetchPrinter {
 public:
  FetchPrinter();
  void show(const FetchProgress& progress);
  /// Ends the bar's line.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void begin(const FetchProgress& progress);
  void draw(const FetchProgress& progress);

  bool terminal_;
  std::string url_;  // of the download shown now
  std::uint64_t resumed_from_ = 0;
  Clock::time_point started_{};
  Clock::time_point drawn_{};
};

}  // namespace gradatim::app
