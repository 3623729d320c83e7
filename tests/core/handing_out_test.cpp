#include "core/handing_out.hpp"

#include <gtest/gtest.h>

namespace gradatim {
namespace {

// Runs `calls` calls that take the given times and returns how many were handed out.
std::size_t run(HandingOut& loop, std::size_t calls, double shared_seconds, double alone_seconds) {
  std::size_t handed_out = 0;
  for (std::size_t i = 0; i < calls; ++i) {
    const bool shared = loop.next();
    handed_out += shared ? 1 : 0;
    loop.record(shared ? shared_seconds : alone_seconds);
  }
  return handed_out;
}

TEST(HandingOut, KeepsToTheQuickerWay) {
  HandingOut pays;
  EXPECT_GT(run(pays, 10'000, 60e-6, 100e-6), 9'800U);
  HandingOut does_not;
  EXPECT_LT(run(does_not, 10'000, 130e-6, 100e-6), 200U);
}

TEST(HandingOut, NoticesThatTheMachineChanged) {
  HandingOut loop;
  run(loop, 10'000, 60e-6, 100e-6);
  run(loop, 2'000, 4e-3, 100e-6);
  EXPECT_LT(run(loop, 10'000, 4e-3, 100e-6), 200U) << "a busy core";
  run(loop, 20'000, 60e-6, 100e-6);
  EXPECT_GT(run(loop, 10'000, 60e-6, 100e-6), 9'800U) << "quiet again";
}

TEST(HandingOut, LongLoopsAreHandedOutRegardless) {
  HandingOut loop;
  EXPECT_GT(run(loop, 1'000, 60e-3, 50e-3), 990U);
}

// A pool may train a small network and then a large one.
TEST(HandingOut, LoopsThatBecomeLongAreHandedOutAgain) {
  HandingOut alone;
  run(alone, 10'000, 200e-6, 100e-6);
  EXPECT_GE(run(alone, 1'000, 30e-3, 55e-3), 980U);
  HandingOut very_long;
  run(very_long, 10'000, 200e-6, 100e-6);
  EXPECT_GE(run(very_long, 200, 5, 9.5), 198U);
  HandingOut shared;
  run(shared, 1'000, 60e-6, 100e-6);
  EXPECT_EQ(run(shared, 40, 5, 9.5), 40U);
}

// Half a minute alone would be half a minute lost.
TEST(HandingOut, VeryLongLoopsAreNeverTriedAlone) {
  HandingOut loop;
  EXPECT_EQ(run(loop, 1'000, 15, 30), 1'000U);
  run(loop, 10'000, 4e-3, 100e-6);
  EXPECT_LT(run(loop, 10'000, 4e-3, 100e-6), 200U) << "short from then on";
}

// As a loop's first calls are, whose memory is new.
TEST(HandingOut, SlowFirstCallsAreForgotten) {
  HandingOut loop;
  for (std::size_t i = 0; i < 3; ++i) loop.record(loop.next() ? 5e-3 : 4e-3);
  EXPECT_GT(run(loop, 100, 60e-6, 100e-6), 90U);
}

// One wait of a helper in 2,000 calls must not cost more than itself.
TEST(HandingOut, OneLongWaitOfAHelperIsForgottenAtOnce) {
  HandingOut loop;
  run(loop, 10'000, 60e-6, 100e-6);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(loop.next());
    loop.record(4e-3);
    EXPECT_GT(run(loop, 2'000, 60e-6, 100e-6), 1'900U) << i;
  }
}

// A wait every 100 calls, as on a core that another process has half of: twice as slow as alone.
TEST(HandingOut, WhatIsGoodOnlyBetweenWaitsIsTriedSeldom) {
  HandingOut loop;
  std::size_t since_wait = 0;
  std::size_t handed_out = 0;
  for (std::size_t i = 0; i < 100'000; ++i) {
    const bool shared = loop.next();
    const bool wait = shared && ++since_wait % 100 == 0;
    loop.record(wait ? 15e-3 : shared ? 60e-6 : 100e-6);
    handed_out += shared ? 1 : 0;
  }
  EXPECT_LT(handed_out, 5'000U);
}

// The caller was put aside in the midst of a short loop: it is not long for ever.
TEST(HandingOut, OneLongWaitIsForgotten) {
  HandingOut loop;
  bool waited = false;
  std::size_t handed_out = 0;
  for (std::size_t i = 0; i < 40'000; ++i) {
    const bool shared = loop.next();
    const bool wait = !shared && !waited && i > 4;
    waited = waited || wait;
    loop.record(wait ? 20e-3 : shared ? 4e-3 : 100e-6);
    if (i >= 30'000) handed_out += shared ? 1 : 0;
  }
  EXPECT_LT(handed_out, 200U);
}

}  // namespace
}  // namespace gradatim
