#include "gradatim/diff/elementary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "diff/any_function.hpp"
#include "gradatim/diff/derivative.hpp"

namespace gradatim {
namespace {

// Every function by Dual, Tape and nested Dual against extrapolated differences of itself.
void expect_slopes(const char* name, const test::RealFunction& f, double x) {
  const auto reference = derivative(f, x, Ridders{});
  const double allowed = 10 * reference.error + 1e-12 * std::abs(reference.value);
  EXPECT_NEAR(derivative(f, x, Dual{}).value, reference.value, allowed) << name << " at " << x;
  EXPECT_NEAR(derivative(f, x, Tape{}).value, reference.value, allowed) << name << " at " << x;
  const auto slope = [&f](auto t) { return f(DualNumber<decltype(t)>::variable(t)).tangent[0]; };
  const auto second = derivative(slope, x, Ridders{});
  EXPECT_NEAR(derivative(slope, x, Dual{}).value, second.value,
              10 * second.error + 1e-11 * std::abs(second.value) + 1e-13)
      << name << "'' at " << x;
  EXPECT_EQ(f(DualNumber<double>(x)).value, f(x)) << name << ": the value is the plain one";
}

TEST(Elementary, SlopesOfFunctionsOfOneOperand) {
  for (const double x : {0.2, 0.9, -0.6}) {
    expect_slopes(
        "exp", [](auto t) { return exp(t); }, x);
    expect_slopes(
        "exp2", [](auto t) { return exp2(t); }, x);
    expect_slopes(
        "expm1", [](auto t) { return expm1(t); }, x);
    expect_slopes(
        "log1p", [](auto t) { return log1p(t); }, x);
    expect_slopes(
        "sin", [](auto t) { return sin(t); }, x);
    expect_slopes(
        "cos", [](auto t) { return cos(t); }, x);
    expect_slopes(
        "tan", [](auto t) { return tan(t); }, x);
    expect_slopes(
        "asin", [](auto t) { return asin(t); }, x);
    expect_slopes(
        "acos", [](auto t) { return acos(t); }, x);
    expect_slopes(
        "atan", [](auto t) { return atan(t); }, x);
    expect_slopes(
        "sinh", [](auto t) { return sinh(t); }, x);
    expect_slopes(
        "cosh", [](auto t) { return cosh(t); }, x);
    expect_slopes(
        "tanh", [](auto t) { return tanh(t); }, x);
    expect_slopes(
        "asinh", [](auto t) { return asinh(t); }, x);
    expect_slopes(
        "atanh", [](auto t) { return atanh(t); }, x);
    expect_slopes(
        "erf", [](auto t) { return erf(t); }, x);
    expect_slopes(
        "erfc", [](auto t) { return erfc(t); }, x);
    expect_slopes(
        "cbrt", [](auto t) { return cbrt(t); }, x);
    expect_slopes(
        "abs", [](auto t) { return abs(t); }, x);
    expect_slopes(
        "pow 3", [](auto t) { return pow(t, 3); }, x);
    expect_slopes(
        "2^t", [](auto t) { return pow(2.0, t); }, x);
    expect_slopes(
        "-t", [](auto t) { return -t * +t; }, x);
  }
  for (const double x : {0.3, 1.7, 40.0}) {
    expect_slopes(
        "log", [](auto t) { return log(t); }, x);
    expect_slopes(
        "log2", [](auto t) { return log2(t); }, x);
    expect_slopes(
        "log10", [](auto t) { return log10(t); }, x);
    expect_slopes(
        "sqrt", [](auto t) { return sqrt(t); }, x);
    expect_slopes(
        "pow 1.5", [](auto t) { return pow(t, 1.5); }, x);
    expect_slopes(
        "t^t", [](auto t) { return pow(t, t); }, x / 4);
    expect_slopes(
        "acosh", [](auto t) { return acosh(t); }, 1 + x);
  }
}

TEST(Elementary, SlopesOfFunctionsOfTwoOperands) {
  for (const double x : {0.4, 2.5}) {
    expect_slopes(
        "plus", [](auto t) { return t * t + 3.0 * t; }, x);
    expect_slopes(
        "minus", [](auto t) { return 1.0 - t - t * t - 2.0; }, x);
    expect_slopes(
        "times", [](auto t) { return t * sin(t) * 2.0; }, x);
    expect_slopes(
        "over", [](auto t) { return (t / sin(t)) / 2.0 + 3.0 / t; }, x);
    expect_slopes(
        "hypot", [](auto t) { return hypot(t, t * t); }, x);
    expect_slopes(
        "atan2", [](auto t) { return atan2(t * t, exp(t)); }, x);
    expect_slopes(
        "max", [](auto t) { return max(t, t * t); }, x);
    expect_slopes(
        "min", [](auto t) { return min(t, 1.0); }, x);
    expect_slopes(
        "fmax", [](auto t) { return fmax(0.1, t); }, x);
    expect_slopes(
        "fmin", [](auto t) { return fmin(t * t, t); }, x);
  }
}

TEST(Elementary, ConventionsWhereThereIsNoSlope) {
  EXPECT_EQ(derivative([](auto t) { return abs(t); }, 0.0, Dual{}).value, 0);
  EXPECT_EQ(derivative([](auto t) { return max(2.0 * t, t); }, 0.0, Dual{}).value, 2);
  EXPECT_EQ(derivative([](auto t) { return min(2.0 * t, t); }, 0.0, Tape{}).value, 2);
  EXPECT_EQ(derivative([](auto t) { return floor(t) + ceil(t) + round(t) + trunc(t); }, 0.3, Dual{})
                .value,
            0);
  EXPECT_EQ(derivative([](auto t) { return pow(t, 0) + pow(t, 2) + pow(t, 1); }, 0.0, Dual{}).value,
            1);
  EXPECT_EQ(derivative([](auto t) { return pow(t, 3.0); }, -2.0, Tape{}).value, 12);
}

TEST(Elementary, TanhKeepsItsSlopeWhereItRoundsToOne) {
  const double slope = derivative([](auto t) { return tanh(t); }, 25.0, Dual{}).value;
  EXPECT_NEAR(slope, 4 * std::exp(-50.0), 1e-15 * slope);
}

TEST(Elementary, ComparisonsLookAtValues) {
  const DualNumber<double> a(1.0, {5.0});
  const DualNumber<double> b(2.0, {-1.0});
  EXPECT_TRUE(a < b && a <= 1.0 && a == 1.0 && 3.0 > b && b != a && b >= a);
  EXPECT_EQ(std::max(a, b).value, 2.0);
  EXPECT_TRUE(isfinite(a) && !isnan(a) && !isinf(a));
  EXPECT_TRUE(isnan(DualNumber<double>(std::nan(""))));
  using Nested = DualNumber<DualNumber<double>>;
  EXPECT_TRUE(Nested(1.0) < Nested(2.0));
  EXPECT_EQ(std::numeric_limits<Variable<float>>::max(), std::numeric_limits<float>::max());
}

TEST(Elementary, ThirdDerivativesByNesting) {
  const auto f = [](auto t) { return sin(t) * exp(t); };
  const auto d1 = [&f](auto t) { return f(DualNumber<decltype(t)>::variable(t)).tangent[0]; };
  const auto d2 = [&d1](auto t) { return d1(DualNumber<decltype(t)>::variable(t)).tangent[0]; };
  // (e^t sin t)''' = 2 e^t (cos t - sin t)
  EXPECT_NEAR(derivative(d2, 0.7, Dual{}).value,
              2 * std::exp(0.7) * (std::cos(0.7) - std::sin(0.7)), 1e-14);
}

TEST(Elementary, FloatStaysFloat) {
  using D = DualNumber<float>;
  const D d = 0.5 * exp(D::variable(1.0F)) + 1;
  static_assert(std::same_as<decltype(0.5 * d), D>);
  EXPECT_FLOAT_EQ(d.tangent[0], 0.5F * std::exp(1.0F));
}

}  // namespace
}  // namespace gradatim
