#include "gradatim/core/tasks.hpp"

#include <fmt/format.h>
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <thread>

#include "gradatim/core/error.hpp"

namespace gradatim {

struct TaskPool::Arena {
  explicit Arena(std::size_t threads)
      // oneTBB otherwise runs at most one thread a core, whatever an arena asks for.
      : parallelism(tbb::global_control::max_allowed_parallelism,
                    std::max<std::size_t>(threads, std::thread::hardware_concurrency())),
        arena(static_cast<int>(threads)) {}
  tbb::global_control parallelism;
  tbb::task_arena arena;
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
  arena_->arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::size_t>(0, count, 1),
        [&](const tbb::blocked_range<std::size_t>& range) {
          for (std::size_t i = range.begin(); i != range.end(); ++i) task(context, i);
        },
        tbb::simple_partitioner());
  });
}

}  // namespace gradatim
