#include "gradatim/diff/descent.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "diff/test_functions.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

using test::kBowl;
using Vector = std::vector<double>;

// Each step multiplies the bowl's coordinates by 1 - 2·0.1.
TEST(GradientDescent, OfTheBowlEndsWhereItMust) {
  const auto d = gradient_descent(kBowl, {-3.0, 4.0}, {.learning_rate = 0.1, .steps = 100});
  const double shrunk = std::pow(0.8, 100);
  EXPECT_NEAR(d.point[0], -3 * shrunk, 1e-15);
  EXPECT_NEAR(d.point[1], 4 * shrunk, 1e-15);
  EXPECT_NEAR(d.point[0] / (-3 * shrunk), 1, 1e-13);
  EXPECT_EQ(d.stop, Stop::kStepsUsedUp);
  EXPECT_EQ(d.steps, 100U);
  ASSERT_EQ(d.path.size(), 101U);
  EXPECT_EQ(d.path[0], (Vector{-3, 4}));
  EXPECT_DOUBLE_EQ(d.path[1][0], -2.4);
  EXPECT_EQ(d.values.size(), 101U);
  EXPECT_DOUBLE_EQ(d.values[0], 25);
}

TEST(GradientDescent, ReportsALearningRateThatIsTooLarge) {
  const auto d = gradient_descent(kBowl, {-3.0, 4.0}, {.learning_rate = 10, .steps = 100});
  EXPECT_EQ(d.stop, Stop::kDiverged);
  EXPECT_LT(d.steps, 100U);
  EXPECT_GT(d.value, 1e20);
}

TEST(GradientDescent, DivergesInFewStepsToo) {
  for (const std::size_t steps : {1U, 2U, 9U, 10U, 11U}) {
    const auto d = gradient_descent(kBowl, {-3.0, 4.0}, {.learning_rate = 10, .steps = steps});
    EXPECT_EQ(d.stop, Stop::kDiverged) << steps << " steps to " << d.value;
  }
}

// Momentum lets f rise for a while below where it started: no reason to stop, still less to say
// that the steps are used up.
TEST(GradientDescent, UsesItsStepsUpOrNamesAnotherReason) {
  for (const double momentum : {0.0, 0.9, 0.99, 0.999}) {
    for (const double rate : {1e-3, 1e-2, 0.5, 1.5}) {
      const auto d = gradient_descent(kBowl, {-3.0, 4.0},
                                      {.learning_rate = rate, .steps = 1000, .momentum = momentum});
      EXPECT_TRUE(d.steps == 1000 || d.stop != Stop::kStepsUsedUp)
          << rate << ' ' << momentum << ": " << d.steps << " steps, " << to_string(d.stop);
    }
  }
  const auto swinging = gradient_descent(kBowl, {-3.0, 4.0},
                                         {.learning_rate = 0.001, .steps = 1000, .momentum = 0.99});
  EXPECT_EQ(swinging.stop, Stop::kStepsUsedUp);
  EXPECT_EQ(swinging.steps, 1000U);
  EXPECT_LT(swinging.value, 1);
}

TEST(GradientDescent, ReportsALearningRateThatIsTooSmall) {
  const auto d = gradient_descent(kBowl, {-3.0, 4.0}, {.learning_rate = 1e-10, .steps = 100});
  EXPECT_EQ(d.stop, Stop::kHardlyMoved);
  EXPECT_NEAR(d.point[0], -2.99999994, 1e-12);
}

// Back where it began behind an even number of steps, and one entry far larger than what moves.
TEST(GradientDescent, WhatMovedIsNotCalledHardlyMoved) {
  const auto there_and_back = gradient_descent(kBowl, {-3.0, 4.0}, {.learning_rate = 1});
  EXPECT_EQ(there_and_back.point, (Vector{-3, 4}));
  EXPECT_EQ(there_and_back.stop, Stop::kStepsUsedUp);
  const auto uneven = [](const auto& x) { return x[0] * x[0] + 1e-9 * x[1]; };
  EXPECT_EQ(gradient_descent(uneven, {3.0, 1e9}, {.learning_rate = 0.1}).stop, Stop::kStepsUsedUp);
  const auto lower = [](const auto& x) { return kBowl(x) - 25; };
  EXPECT_EQ(gradient_descent(lower, {-3.0, 4.0}, {.learning_rate = 1e-10}).stop,
            Stop::kHardlyMoved);
}

TEST(GradientDescent, ConvergesToItsTolerance) {
  const auto d = gradient_descent(kBowl, std::array{-3.0, 4.0},
                                  {.learning_rate = 0.1, .steps = 1000, .tolerance = 1e-6});
  EXPECT_EQ(d.stop, Stop::kConverged);
  EXPECT_LE(std::abs(d.point[1]), 0.5e-6);
  EXPECT_LT(d.steps, 80U);
  const auto at_minimum = gradient_descent(kBowl, {0.0, 0.0}, {});
  EXPECT_EQ(at_minimum.stop, Stop::kConverged);
  EXPECT_EQ(at_minimum.steps, 0U);
}

