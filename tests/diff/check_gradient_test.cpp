#include "gradatim/diff/check_gradient.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numbers>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "diff/known_gradients.hpp"
#include "diff/test_functions.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using Vector = std::vector<double>;
using test::PlainFunction;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Verdict verdict(const PlainFunction& f, const Vector& analytic, Vector x) {
  return check_gradient(f, analytic, x).worst().verdict;
}

// Where f has no derivative nothing passes, whatever the analytic value.
TEST(NeverPassed, Kinks) {
  const auto relu = [](const Vector& x) { return std::max(x[0], 0.0); };
  const auto absolute = [](const Vector& x) { return std::abs(x[0]); };
  const auto root_of_square = [](const Vector& x) { return std::sqrt(x[0] * x[0]); };
  for (const double analytic : {0.0, 0.5, 1.0, -1.0}) {
    EXPECT_EQ(verdict(relu, {analytic}, {0}), Verdict::kKink) << analytic;
    EXPECT_EQ(verdict(absolute, {analytic}, {0}), Verdict::kKink) << analytic;
    EXPECT_EQ(verdict(root_of_square, {analytic}, {0}), Verdict::kKink) << analytic;
  }
  EXPECT_EQ(verdict(root_of_square, {kNan}, {0}), Verdict::kKink);
  const auto largest = [](const Vector& x) { return std::max(x[0], x[1]); };
  EXPECT_EQ(verdict(largest, {1, 0}, {0.7, 0.7}), Verdict::kKink);
  EXPECT_EQ(verdict(largest, {0.5, 0.5}, {0.7, 0.7}), Verdict::kKink);
}

TEST(NeverPassed, AKinkSaysWhetherTheAnalyticValueLiesBetweenItsSlopes) {
  const PlainFunction relu = [](const Vector& x) { return 3 * std::max(x[0], 0.0) - x[0]; };
  const auto inside = check_gradient(relu, Vector{1.5}, {0.0}).worst();
  EXPECT_TRUE(inside.between_slopes);
  EXPECT_NEAR(inside.slope_below, -1, 1e-9);
  EXPECT_NEAR(inside.slope_above, 2, 1e-9);
  const auto outside = check_gradient(relu, Vector{2.5}, {0.0});
  EXPECT_FALSE(outside.worst().between_slopes);
  EXPECT_NE(outside.to_string().find("not between them"), std::string::npos);
}

TEST(NeverPassed, AKinkOnAHillIsSeen) {
  const auto f = [](const Vector& x) { return 1e3 + std::exp(x[0]) + 0.1 * std::abs(x[0] - 1); };
  EXPECT_EQ(verdict(f, {std::exp(1.0)}, {1}), Verdict::kKink);
}

// While f''·h outweighs the kink, the gap between the one-sided slopes falls with h as a smooth
// f's.
TEST(NeverPassed, AKinkUnderCurvatureIsSeen) {
  const auto bent = [](double curvature, double kink) {
    return [=](const Vector& x) { return curvature * x[0] * x[0] + x[0] + kink * std::abs(x[0]); };
  };
  EXPECT_EQ(verdict(bent(100, 0.5), {1}, {0}), Verdict::kKink);
  EXPECT_EQ(verdict(bent(1e6, 0.1), {1}, {0}), Verdict::kKink);
  EXPECT_EQ(verdict(bent(1e6, 0), {1}, {0}), Verdict::kPass) << "a control: curvature alone";
  const auto quartic = [](const Vector& x) {
    return 1e6 * std::pow(x[0], 4) + x[0] + 0.1 * std::abs(x[0]);
  };
  EXPECT_EQ(verdict(quartic, {1}, {0}), Verdict::kKink);
  const auto corner = [](const Vector& x) { return x[0] + std::sqrt(x[0] * x[0] + 1e-10); };
  EXPECT_EQ(verdict(corner, {1}, {0}), Verdict::kPass) << "a control: a round corner";
}

