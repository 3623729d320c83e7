#pragma once

#include <cstddef>
#include <functional>
#include <mutex>

namespace gradatim {

/// Tells how much of a loop's tasks is done, 0 to 1: one call at a time, in order, from any thread.
class Meter {
 public:
  Meter(std::size_t tasks, const std::function<void(double share)>& tell)
      : tasks_(tasks), tell_(tell) {}

  void task_done() {
    if (!tell_) return;
    const std::lock_guard lock(mutex_);
    tell_(static_cast<double>(++done_) / static_cast<double>(tasks_));
  }

 private:
  std::size_t tasks_;
  const std::function<void(double share)>& tell_;
  std::mutex mutex_;
  std::size_t done_ = 0;
};

}  // namespace gradatim