TEST(GradientDescent, ReportsWhatIsNotFinite) {
  const auto d = gradient_descent([](const auto& x) { return log(x[0]); }, {1.0},
                                  {.learning_rate = 0.9, .steps = 100});
  EXPECT_EQ(d.stop, Stop::kNonFinite);
  const auto plain = [](const std::vector<double>& x) { return std::log(x[0]); };
  EXPECT_EQ(gradient_descent(plain, {1.0}, {.learning_rate = 1e308, .steps = 5}).stop,
            Stop::kNonFinite);
  EXPECT_EQ(gradient_descent(plain, {std::nan("")}).stop, Stop::kNonFinite);
}

// It fell there, whatever it did a step before.
TEST(GradientDescent, AnInfiniteSlopeBehindARiseIsNoDivergence) {
  int calls = 0;
  const auto f = [&calls](const auto& x) {
    switch (calls++) {
      case 0:
        return x[0] + 0.0;
      case 1:
        return x[0] + 6.0;  // 5 at -1
      default:
        return sqrt(x[0] + 2.0) - 1.0;  // -1 at -2
    }
  };
  const auto d = gradient_descent(f, {0.0}, {.learning_rate = 1});
  EXPECT_EQ(d.steps, 2U);
  EXPECT_EQ(d.value, -1);
  EXPECT_EQ(d.stop, Stop::kNonFinite);
}

// 10 to the fourth power overflows before it could rise ten times.
TEST(GradientDescent, ARiseToInfinityIsADivergence) {
  const auto quartic = [](const auto& x) { return x[0] * x[0] * x[0] * x[0]; };
  const auto d = gradient_descent(quartic, {10.0}, {.learning_rate = 1});
  EXPECT_EQ(d.stop, Stop::kDiverged);
  EXPECT_LT(d.steps, 10U);
  const auto difference = [&](const auto& x) { return quartic(x) - quartic(x) / 2.0; };
  EXPECT_EQ(gradient_descent(difference, {10.0}, {.learning_rate = 1}).stop, Stop::kDiverged);
  // One rise to where the slope is infinite is none.
  const auto root = [](const auto& x) { return sqrt(x[0] * 1.0) * -1.0 + 0.5 * x[0]; };
  const auto at_root = gradient_descent(root, {4.0}, {.learning_rate = 16, .steps = 3});
  EXPECT_EQ(at_root.stop, Stop::kNonFinite) << at_root.value;
  const auto falling = [](const std::vector<double>& x) { return -x[0]; };
  EXPECT_EQ(gradient_descent(falling, {0.0}, {.learning_rate = 1.79e308, .steps = 3}).stop,
            Stop::kNonFinite);
}