TEST(NeverPassed, TheEdgeOfADomain) {
  const auto root = [](const Vector& x) { return std::sqrt(x[0]); };
  EXPECT_EQ(verdict(root, {0}, {0}), Verdict::kNonFinite);
  EXPECT_EQ(verdict(root, {kInfinity}, {0}), Verdict::kBothNonFinite);
  const auto speck = [](const Vector& x) { return std::abs(x[0]) <= 1e-8 ? x[0] : kNan; };
  EXPECT_EQ(verdict(speck, {1}, {0}), Verdict::kNonFinite);
  EXPECT_EQ(verdict(speck, {1}, {0.5e-8}), Verdict::kNonFinite);
  const auto cube_root = [](const Vector& x) { return std::cbrt(x[0]); };
  EXPECT_EQ(verdict(cube_root, {0}, {0}), Verdict::kNonFinite) << "its slope is unbounded";
}

TEST(NeverPassed, Jumps) {
  const auto up = [](const Vector& x) { return std::ceil(x[0]); };
  EXPECT_EQ(verdict(up, {0}, {0.1}), Verdict::kDiscontinuity) << "a step function, near a step";
  EXPECT_EQ(verdict(up, {0}, {0.0}), Verdict::kDiscontinuity);
  EXPECT_EQ(verdict([](const Vector& x) { return std::ceil(10 * x[0]); }, {0}, {0.1}),
            Verdict::kDiscontinuity);
  const auto sign = [](const Vector& x) { return x[0] > 0 ? 1.0 : x[0] < 0 ? -1.0 : 0.0; };
  EXPECT_EQ(verdict(sign, {0}, {0}), Verdict::kDiscontinuity);
  const auto slope_and_step = [](const Vector& x) { return x[0] + (x[0] >= 2 ? 1e-3 : 0.0); };
  EXPECT_EQ(verdict(slope_and_step, {1}, {2}), Verdict::kDiscontinuity);
}

TEST(NeverPassed, InfiniteFunctions) {
  const auto infinite = [](const Vector&) { return kInfinity; };
  EXPECT_EQ(verdict(infinite, {1}, {1}), Verdict::kNonFinite);
  EXPECT_EQ(verdict(infinite, {kNan}, {1}), Verdict::kBothNonFinite);
  const auto fine = [](const Vector& x) { return x[0]; };
  EXPECT_EQ(verdict(fine, {kNan}, {1}), Verdict::kNonFinite) << "only the analytic value";
}

TEST(NeverPassed, RandomFunctions) {
  std::uint64_t call = 0;
  const auto random = [&call](const Vector& x) {
    std::vector<float> u(1);
    fill_uniform(u, {.seed = 1, .step = ++call}, -0.01F, 0.01F);
    return x[0] * x[0] + static_cast<double>(u[0]);
  };
  EXPECT_EQ(verdict(random, {2}, {1}), Verdict::kNonDeterministic);
}

TEST(NeverPassed, FunctionsThatWriteToTheirArgument) {
  const PlainFunction writes = [](Vector& x) {
    const double value = x[0] * x[0];
    x[0] = 0;
    return value;
  };
  Vector x{1};
  EXPECT_EQ(check_gradient(writes, Vector{2}, x).worst().verdict, Verdict::kInputModified);
  EXPECT_EQ(x, Vector{1});
}

TEST(NeverPassed, AGradientOfZeros) {
  for (const auto& row : test::known_gradients()) {
    const auto check = check_gradient(row.f, Vector(row.x.size()), row.x);
    EXPECT_EQ(check.worst().verdict, Verdict::kFail) << row.name;
  }
}

TEST(CheckGradient, WhatCannotBeResolvedIsNotPassed) {
  const auto drowned = [](const Vector& x) { return 1e12 + std::sin(x[0]); };
  EXPECT_EQ(verdict(drowned, {std::cos(1.0)}, {1}), Verdict::kUnresolved);
  EXPECT_EQ(verdict(drowned, {7}, {1}), Verdict::kFail) << "it still sees what is plainly wrong";
}

