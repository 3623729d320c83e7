#pragma once

#include <cstddef>

namespace gradatim {

/// Whether it pays to hand the tasks of a loop out, learnt from how long the loop took either way.
/// On a quiet machine it does; where other processes hold the cores, a helper may be put aside in
/// the middle of a task and the caller waits for it. Decides who computes, never what.
///
/// The first kTrials calls take turns; then the quicker way is kept, and the other one is tried
/// again in a few of every kPeriod calls. Loops longer than kLong are handed out regardless: there
/// the helpers' share outweighs a wait.
class HandingOut {
 public:
  static constexpr std::size_t kTrials = 16;
  static constexpr std::size_t kPeriod = 256;
  static constexpr std::size_t kProbes = 4;
  static constexpr double kLong = 2e-3;  // seconds

  /// Whether to hand out the next call.
  bool next() const {
    const std::size_t turn = calls_ % kPeriod;
    if (alone_.seconds > kLong) return turn != 0;
    if (calls_ < kTrials) return turn % 2 == 0;
    const bool pays = shared_.seconds <= alone_.seconds;
    return turn < kProbes ? !pays : pays;
  }

  /// Records that a call took `seconds`.
  void record(bool handed_out, double seconds) {
    (handed_out ? shared_ : alone_).add(seconds);
    ++calls_;
  }

 private:
  struct Mean {  // over about the last 16 calls
    double seconds = 0;
    bool empty = true;

    void add(double sample) {
      seconds = empty ? sample : seconds + (sample - seconds) / 16;
      empty = false;
    }
  };

  std::size_t calls_ = 0;
  Mean shared_;
  Mean alone_;
};

}  // namespace gradatim