// Heavy ball on 50 x0² + x1²/2: momentum 0.6 reaches in 60 steps what plain descent does not.
// v <- 0.5 v - 0.1·2x and x <- x + v, from x = 1 and v = 0.
TEST(GradientDescent, MomentumIsTheFormula) {
  const auto d =
      gradient_descent([](const auto& x) { return x[0] * x[0]; }, {1.0},
                       {.learning_rate = 0.1, .steps = 3, .momentum = 0.5, .keep_path = true});
  const std::vector<double> expected{1, 0.8, 0.54, 0.302};
  ASSERT_EQ(d.path.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(d.path[i][0], expected[i], 1e-15) << i;
}

TEST(GradientDescent, MomentumHelpsInANarrowValley) {
  const auto valley = [](const auto& x) { return 50.0 * x[0] * x[0] + 0.5 * x[1] * x[1]; };
  const auto plain = gradient_descent(valley, {1.0, 10.0}, {.learning_rate = 0.015, .steps = 60});
  const auto heavy =
      gradient_descent(valley, {1.0, 10.0}, {.learning_rate = 0.015, .steps = 60, .momentum = 0.8});
  EXPECT_LT(heavy.value, plain.value / 10);
}

TEST(GradientDescent, WorksForPlainFunctionsAndFloat) {
  const auto plain = gradient_descent([](const Vector& x) { return x[0] * x[0] + x[1] * x[1]; },
                                      {-3.0, 4.0}, {.learning_rate = 0.1, .steps = 100});
  EXPECT_NEAR(plain.point[0], 0, 1e-8);
  const auto narrow = gradient_descent(kBowl, std::array{-3.0F, 4.0F}, {.learning_rate = 0.1});
  static_assert(std::same_as<decltype(narrow.value), float>);
  EXPECT_NEAR(narrow.point[1], 0, 1e-8F);
}

TEST(GradientDescent, KeepsNoPathUnlessAsked) {
  const auto d = gradient_descent(kBowl, {-3.0, 4.0}, {.steps = 5, .keep_path = false});
  EXPECT_TRUE(d.path.empty());
  EXPECT_EQ(d.evaluations, 6U);
}

TEST(GradientDescent, ValidatesItsOptions) {
  EXPECT_THROW(gradient_descent(kBowl, {1.0, 1.0}, {.learning_rate = 0}), InvalidArgument);
  EXPECT_THROW(gradient_descent(kBowl, {1.0, 1.0}, {.learning_rate = std::nan("")}),
               InvalidArgument);
  EXPECT_THROW(gradient_descent(kBowl, {1.0, 1.0}, {.momentum = 1}), InvalidArgument);
  EXPECT_THROW(minimise(kBowl, {1.0, 1.0}, {.shrink = 1}), InvalidArgument);
  EXPECT_THROW(gradient_descent(kBowl, {1.0, 1.0}, {.learning_rate = HUGE_VAL}), InvalidArgument);
  EXPECT_THROW(gradient_descent(kBowl, {1.0, 1.0}, {.tolerance = HUGE_VAL}), InvalidArgument);
  EXPECT_THROW(minimise(kBowl, {1.0, 1.0}, {.tolerance = HUGE_VAL}), InvalidArgument);
  EXPECT_THROW(minimise(kBowl, {1.0, 1.0}, {.first_step = HUGE_VAL}), InvalidArgument);
}

// Known minima: Rosenbrock (1, 1), Beale (3, 0.5), Powell singular the origin, all of value 0.
TEST(Minimise, FindsKnownMinima) {
  const auto rosenbrock = minimise(test::kRosenbrock, {-1.2, 1.0});
  EXPECT_EQ(rosenbrock.stop, Stop::kConverged);
  EXPECT_NEAR(rosenbrock.point[0], 1, 1e-6);
  EXPECT_NEAR(rosenbrock.point[1], 1, 1e-6);
  const auto beale = minimise(test::kBeale, {1.0, 1.0});
  EXPECT_NEAR(beale.point[0], 3, 1e-5);
  EXPECT_NEAR(beale.point[1], 0.5, 1e-5);
  const auto powell =
      minimise(test::kPowellSingular, {3.0, -1.0, 0.0, 1.0}, {.steps = 20'000, .tolerance = 1e-6});
  EXPECT_LT(powell.value, 1e-7);
}

TEST(Minimise, FallsAtEveryStep) {
  const auto d = minimise(test::kRosenbrock, {-1.2, 1.0});
  for (std::size_t i = 1; i < d.values.size(); ++i) EXPECT_LT(d.values[i], d.values[i - 1]);
}

TEST(Minimise, EndsWhereNoStepHelps) {
  const auto d = minimise([](const auto& x) { return abs(x[0]) + abs(x[1]); }, {0.3, 1e-3});
  EXPECT_NE(d.stop, Stop::kStepsUsedUp);
  EXPECT_LT(d.value, 0.3) << "it starts from 0.301";
}

// Each case made a backtracking that only waits for a step without effect wait for ever.
TEST(Minimise, WhateverTheScaleOfF) {
  for (const double scale : {1e-17, 1e-100, 1e100, 1e200}) {
    const auto f = [scale](const auto& x) { return scale * x[0] * x[0]; };
    const auto d = minimise(f, {3.0}, {.tolerance = 1e-12 * scale});
    EXPECT_EQ(d.stop, Stop::kConverged) << scale;
    EXPECT_NEAR(d.point[0], 0, 1e-11) << scale;
  }
  const auto square = [](const auto& x) { return x[0] * x[0]; };
  EXPECT_EQ(minimise(square, {1.0F}, {.first_step = 1e-60}).stop, Stop::kConverged);
  const auto narrow = [](const auto& x) { return 1e20F * x[0] * x[0]; };
  EXPECT_NEAR(minimise(narrow, {1.0F}, {.tolerance = 1e10}).point[0], 0, 1e-8);
}

TEST(Minimise, EndsAtWhateverStep) {
  const auto narrow = minimise(kBowl, std::array{-3.0F, 4.0F}, {.first_step = 1e300});
  EXPECT_EQ(narrow.stop, Stop::kConverged) << "infinite in float";
  const auto large =
      minimise([](const auto& x) { return 1e-300 * x[0] * x[0]; }, {1e200}, {.tolerance = 0});
  EXPECT_TRUE(std::isfinite(large.value)) << "squares that overflow";
  const auto shrinking =
      minimise([](const auto& x) { return 1e300 * abs(x[0]); }, {0.25}, {.shrink = 0.75});
  EXPECT_NE(shrinking.stop, Stop::kStepsUsedUp) << "0.75 times the smallest number is that number";
  const auto hardly = minimise(kBowl, std::array{-3.0F, 4.0F}, {.steps = 5, .shrink = 1 - 1e-12});
  EXPECT_LE(hardly.steps, 5U) << "1 in float";
}

}  // namespace
}  // namespace gradatim