// No difference shows sin next to 1e17, whose unit in the last place is 16.
TEST(CheckGradient, AZeroWhereFDrownsIsUnresolved) {
  const auto drowned = [](const Vector& x) { return 1e17 + std::sin(x[0]); };
  EXPECT_EQ(verdict(drowned, {0}, {1}), Verdict::kUnresolved);
  const auto beside = [](const Vector& x) { return 1e17 + std::sin(x[0]) + 1e12 * x[1]; };
  EXPECT_EQ(check_gradient(beside, Vector{0, 1e12}, {1.0, 1.0}).count(Verdict::kPass), 2U)
      << "a zero next to the gradient's largest entry";
  EXPECT_TRUE(check_gradient([](const Vector&) { return 0.0; }, Vector{0}, {1.0}).passed());
}

// Next to the edge of a domain hardly a difference can be taken: nothing is known, and nothing
// refuted.
TEST(CheckGradient, WhatCannotBeDifferencedIsUnresolved) {
  const PlainFunction root = [](const Vector& x) { return std::sqrt(x[0] - 1); };
  const double x = 1 + 0x1p-45;
  EXPECT_EQ(verdict(root, {0.5 / std::sqrt(x - 1)}, {x}), Verdict::kUnresolved);
}

TEST(CheckGradient, RightGradientsPass) {
  int passed = 0;
  for (const auto& row : test::known_gradients()) {
    if (row.name == "brown_badly_scaled") continue;  // see the next test
    const auto check = check_gradient(row.f, row.gradient, row.x);
    EXPECT_TRUE(check.passed()) << row.name << '\n' << check.to_string();
    passed += check.passed() ? 1 : 0;
  }
  EXPECT_EQ(passed, 9);
}

TEST(CheckGradient, AnEntryBelowTheRoundingOfFIsUnresolved) {
  const auto check = check_gradient(test::kBrownBadlyScaled, Vector{-2e6, -4e-6}, {1.0, 1.0});
  EXPECT_EQ(check.worst().index, 1U);
  EXPECT_EQ(check.worst().verdict, Verdict::kUnresolved);
  EXPECT_EQ(check.count(Verdict::kPass), 1U);
}

TEST(CheckGradient, AtAStationaryPointAndOfAConstant) {
  const auto bowl = [](const Vector& x) { return test::kBowl(x); };
  EXPECT_TRUE(check_gradient(bowl, Vector{0, 0}, {0.0, 0.0}).passed());
  EXPECT_TRUE(check_gradient([](const Vector&) { return 4.0; }, Vector{0}, {1.0}).passed());
  EXPECT_EQ(verdict([](const Vector&) { return 4.0; }, {1e-3}, {1}), Verdict::kFail);
  EXPECT_TRUE(check_gradient([](const Vector& x) { return std::max(x[0], 0.0); }, Vector{0}, {-0.1})
                  .passed())
      << "a kink nearby is not one here";
}

// As where the chapter's f reads an x of its own that is not the one to be moved.
TEST(CheckGradient, SaysThatFNeverChanged) {
  const std::vector<float> own{3.0F, 4.0F};
  const auto f = [&own](const auto&) { return static_cast<double>(own[0] * own[1]); };
  EXPECT_CONTAINS(check_gradient(f, Vector{0, 0}, own).to_string(), "did not change at any point");
  for (const Vector& x : {Vector{0, 0}, Vector{3, 4}}) {
    const auto bowl = [](const Vector& at) { return test::kBowl(at); };
    EXPECT_EQ(check_gradient(bowl, Vector{2 * x[0], 2 * x[1]}, x).to_string().find("did not"),
              std::string::npos);
  }
}

// Steps that are whole periods of f, and a corner narrower than all steps but the last.
TEST(CheckGradient, DoesNotRefuteARightGradientByChance) {
  const double rate = 32 * std::numbers::pi / 0.13;
  const auto wave = [rate](const Vector& x) { return std::sin(rate * x[0]) + x[0]; };
  EXPECT_EQ(verdict(wave, {rate + 1}, {0}), Verdict::kPass);
  EXPECT_EQ(verdict(wave, {-3}, {0}), Verdict::kFail);
  EXPECT_EQ(verdict(wave, {1}, {0}), Verdict::kFail) << "what all halved steps agree on";
  const auto step = [](const Vector& x) { return std::sin(x[0]) + 1e-9 * std::tanh(1e9 * x[0]); };
  const Verdict right = verdict(step, {2}, {0});
  EXPECT_TRUE(right == Verdict::kPass || right == Verdict::kUnresolved) << to_string(right);
  EXPECT_EQ(verdict(step, {7}, {0}), Verdict::kFail);
}

