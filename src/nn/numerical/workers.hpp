#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace gradatim {

/// Scratch memory for the tasks that run at a time: as many as there are threads, however many
/// tasks there are. Which task gets which makes no difference to what it computes.
template <class Worker>
class Workers {
 public:
  /// Calls use(worker) with one that nobody else has, made by make() if need be.
  template <class Make, class Use>
  void with(Make make, Use use) {
    std::unique_ptr<Worker> worker = take();
    if (worker == nullptr) worker = make();
    use(*worker);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(worker));
  }

 private:
  std::unique_ptr<Worker> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<Worker> worker = std::move(idle_.back());
    idle_.pop_back();
    return worker;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
};

}  // namespace gradatim
