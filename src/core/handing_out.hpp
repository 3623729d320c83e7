#pragma once

#include <algorithm>
#include <cstddef>

namespace gradatim {

/// Whether it pays to hand the tasks of a loop out, learnt from how long the loop took either way.
/// On a quiet machine it does; where other processes hold the cores, a helper may be put aside in
/// the middle of a task and the caller waits for it. Decides who computes, never what.
///
/// The first kTrials calls try each way kProbes times in turn; then the quicker one is kept, and
/// the other is tried again kProbes times in every kPeriod calls. The call behind a change is not
/// counted: helpers sleep and caches are cold. Loops longer than kLong are handed out regardless:
/// there the helpers' share outweighs a wait. Loops that take longer than kVeryLong, which no wait
/// does, are not tried alone either.
class HandingOut {
 public:
  static constexpr std::size_t kTrials = 16;
  static constexpr std::size_t kPeriod = 256;
  static constexpr std::size_t kProbes = 4;
  static constexpr std::size_t kProbesOfLong = 2;  // the first is not counted
  static constexpr double kLong = 2e-3;            // seconds
  static constexpr double kVeryLong = 0.1;

  /// Whether to hand out the next call.
  bool next() const {
    const std::size_t turn = calls_ % kPeriod;
    if (shared_.seconds > kVeryLong) return true;
    if (alone_.seconds > kLong) return turn >= kProbesOfLong;
    if (calls_ < kTrials) return turn / kProbes % 2 == 0;
    const bool pays = shared_.seconds <= alone_.seconds;
    return turn < kProbes ? !pays : pays;
  }

  /// Records that a call took `seconds`.
  void record(bool handed_out, double seconds) {
    if (handed_out == last_handed_out_) (handed_out ? shared_ : alone_).add(seconds);
    last_handed_out_ = handed_out;
    ++calls_;
  }

 private:
  struct Mean {  // over the calls so far, and over about the last 32 once there are as many
    double seconds = 0;
    double weight = 0;

    void add(double sample) {
      weight = std::min(weight + 1, 32.0);
      seconds += (sample - seconds) / weight;
    }
  };

  std::size_t calls_ = 0;
  bool last_handed_out_ = false;
  Mean shared_;
  Mean alone_;
};

}  // namespace gradatim