// Where f rounds something larger than itself its values are stairs. Those are no jumps, and their
// slopes refute nothing.
TEST(CheckGradient, WhatFRoundsInsideIsNoFault) {
  const auto verdicts = [](const auto& f, const auto& slope, double low, double high) {
    std::map<Verdict, int> counts;
    for (int i = 0; i < 500; ++i) {
      const double x = low + (high - low) * i / 500;
      ++counts[verdict([&](const Vector& at) { return f(at[0]); }, {slope(x)}, {x})];
    }
    EXPECT_GE(counts[Verdict::kPass] + counts[Verdict::kUnresolved], 497);
    return counts;
  };
  const auto loss = [](double x) { return std::log(1 + std::exp(-x)); };
  const auto loss_slope = [](double x) { return -1 / (1 + std::exp(x)); };
  EXPECT_GE(verdicts(loss, loss_slope, 0, 15)[Verdict::kPass], 490);
  verdicts(loss, loss_slope, 15, 25);
  EXPECT_EQ(verdicts([](double x) { return std::sin(x + 1e5); },
                     [](double x) { return std::cos(x + 1e5); }, -2, 2)[Verdict::kPass],
            500);
  verdicts([](double x) { return 1 - std::cos(x); }, [](double x) { return std::sin(x); }, 1e-4, 1);
  for (const double x : {1.0, 5.0, 12.0, 15.0, 18.0, 20.0})
    for (const double factor : {1.1, -1.0, 0.0})
      EXPECT_EQ(
          verdict([&](const Vector& at) { return loss(at[0]); }, {factor * loss_slope(x)}, {x}),
          Verdict::kFail)
          << x;
}

// No derivative at 0, where one-sided slopes swing between -1 and 1 at every scale, although
// differences are exactly 0; x² sin(1/x) has one.
TEST(CheckGradient, SlopesThatNeverSettleArePassedByNothing) {
  const auto swing = [](double x) { return x == 0 ? 0.0 : x * std::sin(1 / x); };
  for (const double slope : {0.0, 2.0, -3.0})
    for (const auto& [place, offset] :
         {std::pair{0.0, 0.0}, {0.0, 1000.0}, {0.0, 1e6}, {1.0, 0.0}}) {
      const auto f = [&](const Vector& x) { return offset + slope * x[0] + swing(x[0] - place); };
      for (const double analytic : {slope, slope + 0.3, slope + 1})
        EXPECT_EQ(verdict(f, {analytic}, {place}), Verdict::kUnresolved) << slope << " " << place;
      EXPECT_EQ(verdict(f, {slope + 100}, {place}), Verdict::kFail) << slope << " " << place;
    }
  const auto settles = [&](const Vector& x) { return 2 * x[0] + x[0] * swing(x[0]); };
  EXPECT_EQ(verdict(settles, {2.0}, {0.0}), Verdict::kPass);
}

// Rounding that rises as steps fall is no swing; and what is seen does not depend on what is
// checked: on the curve c / x within a stair of cos, -0.5 would pass where 0.5 does.
TEST(CheckGradient, SeesTheSameWhateverIsChecked) {
  int passed = 0;
  int failed = 0;
  for (int i = 0; i < 300; ++i) {
    const double x = 1e-8 * std::pow(1e4, i / 300.0);
    const auto stairs = [](const Vector& v) { return (1 - std::cos(v[0])) / v[0]; };
    EXPECT_TRUE(x < 1e-6 || verdict(stairs, {-0.5}, {x}) != Verdict::kPass) << x;
    failed += verdict(stairs, {0.5 - x * x / 8}, {x}) == Verdict::kFail ? 1 : 0;
    const auto curve = [](const Vector& v) { return (std::exp(v[0]) - 1) / v[0]; };
    const Verdict right = verdict(curve, {0.5 + x / 3}, {x});
    EXPECT_TRUE(right == Verdict::kPass || right == Verdict::kUnresolved) << x;
    passed += right == Verdict::kPass ? 1 : 0;
  }
  EXPECT_GE(passed, 180);
  EXPECT_LE(failed, 30) << "of curves within a stair: 137 without a look for noise wide next to x";
}

