#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "diff/test_functions.hpp"
#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/derivative.hpp"

// What f does close beside x, where the first steps of a method are too wide: kinks, bumps and
// waves, in double and in float.
namespace gradatim {
namespace {

template <class T>
using Function = std::function<T(T)>;
using Slope = std::function<double(double)>;

/// 500 points from `low` to `high`.
template <class T, class Action>
void for_points(double low, double high, const Action& action) {
  constexpr int kPoints = 500;
  for (int i = 0; i < kPoints; ++i)
    action(static_cast<T>(low + (high - low) * (i + 0.37) / kPoints));
}

template <class T>
Verdict verdict_of(const Function<T>& f, T x, double slope) {
  const auto g = [&f](const std::vector<T>& v) { return f(v[0]); };
  return check_gradient(g, std::vector<double>{slope}, std::vector<T>{x}).worst().verdict;
}

/// Slopes called good that are more than 10 errors and a thousandth of the slope off.
template <class T, class M>
int wrong_slopes(const Function<T>& f, const Slope& slope, double low, double high,
                 const M& method) {
  int wrong = 0;
  for_points<T>(low, high, [&](T x) {
    const auto d = derivative(f, x, method);
    if (d.status != Status::kOk) return;
    const double exact = slope(static_cast<double>(x));
    const double off = std::abs(static_cast<double>(d.value) - exact);
    wrong += off > 10 * static_cast<double>(d.error) + 1e-3 * std::abs(exact) ? 1 : 0;
  });
  return wrong;
}

/// How many of 500 checks of `slope` times `factor` end so.
template <class T>
int count(Verdict wanted, const Function<T>& f, const Slope& slope, double low, double high,
          double factor = 1) {
  int found = 0;
  for_points<T>(low, high, [&](T x) {
    found += verdict_of(f, x, factor * slope(static_cast<double>(x))) == wanted ? 1 : 0;
  });
  return found;
}

const Function<double> kRelu = [](double x) { return std::max(x - 1, 0.0); };
const Slope kReluSlope = [](double x) { return x > 1 ? 1.0 : 0.0; };
const Function<double> kBentWave = [](double x) { return std::sin(x) + std::max(x - 1, 0.0); };
const Slope kBentWaveSlope = [](double x) { return std::cos(x) + (x > 1 ? 1.0 : 0.0); };

// All steps wider than the distance see half the slope, and agree on it.
TEST(BesideAKink, NoMethodIsSureOfTheSlopeOverIt) {
  for (const double distance : {1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-6, 1e-4, 1e-2})
    for (const double side : {-1.0, 1.0}) {
      const double low = 1 + side * distance;
      const double high = 1 + side * 3 * distance;
      for (const auto& [f, slope] :
           {std::pair(kRelu, kReluSlope), std::pair(kBentWave, kBentWaveSlope)}) {
        EXPECT_LE(wrong_slopes(f, slope, low, high, Ridders{}), 5) << low - 1;
        // Where the second look's step is the distance.
        EXPECT_LE(wrong_slopes(f, slope, low, high, Richardson{}), 25) << low - 1;
        EXPECT_LE(wrong_slopes(f, slope, low, high, Adaptive{}), 25) << low - 1;
      }
    }
}

/// Slopes called good, of 500.
template <class T, class M>
int good_slopes(const Function<T>& f, double low, double high, const M& method) {
  int good = 0;
  for_points<T>(low, high,
                [&](T x) { good += derivative(f, x, method).status == Status::kOk ? 1 : 0; });
  return good;
}

// A method that believed nothing would never be wrong.
TEST(BesideAKink, MostSlopesAreKnown) {
  for (const double distance : {1e-10, 1e-8, 1e-6, 1e-4, 1e-2}) {
    EXPECT_GE(good_slopes(kBentWave, 1 + distance, 1 + 3 * distance, Ridders{}), 490) << distance;
    EXPECT_GE(good_slopes(kBentWave, 1 + distance, 1 + 3 * distance, Adaptive{}), 400) << distance;
  }
  const Function<double> smooth = [](double x) { return std::sin(3 * x); };
  EXPECT_EQ(good_slopes(smooth, 0, 3, Richardson{}), 500);
  const Function<double> noisy = [](double x) { return std::sin(x) + 1e-10 * test::hashed(x); };
  EXPECT_GE(good_slopes(noisy, 0, 3, Ridders{}), 490);
  EXPECT_GE(good_slopes(noisy, 0, 3, Adaptive{}), 490);
  EXPECT_GE(good_slopes(noisy, 0, 3, Richardson{}), 300) << "which measures no noise";
}

TEST(BesideAKink, TheCheckerPassesAndFailsTheRightOnes) {
  for (const double distance : {1e-11, 1e-10, 1e-9, 1e-8, 1e-6, 1e-4, 1e-2}) {
    const double low = 1 + distance;
    const double high = 1 + 3 * distance;
    EXPECT_EQ(count(Verdict::kFail, kRelu, kReluSlope, low, high), 0) << distance;
    EXPECT_EQ(count(Verdict::kFail, kBentWave, kBentWaveSlope, low, high), 0) << distance;
    EXPECT_EQ(count(Verdict::kPass, kRelu, kReluSlope, low, high, 0.5), 0) << distance;
    const Slope half = [](double x) { return std::cos(x) + 0.5; };
    EXPECT_EQ(count(Verdict::kPass, kBentWave, half, low, high), 0) << distance;
  }
  EXPECT_EQ(count(Verdict::kPass, kRelu, kReluSlope, 1 + 1e-4, 1 + 3e-4), 500) << "a control";
}

// Where f is 0 on one side as far as the first steps see, that side has a slope.
TEST(BesideAKink, TheSlopeOfAFlatSideIsZeroNotAKink) {
  EXPECT_EQ(count(Verdict::kPass, kRelu, kReluSlope, 1 - 1e-3, 1 - 1e-12), 500);
  const Slope one = [](double) { return 1.0; };
  EXPECT_EQ(count(Verdict::kFail, kRelu, one, 1 - 1e-3, 1 - 1e-12), 500);
}

TEST(AtAKink, NoMethodIsSureOfASlope) {
  const Function<double> absolute = [](double x) { return std::abs(x); };
  for (const auto& d :
       {derivative(kRelu, 1.0, Ridders{}), derivative(kRelu, 1.0, Richardson{}),
        derivative(kRelu, 1.0, Adaptive{}), derivative(kBentWave, 1.0, Ridders{}),
        derivative(absolute, 0.0, Ridders{}), derivative(absolute, 0.0, Richardson{})}) {
    EXPECT_EQ(d.status, Status::kNotConverged) << d.method;
    EXPECT_GE(d.error, 0.49) << d.method;
  }
  const Function<double> soft = [](double x) { return std::pow(std::abs(x), 1.5); };
  EXPECT_EQ(derivative(soft, 0.0, Ridders{}).status, Status::kOk) << "a control: no kink";
}

template <class T>
Function<T> bump(double width) {
  return [width](T x) {
    const T t = (x - T(0.5)) / static_cast<T>(width);
    return std::exp(-t * t / 2);
  };
}
Slope bump_slope(double width) {
  return [width](double x) {
    const double t = (x - 0.5) / width;
    return -t / width * std::exp(-t * t / 2);
  };
}

// As narrow ones as may be missed: all first steps see nothing of them.
TEST(OnABump, SlopesAreThoseOfTheBump) {
  for (const double width : {1e-2, 3e-3, 1e-3, 1e-4}) {
    const double low = 0.5 - 2 * width;
    const double high = 0.5 + 2 * width;
    const auto f = bump<double>(width);
    EXPECT_EQ(wrong_slopes(f, bump_slope(width), low, high, Ridders{}), 0) << width;
    EXPECT_EQ(wrong_slopes(f, bump_slope(width), low, high, Adaptive{}), 0) << width;
    EXPECT_EQ(count(Verdict::kPass, f, bump_slope(width), low, high), 500) << width;
    EXPECT_EQ(count(Verdict::kFail, f, bump_slope(width), low, high, 1 + 1e-4), 500) << width;
  }
  for (const double width : {1e-2, 3e-3, 1e-3}) {
    const double low = 0.5 - 2 * width;
    const double high = 0.5 + 2 * width;
    const auto f = bump<float>(width);
    EXPECT_LE(wrong_slopes(f, bump_slope(width), low, high, Ridders{}), 5) << width;
    EXPECT_EQ(wrong_slopes(f, bump_slope(width), low, high, Adaptive{}), 0) << width;
    EXPECT_EQ(count(Verdict::kFail, f, bump_slope(width), low, high), 0) << width;
    EXPECT_EQ(count(Verdict::kPass, f, bump_slope(width), low, high, 2), 0) << width;
  }
}

TEST(OnAWave, OfFloatSlopesAreNotInvented) {
  for (const float rate : {100.F, 1000.F}) {
    const Function<float> f = [rate](float x) { return std::sin(rate * x); };
    const Slope slope = [rate](double x) {
      return static_cast<double>(rate) * std::cos(static_cast<double>(rate) * x);
    };
    EXPECT_EQ(wrong_slopes(f, slope, 0, 1, Ridders{}), 0) << rate;
    EXPECT_EQ(wrong_slopes(f, slope, 0, 1, Richardson{}), 0) << rate;
    EXPECT_EQ(wrong_slopes(f, slope, 0, 1, Adaptive{}), 0) << rate;
    EXPECT_EQ(count(Verdict::kFail, f, slope, 0, 1), 0) << rate;
    EXPECT_EQ(count(Verdict::kPass, f, slope, 0, 1, -1), 0) << rate;
  }
  const Function<double> fast = [](double x) { return std::sin(1000 * x); };
  const Slope slope = [](double x) { return 1000 * std::cos(1000 * x); };
  EXPECT_EQ(wrong_slopes(fast, slope, 0, 1, Richardson{}), 0) << "whose steps are too wide for it";
}

// Each of these once kept the checker from coming to an end.
TEST(InFloat, TheCheckerComesToAnEnd) {
  const Function<float> stairs = [](float x) { return std::ceil(x); };
  EXPECT_EQ(verdict_of(stairs, 0.1F, 0), Verdict::kDiscontinuity);
  const Function<float> fine = [](float x) { return std::floor(10 * x); };
  EXPECT_EQ(verdict_of(fine, 0.05F, 0), Verdict::kDiscontinuity);
  const Function<float> steep = [](float x) { return std::exp(50 * x); };
  const Slope slope = [](double x) { return 50 * std::exp(50 * x); };
  EXPECT_EQ(count(Verdict::kFail, steep, slope, -3, 1), 0);
  EXPECT_GE(count(Verdict::kPass, steep, slope, -3, 1), 300);
  const Function<float> tiny = [](float x) { return 1e-36F * std::sin(x); };
  EXPECT_NE(verdict_of(tiny, 0.F, 1e-36), Verdict::kFail);
}

// Of exp(-1e4 x²) at 0.275 nothing is left above the smallest numbers: no jump.
TEST(InDouble, WhatUnderflowsIsNoDiscontinuity) {
  const Function<double> f = [](double x) { return std::exp(-1e4 * x * x); };
  const Slope slope = [](double x) { return -2e4 * x * std::exp(-1e4 * x * x); };
  EXPECT_EQ(count(Verdict::kDiscontinuity, f, slope, 0.2, 0.3), 0);
  EXPECT_EQ(count(Verdict::kFail, f, slope, 0.2, 0.3), 0);
}

}  // namespace
}  // namespace gradatim
