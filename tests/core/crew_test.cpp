#include "core/crew.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/deadline.hpp"

namespace gradatim {
namespace {

constexpr std::chrono::seconds kLimit{60};

template <class Body>
void run(Crew& crew, std::size_t count, Body body) {
  crew.run(count, &body, [](void* context, std::size_t i) { (*static_cast<Body*>(context))(i); });
}

TEST(Crew, RunsEveryTaskOfEveryRoundOnce) {
  test::within(kLimit, [] {
    for (const std::size_t helpers : {0U, 1U, 2U, 6U}) {
      Crew crew(helpers);
      for (std::size_t round = 0; round < 2'000; ++round) {
        const std::size_t count = round % 9;
        std::vector<std::atomic<int>> runs(count);
        run(crew, count, [&](std::size_t i) { ++runs[i]; });
        for (const auto& r : runs) ASSERT_EQ(r, 1) << helpers << " helpers, round " << round;
      }
    }
  });
}

TEST(Crew, MoreTasksThanFitOneWord) {
  test::within(kLimit, [] {
    Crew crew(2);
    for (const std::size_t count : {32'768U, 32'769U, 100'003U, 300'000U}) {
      std::vector<int> runs(count);
      run(crew, count, [&](std::size_t i) { ++runs[i]; });
      EXPECT_EQ(std::accumulate(runs.begin(), runs.end(), std::size_t{0}), count);
      EXPECT_EQ(std::ranges::count(runs, 1), static_cast<std::ptrdiff_t>(count));
    }
  });
}

// What tasks wrote without any atomics is there for the caller, and for the tasks of the next
// round.
TEST(Crew, RoundsAreOrdered) {
  test::within(kLimit, [] {
    Crew crew(3);
    std::vector<int> values(8);
    for (int round = 0; round < 5'000; ++round) {
      run(crew, values.size(), [&](std::size_t i) { values[i] += 1; });
      std::vector<int> mirrored(values.size());
      run(crew, values.size(), [&](std::size_t i) { mirrored[i] = values[values.size() - 1 - i]; });
      ASSERT_EQ(mirrored, std::vector<int>(values.size(), round + 1));
    }
  });
}

TEST(Crew, AllHelpersTakePart) {
  test::within(kLimit, [] {
    Crew crew(3);
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> arrived = 0;
      // Each task waits for the other three.
      run(crew, 4, [&](std::size_t) {
        ++arrived;
        while (arrived < 4) std::this_thread::yield();
      });
      EXPECT_EQ(arrived, 4);
    }
  });
}

TEST(Crew, HelpersWakeUpAfterAPause) {
  test::within(kLimit, [] {
    Crew crew(1);
    for (int round = 0; round < 5; ++round) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // they look for 50 us
      std::atomic<int> arrived = 0;
      run(crew, 2, [&](std::size_t) {
        ++arrived;
        while (arrived < 2) std::this_thread::yield();
      });
      EXPECT_EQ(arrived, 2);
    }
  });
}

// As often as threads of this process went to sleep, of their own accord.
long sleeps() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

// Six helpers sleep, one or two are wanted: the others sleep on.
TEST(Crew, WakesNoMoreHelpersThanThereAreTasks) {
  test::within(kLimit, [] {
    constexpr int kRounds = 40;
    for (const std::size_t tasks : {1U, 2U, 3U}) {
      Crew crew(6);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const long before = sleeps();
      for (int round = 0; round < kRounds; ++round) {
        run(crew, tasks, [](std::size_t) {});
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      // This thread's own, those of the helpers woken, and half a one to spare.
      const auto most = static_cast<long>(kRounds * (2 * tasks + 1) / 2);
      EXPECT_LE(sleeps() - before, most) << tasks << " tasks";
    }
  });
}

TEST(Crew, AnExceptionEndsItsRoundAlone) {
  test::within(kLimit, [] {
    Crew crew(2);
    for (int round = 0; round < 200; ++round) {
      std::atomic<int> begun = 0;
      EXPECT_THROW(run(crew, 100'000,
                       [&](std::size_t i) {
                         ++begun;
                         if (i % 7 == 3) throw std::runtime_error("task");
                       }),
                   std::runtime_error);
      EXPECT_LT(begun, 100'000) << "the others are left out";
      std::atomic<int> runs = 0;
      run(crew, 50, [&](std::size_t) { ++runs; });
      EXPECT_EQ(runs, 50);
    }
  });
}

TEST(Crew, EndsAtOnceWhateverItsHelpersDo) {
  test::within(kLimit, [] {
    for (int i = 0; i < 200; ++i) {
      Crew crew(4);
      if (i % 2 == 0) run(crew, 3, [](std::size_t) {});
      if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // asleep by then
    }
  });
}

}  // namespace
}  // namespace gradatim
