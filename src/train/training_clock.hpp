#pragma once

#include <chrono>

namespace gradatim {

/// A stopwatch that leaves evaluation out.
class TrainingClock {
 public:
  void start() { started_ = Clock::now(); }
  void stop() { add(std::chrono::duration<double>(Clock::now() - started_).count()); }
  /// Adds what was measured before.
  void add(double seconds) { seconds_ += seconds; }
  double seconds() const { return seconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point started_{};
  double seconds_ = 0;
};

}  // namespace gradatim
