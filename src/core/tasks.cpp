#include "gradatim/core/tasks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

#include "core/crew.hpp"
#include "core/handing_out.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {

struct TaskPool::Helpers {
  explicit Helpers(std::size_t threads) : id(next_id()), crew(threads - 1) {}

  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
  }

  // What was learnt of each loop of the program, told apart by its body's function and its length:
  // networks of two sizes run the same bodies.
  HandingOut& loop(void (*task)(void*, std::size_t), std::size_t count) {
    for (Loop& known : loops)
      if (known.task == task && known.count == count) return known.handing_out;
    Loop& oldest = loops[next_loop++ % loops.size()];
    oldest = {task, count, {}};
    return oldest.handing_out;
  }

  struct Loop {
    void (*task)(void*, std::size_t) = nullptr;
    std::size_t count = 0;
    HandingOut handing_out;
  };

  std::uint64_t id;
  Crew crew;
  std::atomic<bool> busy = false;
  std::array<Loop, 32> loops;
  std::size_t next_loop = 0;
};

namespace {

// Also where the loop is not handed out, so that a wrong use fails each time.
class InUse {
 public:
  explicit InUse(std::atomic<bool>& busy) : busy_(busy) {
    if (busy_.exchange(true))
      throw Error(
          "parallel_for: the pool is in use by a loop that runs, as by a body that calls it");
  }
  ~InUse() { busy_ = false; }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

 private:
  std::atomic<bool>& busy_;
};

}  // namespace

TaskPool::TaskPool(std::size_t threads)
    : threads_(threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency())) {
  if (threads_ > 1024)
    throw InvalidArgument(fmt::format("threads: expected 0 to 1024, got {}", threads_));
  if (threads_ > 1) helpers_ = std::make_unique<Helpers>(threads_);
}

TaskPool::~TaskPool() = default;
TaskPool::TaskPool(TaskPool&&) noexcept = default;
TaskPool& TaskPool::operator=(TaskPool&&) noexcept = default;

std::uint64_t TaskPool::id() const { return helpers_ == nullptr ? 0 : helpers_->id; }

void TaskPool::run_on_each(void* context, void (*body)(void*)) {
  const InUse in_use(helpers_->busy);
  const std::size_t threads = helpers_->crew.helpers() + 1;
  struct Visit {
    void* context;
    void (*body)(void*);
    std::latch all_here;  // so that each thread takes one of as many tasks
  } visit{context, body, std::latch(static_cast<std::ptrdiff_t>(threads))};
  helpers_->crew.run(threads, &visit, [](void* all, std::size_t) {
    auto& own = *static_cast<Visit*>(all);
    own.all_here.arrive_and_wait();
    own.body(own.context);
  });
}

void TaskPool::run(std::size_t count, void* context, void (*task)(void*, std::size_t)) {
  const InUse in_use(helpers_->busy);
  HandingOut& loop = helpers_->loop(task, count);
  const auto start = std::chrono::steady_clock::now();
  if (loop.next())
    helpers_->crew.run(count, context, task);
  else
    for (std::size_t i = 0; i < count; ++i) task(context, i);
  loop.record(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

}  // namespace gradatim
