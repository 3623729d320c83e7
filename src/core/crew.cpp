#include "core/crew.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "gradatim/core/tasks.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kMostBlocks = std::size_t{1} << 15;
constexpr std::chrono::microseconds kLooking{50};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// Looks until done() or kLooking has passed; returns whether it is done.
template <class Done>
bool look_for(Done done) {
  constexpr int kLooksBetweenTimes = 64;
  for (int i = 0; i < kLooksBetweenTimes; ++i, pause())
    if (done()) return true;
  const auto end = std::chrono::steady_clock::now() + kLooking;
  do {
    for (int i = 0; i < kLooksBetweenTimes; ++i, pause())
      if (done()) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

std::uint64_t Crew::pack(Rest rest) {
  return (std::uint64_t{rest.round} << 32) | (std::uint64_t{rest.first} << 16) | rest.last;
}

Crew::Rest Crew::unpack(std::uint64_t word) {
  return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint16_t>(word >> 16),
          static_cast<std::uint16_t>(word)};
}

Crew::Crew(std::size_t helpers) {
  helpers_.reserve(helpers);
  try {
    for (std::size_t i = 0; i < helpers; ++i) helpers_.emplace_back([this] { help(); });
  } catch (const std::system_error&) {
    // The system grants no more; results do not depend on how many there are.
  } catch (...) {
    dismiss();
    throw;
  }
}

Crew::~Crew() { dismiss(); }

void Crew::dismiss() {
  stopping_ = true;
  wake(helpers_.size());
  for (std::thread& helper : helpers_) helper.join();
}

void Crew::run(std::size_t count, void* context, Task task) {
  if (count == 0) return;
  const std::size_t block = task_count(count, kMostBlocks);
  const auto blocks = static_cast<std::uint16_t>(task_count(count, block));
  count_.store(count, std::memory_order_relaxed);
  block_.store(block, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  task_.store(task, std::memory_order_relaxed);
  open_.store(blocks, std::memory_order_relaxed);
  const std::uint32_t round = unpack(rest_.load(std::memory_order_relaxed)).round + 1;
  rest_.store(pack({round, 0, blocks}), std::memory_order_release);
  wake(blocks - std::size_t{1});
  while (take_and_run(false)) {
  }
  wait_for_helpers();
  if (failed_.exchange(false)) std::rethrow_exception(std::exchange(failure_, nullptr));
}

// Each call to the system costs as much as a short task: one for all where all are wanted.
void Crew::wake(std::size_t helpers) {
  bell_.fetch_add(1);
  if (helpers >= helpers_.size())
    bell_.notify_all();
  else
    for (std::size_t i = 0; i < helpers; ++i) bell_.notify_one();
}

void Crew::wait_for_helpers() {
  const auto ended = [&] { return open_.load(std::memory_order_acquire) == 0; };
  if (look_for(ended)) return;
  for (std::uint32_t open = open_.load(); open != 0; open = open_.load()) open_.wait(open);
}

// The loop is read before a task of it is taken, and the round cannot end, nor the loop change,
// while a task is left to take: if nothing has changed since, what was read was of this round.
bool Crew::take_and_run(bool from_the_back) {
  std::uint64_t word = rest_.load(std::memory_order_acquire);
  for (;;) {
    Rest rest = unpack(word);
    if (rest.first == rest.last) return false;
    const std::size_t count = count_.load(std::memory_order_relaxed);
    const std::size_t size = block_.load(std::memory_order_relaxed);
    void* const context = context_.load(std::memory_order_relaxed);
    const Task task = task_.load(std::memory_order_relaxed);
    const std::size_t block = from_the_back ? --rest.last : rest.first++;
    if (!rest_.compare_exchange_weak(word, pack(rest), std::memory_order_acq_rel,
                                     std::memory_order_acquire))
      continue;
    run_block(block, size, count, context, task);
    return true;
  }
}

void Crew::run_block(std::size_t block, std::size_t size, std::size_t count, void* context,
                     Task task) {
  try {
    const std::size_t end = std::min(count, (block + 1) * size);
    for (std::size_t i = block * size; i < end && !failed_.load(std::memory_order_relaxed); ++i)
      task(context, i);
  } catch (...) {
    const std::lock_guard lock(failure_mutex_);
    if (failure_ == nullptr) failure_ = std::current_exception();
    failed_ = true;
  }
  if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) open_.notify_all();
}

void Crew::help() {
  for (std::uint32_t seen = 0; !stopping_;) {
    seen = wait_for_round(seen);
    while (take_and_run(true)) {
    }
  }
}

std::uint32_t Crew::wait_for_round(std::uint32_t seen) {
  const auto rung = [&] { return bell_.load(std::memory_order_acquire) != seen; };
  if (!look_for(rung)) bell_.wait(seen);
  return bell_.load(std::memory_order_acquire);
}

}  // namespace gradatim
