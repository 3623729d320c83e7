#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace gradatim {

/// Threads that share the tasks of one call at a time. What the tasks are is the caller's choice
/// and depends on shapes only, so results never depend on the number of threads
/// (docs/principles.md, P4). Which thread runs a task does depend on timing: with the other cores
/// busy, the caller simply runs more of them itself, or all (src/core/handing_out.hpp).
///
/// A pool serves one thread at a time, and a body must not call the pool it runs in: with more than
/// one thread, parallel_for of several tasks throws Error then.
class TaskPool {
 public:
  /// 0 means one a hardware thread. Throws InvalidArgument above 1024.
  explicit TaskPool(std::size_t threads = 0);
  ~TaskPool();
  TaskPool(TaskPool&&) noexcept;
  TaskPool& operator=(TaskPool&&) noexcept;

  std::size_t threads() const { return threads_; }
  /// Tells it from every other pool that had several threads, also one that is gone; 0 with one
  /// thread.
  std::uint64_t id() const;

  /// Runs body(i) once for each i in [0, count), in any order, and returns when all have ended.
  /// The first exception thrown by a body is rethrown here. One thread or one task: a plain loop.
  template <class Body>
  void parallel_for(std::size_t count, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    if (threads_ == 1 || count <= 1) {
      for (std::size_t i = 0; i < count; ++i) body(i);
      return;
    }
    run(count, const_cast<void*>(static_cast<const void*>(&body)),
        [](void* context, std::size_t i) { (*static_cast<Plain*>(context))(i); });
  }

  /// Runs body() once on each of its threads, the calling one among them: for what threads keep to
  /// themselves. Each waits until all have come, and an exception is rethrown as above.
  template <class Body>
  void on_each_thread(Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    if (threads_ == 1) {
      body();
      return;
    }
    run_on_each(const_cast<void*>(static_cast<const void*>(&body)),
                [](void* context) { (*static_cast<Plain*>(context))(); });
  }

 private:
  void run(std::size_t count, void* context, void (*task)(void*, std::size_t));
  void run_on_each(void* context, void (*body)(void*));

  struct Helpers;
  std::unique_ptr<Helpers> helpers_;
  std::size_t threads_;
};

/// Tasks that a loop may run along with its own: work that nobody waits for yet. run(i) once for
/// each i in [0, tasks).
struct Aside {
  std::size_t tasks = 0;
  std::function<void(std::size_t)> run{};
};

/// How many tasks a loop of `items` is cut into, each of at least `grain` items (the last may have
/// fewer): a function of its arguments only.
constexpr std::size_t task_count(std::size_t items, std::size_t grain) {
  return (items + grain - 1) / grain;
}

}  // namespace gradatim
