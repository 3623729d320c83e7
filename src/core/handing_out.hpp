#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

namespace gradatim {

/// Whether it pays to hand the tasks of a loop out, learnt from how long the loop took either way.
/// On a quiet machine it does; where other processes hold the cores, a helper may be put aside in
/// the middle of a task and the caller waits for it. Decides who computes, never what.
///
/// A loop is handed out first; after a while the other way is tried for kProbes calls, judged by
/// these alone, and taken if it is quicker. Tries become rarer, up to one in kLongestWait calls,
/// for they are rarely right. Handing out is given up as soon as it is slower in the mean of the
/// last calls, which a single long wait makes it: where it had been good for kGoodFor calls, it is
/// soon tried again. A call behind a change, and the first of all, are not counted: helpers sleep
/// and caches are cold. Loops longer than kLong are handed out regardless, and again as soon as a
/// loop has become so long: there the helpers' share outweighs a wait; their tries are kWaitOfLong
/// calls apart at least. Loops longer than kVeryLong, which no wait is, are not tried alone either.
class HandingOut {
 public:
  static constexpr std::size_t kProbes = 4;
  static constexpr std::size_t kProbesOfLong = 2;
  static constexpr std::size_t kFirstWait = 32;
  static constexpr std::size_t kWaitOfLong = 256;
  static constexpr std::size_t kLongestWait = 4096;
  static constexpr std::size_t kGoodFor = 256;
  static constexpr double kLong = 2e-3;  // seconds
  static constexpr double kVeryLong = 0.1;

  /// Whether to hand out the next call.
  bool next() const { return trying_ ? !pays_ : pays_; }

  /// Records that the call took `seconds`.
  void record(double seconds) {
    if (calls_ >= cold_) (trying_ ? tried_ : used_).add(seconds);
    ++calls_;
    if (trying_) {
      if (calls_ == probes()) decide();
      return;
    }
    ++good_for_;
    const bool became_long = used_.seconds > kLong;
    if (pays_ && tried_.weight > 0 && !became_long && used_.seconds > tried_.seconds)
      give_up();
    else if (pays_ ? calls_ >= wait_ && used_.seconds <= kVeryLong : calls_ >= wait_ || became_long)
      begin(true);
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

  std::size_t probes() const { return used_.seconds > kLong ? kProbesOfLong : kProbes; }

  void begin(bool trying) {
    trying_ = trying;
    calls_ = 0;
    cold_ = 1;
    if (trying) tried_ = {};
  }

  void decide() {
    const bool quicker = tried_.seconds < used_.seconds;
    const bool alone_is_long = (pays_ ? tried_ : used_).seconds > kLong;
    wait_ = std::clamp(2 * wait_, alone_is_long ? kWaitOfLong : kFirstWait, kLongestWait);
    if (pays_ ? quicker && !alone_is_long : quicker || alone_is_long) change();
    begin(false);
  }

  void give_up() {
    wait_ = good_for_ >= kGoodFor ? kFirstWait : std::min(2 * wait_, kLongestWait);
    change();
    begin(false);
  }

  void change() {
    pays_ = !pays_;
    std::swap(used_, tried_);
    good_for_ = 0;
  }

  bool pays_ = true;
  bool trying_ = false;
  std::size_t calls_ = 0;  // since the last change or try
  std::size_t cold_ = kProbes;
  std::size_t wait_ = 2 * kProbes;
  std::size_t good_for_ = 0;  // calls in use since the last change
  Mean used_;
  Mean tried_;  // the other way, as last tried or used
};

}  // namespace gradatim
