#include "gradatim/core/tasks.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "gradatim/core/error.hpp"
#include "support/deadline.hpp"

namespace gradatim {
namespace {

constexpr std::chrono::seconds kLimit{60};

TEST(TaskPool, RunsEveryTaskOnce) {
  test::within(kLimit, [] {
    for (const std::size_t threads : {1U, 2U, 3U, 7U}) {
      TaskPool pool(threads);
      EXPECT_EQ(pool.threads(), threads);
      for (const std::size_t count : {0U, 1U, 2U, 5U, 1000U}) {
        std::vector<std::atomic<int>> runs(count);
        pool.parallel_for(count, [&](std::size_t i) { ++runs[i]; });
        for (const auto& r : runs) EXPECT_EQ(r, 1);
      }
    }
  });
}

TEST(TaskPool, ReallyUsesItsThreads) {
  test::within(kLimit, [] {
    TaskPool pool(3);
    std::atomic<int> arrived = 0;
    // Each task waits for the other two: only three threads at once can end this.
    pool.parallel_for(3, [&](std::size_t) {
      ++arrived;
      while (arrived < 3) std::this_thread::yield();
    });
    EXPECT_EQ(arrived, 3);
  });
}

TEST(TaskPool, RethrowsTheFirstException) {
  test::within(kLimit, [] {
    for (const std::size_t threads : {1U, 4U}) {
      TaskPool pool(threads);
      EXPECT_THROW(pool.parallel_for(100,
                                     [](std::size_t i) {
                                       if (i == 42) throw std::runtime_error("task 42");
                                     }),
                   std::runtime_error);
    }
  });
}

TEST(TaskPool, VisitsEachThreadOnce) {
  test::within(kLimit, [] {
    for (const std::size_t threads : {1U, 2U, 3U, 7U}) {
      TaskPool pool(threads);
      std::set<std::thread::id> first;
      for (int round = 0; round < 20; ++round) {
        std::mutex mutex;
        std::set<std::thread::id> visited;
        pool.on_each_thread([&] {
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(visited.insert(std::this_thread::get_id()).second);
        });
        EXPECT_EQ(visited.size(), threads);
        EXPECT_TRUE(visited.contains(std::this_thread::get_id()));
        if (round == 0) first = visited;
        EXPECT_EQ(visited, first);
      }
    }
  });
}

TEST(TaskPool, RethrowsWhatAVisitThrows) {
  test::within(kLimit, [] {
    for (const std::size_t threads : {1U, 4U}) {
      TaskPool pool(threads);
      EXPECT_THROW(pool.on_each_thread([] { throw std::runtime_error("visit"); }),
                   std::runtime_error);
      std::atomic<int> visits = 0;
      pool.on_each_thread([&] { ++visits; });
      EXPECT_EQ(visits, threads) << "the pool is of use afterwards";
    }
  });
}

TEST(TaskPool, IsToldFromEveryOther) {
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ids.insert(TaskPool(2).id()).second);
  EXPECT_FALSE(ids.contains(0));
  EXPECT_EQ(TaskPool(1).id(), 0U);
}

TEST(TaskPool, RejectsAbsurdThreadCounts) { EXPECT_THROW(TaskPool(1025), InvalidArgument); }

TEST(TaskPool, ZeroMeansTheMachine) { EXPECT_GE(TaskPool(0).threads(), 1U); }

// Each time, not only when the outer loop is handed out, and the pool is of use afterwards.
TEST(TaskPool, RefusesABodyThatCallsIt) {
  test::within(kLimit, [] {
    TaskPool pool(2);
    for (int i = 0; i < 50; ++i) {
      EXPECT_THROW(
          pool.parallel_for(4, [&](std::size_t) { pool.parallel_for(2, [](std::size_t) {}); }),
          Error);
      std::atomic<int> runs = 0;
      pool.parallel_for(5, [&](std::size_t) { ++runs; });
      EXPECT_EQ(runs, 5);
    }
  });
}

TEST(TaskCount, CoversAllItems) {
  EXPECT_EQ(task_count(0, 8), 0U);
  EXPECT_EQ(task_count(8, 8), 1U);
  EXPECT_EQ(task_count(9, 8), 2U);
}

}  // namespace
}  // namespace gradatim
