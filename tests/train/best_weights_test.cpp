#include "train/best_weights.hpp"

#include <gtest/gtest.h>

#include <array>

namespace gradatim {
namespace {

constexpr std::size_t kSize = 2;

bool observe(BestWeights& best, double loss, std::size_t epoch) {
  const std::array<float, kSize> theta{static_cast<float>(epoch), 0};
  return best.observe({.loss = loss}, epoch, theta);
}

TEST(BestWeights, RemembersHowLongItHasWaitedWhereNothingWasANumber) {
  const EarlyStopping options{.patience = 3};
  BestWeights best(options, TargetKind::classes, 1);
  EXPECT_TRUE(observe(best, Scores::kNothing, 1));
  EXPECT_TRUE(observe(best, Scores::kNothing, 2));
  TrainState state;
  best.save(state);
  BestWeights resumed(options, TargetKind::classes, 1);
  resumed.restore(state, kSize);
  EXPECT_FALSE(observe(best, Scores::kNothing, 3));
  EXPECT_FALSE(observe(resumed, Scores::kNothing, 3));
}

TEST(BestWeights, KeepsEveryBettermentButWaitsForOneBeyondMinDelta) {
  const EarlyStopping options{.patience = 3, .min_delta = 0.5F};
  BestWeights best(options, TargetKind::classes, 1);
  EXPECT_TRUE(observe(best, 2.0, 1));
  EXPECT_TRUE(observe(best, 1.75, 2));  // less than min_delta better, twice
  EXPECT_EQ(best.epoch(), 2U);
  EXPECT_TRUE(observe(best, 1.25, 3));  // beyond it, from the first
  EXPECT_EQ(best.epoch(), 3U);
  EXPECT_TRUE(observe(best, 1.0, 4));
  EXPECT_TRUE(observe(best, 1.5, 5));
  TrainState state;
  best.save(state);
  BestWeights resumed(options, TargetKind::classes, 1);
  resumed.restore(state, kSize);
  for (BestWeights* each : {&best, &resumed}) {
    EXPECT_EQ(each->epoch(), 4U);
    EXPECT_EQ(each->theta()[0], 4.0F);
    EXPECT_FALSE(observe(*each, 0.875, 6));
    EXPECT_EQ(each->epoch(), 6U);
  }
}

}  // namespace
}  // namespace gradatim