// Beside a jump a wrong gradient is as wrong.
TEST(CheckGradient, AJumpBesideXExcusesNothing) {
  for (double distance = 1e-3; distance > 1e-9; distance /= 3)
    for (const double side : {-1.0, 1.0}) {
      const double place = 1.0665 + side * distance;
      const auto f = [place](const Vector& x) { return std::sin(x[0]) + (x[0] > place ? 1 : 0); };
      for (const double wrong : {1.0001, 1.1, -1.0, 0.0})
        EXPECT_EQ(verdict(f, {wrong * std::cos(1.0665)}, {1.0665}), Verdict::kFail) << distance;
    }
}

TEST(CheckGradient, ComparesMethodsAndFunctions) {
  const Vector x{-1.2, 1};
  EXPECT_TRUE(
      check_gradient(test::kRosenbrock, gradient(test::kRosenbrock, x, Tape{}), x).passed());
  const auto analytic = [](const Vector& at) { return test::chained_rosenbrock_gradient(at); };
  EXPECT_TRUE(check_gradient(test::kChainedRosenbrock, analytic, x).passed());
}

TEST(CheckGradient, FloatFunctionsHaveFloatTolerances) {
  const auto f = [](const std::vector<float>& x) { return std::sin(x[0]) * x[1]; };
  const std::vector<float> x{0.7F, 2.0F};
  const std::vector<float> right{2 * std::cos(0.7F), std::sin(0.7F)};
  const std::vector<float> wrong{2 * std::cos(0.7F), 1.05F * std::sin(0.7F)};
  EXPECT_TRUE(check_gradient(f, right, x).passed()) << check_gradient(f, right, x).to_string();
  EXPECT_EQ(check_gradient(f, wrong, x).worst().verdict, Verdict::kFail);
}

TEST(CheckGradient, SamplesAndCountsWhatItSkips) {
  Vector x(1000, 0.3);
  const auto exact = test::chained_rosenbrock_gradient(x);
  const auto check = check_gradient(test::kChainedRosenbrock, exact, x, {.max_entries = 20});
  EXPECT_EQ(check.entries.size(), 20U);
  EXPECT_EQ(check.count(Verdict::kSkipped), 980U);
  EXPECT_NE(check.to_string().find("980 skipped"), std::string::npos);
  const auto indices = [&](std::uint64_t seed) {
    std::set<std::size_t> found;
    const CheckOptions options{.max_entries = 20, .seed = seed};
    for (const auto& entry : check_gradient(test::kChainedRosenbrock, exact, x, options).entries)
      found.insert(entry.index);
    return found;
  };
  EXPECT_EQ(indices(3), indices(3));
  EXPECT_NE(indices(3), indices(4));
}

// |a - n| <= relative_tolerance·max(|a|, |n|) + error_factor·error, to a tenth.
TEST(CheckGradient, PassesByTheRuleItStates) {
  const PlainFunction f = [](const Vector& x) { return std::sin(x[0]); };
  const double slope = std::cos(0.7);
  for (const double tolerance : {1e-7, 1e-5, 1e-3}) {
    const auto at = [&](double off) {
      return check_gradient(f, Vector{slope * (1 + off)}, Vector{0.7},
                            {.relative_tolerance = tolerance})
          .worst();
    };
    EXPECT_EQ(at(0.9 * tolerance).verdict, Verdict::kPass) << tolerance;
    EXPECT_NEAR(at(0.9 * tolerance).ratio, 0.9, 0.01) << tolerance;
    EXPECT_EQ(at(1.1 * tolerance).verdict, Verdict::kFail) << tolerance;
    EXPECT_EQ(at(-1.1 * tolerance).verdict, Verdict::kFail) << tolerance;
  }
  // 1e8 drowns the digits beyond 1e-8 or so: the error outweighs this tolerance.
  const PlainFunction high = [](const Vector& x) { return 1e8 + std::sin(x[0]); };
  const auto known = check_gradient(high, Vector{slope}, Vector{0.7}).worst();
  const auto by_errors = [&](double errors, double factor) {
    return check_gradient(high, Vector{known.numerical + errors * known.error}, Vector{0.7},
                          {.relative_tolerance = 1e-12, .error_factor = factor})
        .worst()
        .verdict;
  };
  EXPECT_EQ(by_errors(9, 10), Verdict::kUnresolved);
  EXPECT_EQ(by_errors(30, 2), Verdict::kFail);
  EXPECT_EQ(by_errors(30, 100), Verdict::kUnresolved);
}

