#include "apps/gradatim/interrupt.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace gradatim::app {
namespace {

void interrupt_twice(std::chrono::milliseconds apart, int second = SIGTERM) {
  const Interrupt interrupt;
  std::raise(SIGINT);
  std::this_thread::sleep_for(apart);
  std::raise(second);
}

TEST(Interrupt, NotesTheFirstSignal) {
  EXPECT_EQ(Interrupt::signal(), 0);
  interrupt_twice(std::chrono::milliseconds(0));
  EXPECT_EQ(Interrupt::signal(), SIGINT);
  { const Interrupt another; }
  EXPECT_EQ(Interrupt::signal(), 0);
}

TEST(Interrupt, ALaterSignalEndsTheProcess) {
  for (const int second : {SIGINT, SIGTERM})
    EXPECT_EXIT(interrupt_twice(std::chrono::milliseconds(300), second),
                testing::KilledBySignal(second), "");
}

TEST(Interrupt, SignalsEndTheProcessAgainBehindIt) {
  EXPECT_EXIT(
      {
        interrupt_twice(std::chrono::milliseconds(0));
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace gradatim::app
