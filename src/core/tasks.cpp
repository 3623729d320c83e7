#include "gradatim/core/tasks.hpp"

#include <fmt/format.h>
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "core/handing_out.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {

struct TaskPool::Arena {
  explicit Arena(std::size_t threads)
      // oneTBB otherwise runs at most one thread a core, whatever an arena asks for.
      : parallelism(tbb::global_control::max_allowed_parallelism,
                    std::max<std::size_t>(threads, std::thread::hardware_concurrency())),
        arena(static_cast<int>(threads)) {}

  // What was learnt of each loop of the program, told apart by its body's function.
  HandingOut& loop(void (*task)(void*, std::size_t)) {
    for (Loop& known : loops)
      if (known.task == task) return known.handing_out;
    Loop& oldest = loops[next_loop++ % loops.size()];
    oldest = {task, {}};
    return oldest.handing_out;
  }

  void share(std::size_t count, void* context, void (*task)(void*, std::size_t)) {
    arena.execute([&] {
      tbb::parallel_for(
          tbb::blocked_range<std::size_t>(0, count, 1),
          [&](const tbb::blocked_range<std::size_t>& range) {
            for (std::size_t i = range.begin(); i != range.end(); ++i) task(context, i);
          },
          tbb::simple_partitioner());
    });
  }

  struct Loop {
    void (*task)(void*, std::size_t) = nullptr;
    HandingOut handing_out;
  };

  tbb::global_control parallelism;
  tbb::task_arena arena;
  std::array<Loop, 16> loops;
  std::size_t next_loop = 0;
};

TaskPool::TaskPool(std::size_t threads)
    : threads_(threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency())) {
  if (threads_ > 1024)
    throw InvalidArgument(fmt::format("threads: expected 0 to 1024, got {}", threads_));
  if (threads_ > 1) arena_ = std::make_unique<Arena>(threads_);
}

TaskPool::~TaskPool() = default;
TaskPool::TaskPool(TaskPool&&) noexcept = default;
TaskPool& TaskPool::operator=(TaskPool&&) noexcept = default;

void TaskPool::run(std::size_t count, void* context, void (*task)(void*, std::size_t)) {
  HandingOut& loop = arena_->loop(task);
  const bool hand_out = loop.next();
  const auto start = std::chrono::steady_clock::now();
  if (hand_out)
    arena_->share(count, context, task);
  else
    for (std::size_t i = 0; i < count; ++i) task(context, i);
  loop.record(hand_out,
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

}  // namespace gradatim