TEST(CheckGradient, AnExactZeroHasTheRatioZero) {
  const PlainFunction bowl = [](const Vector& x) { return test::kBowl(x); };
  EXPECT_TRUE(check_gradient(bowl, Vector{0, 4}, Vector{0, 2}, {.error_factor = 0}).passed());
  const auto product = [](const std::vector<long double>& x) { return x[0] * x[1]; };
  const auto check = check_gradient(product, Vector{0, 0}, std::vector<long double>{0, 0});
  EXPECT_TRUE(check.passed()) << check.to_string();
}

TEST(CheckGradient, AWrongEntryIsNoScaleForTheOthers) {
  const PlainFunction drowned = [](const Vector& x) { return 1e12 + std::sin(x[0]) + x[1]; };
  const auto check = check_gradient(drowned, Vector{0, 1e25}, Vector{0, 0});
  EXPECT_EQ(check.count(Verdict::kFail), 1U);
  EXPECT_EQ(check.count(Verdict::kPass), 0U);
}

TEST(CheckGradient, SaysThatFNeverChangedOnlyIfItDidNot) {
  const auto text = [](const PlainFunction& f) {
    return check_gradient(f, Vector{0}, Vector{0.05}).to_string();
  };
  const std::string constant = text([](const Vector&) { return 4.0; });
  const std::string stairs = text([](const Vector& x) { return std::floor(10 * x[0]); });
  EXPECT_NE(constant.find("did not change"), std::string::npos) << constant;
  EXPECT_EQ(stairs.find("did not change"), std::string::npos) << stairs;
}

TEST(CheckGradient, CannotPassVacuously) {
  const auto f = [](const Vector&) { return 0.0; };
  EXPECT_THROW(check_gradient(f, Vector{}, Vector{}), InvalidArgument);
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{1}, {.max_entries = 0}), InvalidArgument);
  EXPECT_THROW(check_gradient(f, Vector{1, 2}, Vector{1}), ShapeError);
  EXPECT_FALSE(GradientCheck{}.passed());
}

TEST(CheckGradient, ValidatesItsOptions) {
  const PlainFunction f = [](const Vector& x) { return x[0]; };
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{1}, {.relative_tolerance = -1}),
               InvalidArgument);
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{1}, {.error_factor = kNan}), InvalidArgument);
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{1}, {.error_factor = kInfinity}),
               InvalidArgument);
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{1}, {.relative_tolerance = 1}), InvalidArgument);
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{1}, {.step = 1e-50}), InvalidArgument);
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{1}, {.step = 1e-15}), InvalidArgument)
      << "too small to be halved";
  EXPECT_THROW(check_gradient(f, Vector{1}, Vector{kNan}), InvalidArgument);
}

TEST(CheckGradient, PrintsTheWorstFirst) {
  const Vector x{3, 4};
  const auto check = check_gradient(test::kBowl, Vector{6, 8.1}, x);
  EXPECT_EQ(check.worst().index, 1U);
  const std::string text = check.to_string();
  EXPECT_NE(text.find("NOT PASSED (1 of 2 entries passed, 1 fail"), std::string::npos) << text;
  EXPECT_LT(text.find("8.1"), text.find("  6  "));
}

}  // namespace
}  // namespace gradatim
