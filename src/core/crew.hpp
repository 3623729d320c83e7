#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace gradatim {

/// Threads that help with one loop at a time and wait in between: for some microseconds by looking,
/// since the loops of a training step follow each other within that time, then asleep.
///
/// A loop wakes at most as many sleepers as it has tasks besides the caller's first; those that
/// look join anyway.
///
/// The caller takes tasks from the front and helpers from the back, so that with one
/// helper the same thread meets the same data in every loop, as a rule. A helper that comes late
/// finds nothing to take; the caller waits only for tasks that a helper has begun.
class Crew {
 public:
  using Task = void (*)(void* context, std::size_t i);

  /// With as many helpers as the system grants, at most `helpers`.
  explicit Crew(std::size_t helpers);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  std::size_t helpers() const { return helpers_.size(); }

  /// Runs task(context, i) for each i in [0, count). The first exception is rethrown here, and
  /// tasks that had not begun by then are left out.
  void run(std::size_t count, void* context, Task task);

 private:
  // The tasks of a round that nobody has taken, as blocks [first, last) of `block_` each. One word,
  // so that who takes a task knows that the round, and with it the loop, is the one it looked at.
  struct Rest {
    std::uint32_t round;
    std::uint16_t first, last;
  };
  static std::uint64_t pack(Rest rest);
  static Rest unpack(std::uint64_t word);

  void dismiss();
  void wake(std::size_t helpers);
  void help();
  std::uint32_t wait_for_round(std::uint32_t seen);
  bool take_and_run(bool from_the_back);
  void run_block(std::size_t block, std::size_t size, std::size_t count, void* context, Task task);
  void wait_for_helpers();

  // What helpers look at while they wait, on a cache line of its own.
  alignas(64) std::atomic<std::uint64_t> rest_{0};
  std::atomic<std::size_t> count_{0};
  std::atomic<std::size_t> block_{1};
  std::atomic<void*> context_{nullptr};
  std::atomic<Task> task_{nullptr};

  alignas(64) std::atomic<std::uint32_t> open_{0};  // blocks that have not ended
  alignas(64) std::atomic<std::uint32_t> bell_{0};  // rung for helpers that sleep
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::vector<std::thread> helpers_;
};

}  // namespace gradatim
