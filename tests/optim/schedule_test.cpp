#include "gradatim/optim/schedule.hpp"

#include <gtest/gtest.h>

#include "support/errors.hpp"

namespace gradatim {
namespace {

struct ScheduleCase {
  Schedule schedule;
  // The factor in steps 0, 25, 50, 75 and 100 of 100, by hand.
  double factors[5];
};

const ScheduleCase kSchedules[] = {
    {ConstantSchedule{}, {1, 1, 1, 1, 1}},
    {StepSchedule{30, 0.5F}, {1, 1, 0.5, 0.25, 0.125}},
    {ExponentialSchedule{50, 0.25F}, {1, 0.5, 0.25, 0.125, 0.0625}},
    // (1 + cos 45°) / 2 and its complement
    {CosineSchedule{}, {1, 0.8535533906, 0.5, 0.1464466094, 0}},
    {CosineSchedule{0.5F}, {1, 0.9267766953, 0.75, 0.5732233047, 0.5}},
    {OneCycle{.rise = 0.5F, .start = 0.5F, .final = 0.0F}, {0.5, 0.75, 1, 0.5, 0}},
    {OneCycle{.rise = 0.0F, .start = 0.5F, .final = 0.0F}, {1, 0.8535533906, 0.5, 0.1464466094, 0}},
    {OneCycle{.rise = 1.0F, .start = 0.0F, .final = 0.0F}, {0, 0.1464466094, 0.5, 0.8535533906, 0}},
};

TEST(Schedule, HasTheValuesDerivedByHand) {
  for (const ScheduleCase& c : kSchedules)
    for (std::size_t i = 0; i < 5; ++i)
      EXPECT_NEAR(learning_rate_factor(c.schedule, 25 * i, 100), c.factors[i], 1e-8)
          << kind(c.schedule) << " in step " << 25 * i;
}

TEST(Schedule, WarmUpRisesInALineAndThenTheScheduleBegins) {
  const auto factor = [](std::size_t step) {
    return learning_rate_factor(CosineSchedule{}, step, 110, 10);
  };
  EXPECT_DOUBLE_EQ(factor(0), 0.1);
  EXPECT_DOUBLE_EQ(factor(4), 0.5);
  EXPECT_DOUBLE_EQ(factor(9), 1.0);
  EXPECT_DOUBLE_EQ(factor(10), 1.0);
  EXPECT_NEAR(factor(60), 0.5, 1e-12);
  EXPECT_NEAR(factor(110), 0.0, 1e-12);
}

TEST(Schedule, RestsBehindItsEnd) {
  EXPECT_NEAR(learning_rate_factor(CosineSchedule{0.25F}, 1000, 100), 0.25, 1e-12);
}

TEST(Schedule, OfATrainingThatIsAllWarmUpStarts) {
  for (const std::size_t steps : {5U, 10U}) {
    EXPECT_EQ(learning_rate_factor(CosineSchedule{0.25F}, 7, steps, 10), 0.8);
    EXPECT_DOUBLE_EQ(learning_rate_factor(OneCycle{.start = 0.5F}, 7, steps, 10), 0.4);
  }
}

TEST(Schedule, RejectsOptionsOutOfRange) {
  const auto refused = [](const Schedule& schedule) {
    return test::message_of<InvalidArgument>([&] { learning_rate_factor(schedule, 0, 100); });
  };
  EXPECT_EQ(refused(StepSchedule{0}), "schedule step: every must be at least 1, got 0");
  EXPECT_EQ(refused(ExponentialSchedule{1, 0.0F}),
            "schedule exponential: factor must be in (0, 1], got 0");
  EXPECT_EQ(refused(CosineSchedule{-1.0F}), "schedule cosine: final must be in [0, 1], got -1");
  EXPECT_EQ(refused(OneCycle{.rise = 1.5F}), "schedule one_cycle: rise must be in [0, 1], got 1.5");
}

}  // namespace
}  // namespace gradatim
