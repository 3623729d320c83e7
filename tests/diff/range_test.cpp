#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/diff/directional.hpp"
#include "gradatim/diff/gradient.hpp"
#include "gradatim/diff/hessian.hpp"
#include "gradatim/diff/jacobian.hpp"

// Slopes at the ends of the range: of tiny and huge arguments, and beside infinite slopes.
namespace gradatim {
namespace {

using Vector = std::vector<double>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The slope by Dual at ±10^k over the whole range of T, against that in long double, whose range
/// is wider: wherever value and slope are normal numbers of T.
template <class T, class F>
void expect_slopes_over_the_range(const char* name, const F& f, double tolerance) {
  constexpr long double kLeast = std::numeric_limits<T>::min();
  constexpr long double kMost = std::numeric_limits<T>::max();
  constexpr int kExponent = std::numeric_limits<T>::max_exponent10;
  int compared = 0;
  for (int k = -kExponent + 1; k < kExponent; ++k) {
    for (const double digits : {1.0, -2.7}) {
      const T x = static_cast<T>(digits * std::pow(10.0L, k));
      const auto exact = f(DualNumber<long double>::variable(x));
      const long double slope = exact.tangent[0];
      const bool is_normal = std::abs(slope) > kLeast && std::abs(slope) < kMost;
      if (!is_normal || !(std::abs(exact.value) < kMost)) continue;
      ++compared;
      const auto d = f(DualNumber<T>::variable(x));
      EXPECT_LE(std::abs(d.tangent[0] - slope),
                std::abs(slope) * static_cast<long double>(tolerance))
          << name << " at " << x;
    }
  }
  EXPECT_GT(compared, kExponent / 2) << name;
}

template <class F>
void expect_slopes_over_every_range(const char* name, const F& f, double ulps = 8) {
  constexpr double kFloat = std::numeric_limits<float>::epsilon();
  constexpr double kDouble = std::numeric_limits<double>::epsilon();
  expect_slopes_over_the_range<float>(name, f, ulps * kFloat);
  expect_slopes_over_the_range<double>(name, f, ulps * kDouble);
}

TEST(Range, SlopesOfElementaryFunctions) {
  expect_slopes_over_every_range("expm1", [](auto x) { return expm1(x); });
  expect_slopes_over_every_range("log1p", [](auto x) { return log1p(x); });
  expect_slopes_over_every_range("sqrt", [](auto x) { return sqrt(x); });
  expect_slopes_over_every_range(
      "cbrt", [](auto x) { return cbrt(x); }, 16);
  expect_slopes_over_every_range("asin", [](auto x) { return asin(x); });
  expect_slopes_over_every_range("atan", [](auto x) { return atan(x); });
  expect_slopes_over_every_range("tanh", [](auto x) { return tanh(x); });
  expect_slopes_over_every_range("asinh", [](auto x) { return asinh(x); });
  expect_slopes_over_every_range("acosh", [](auto x) { return acosh(x); });
  expect_slopes_over_every_range("atanh", [](auto x) { return atanh(x); });
  expect_slopes_over_every_range(
      "erf", [](auto x) { return erf(x); }, 16);
  // Exponents that double rounds when 1 is taken off, and float when they are made.
  constexpr double kTolerance = 8 * std::numeric_limits<double>::epsilon();
  expect_slopes_over_the_range<double>(
      "pow", [](auto x) { return pow(x, 0.3); }, kTolerance);
  expect_slopes_over_the_range<double>(
      "power", [](auto x) { return pow(x, -0.7); }, kTolerance);
  expect_slopes_over_every_range("cube", [](auto x) { return pow(x, 3); });
  expect_slopes_over_every_range("hypot", [](auto x) { return hypot(x, 2.0 * x); });
  expect_slopes_over_every_range("atan2", [](auto x) { return atan2(x, 3.0); });
  expect_slopes_over_every_range("angle", [](auto x) { return atan2(1.0, x); });
  expect_slopes_over_every_range("inverse", [](auto x) { return 1.0 / x; });
  expect_slopes_over_every_range("sigmoid", [](auto x) { return 1.0 / (1.0 + exp(-x)); });
}

TEST(Range, SlopesOfAnAngleAndADistance) {
  const auto angle = [](const auto& x) { return atan2(x[0], x[1]); };
  const auto distance = [](const auto& x) { return hypot(x[0], x[1]); };
  for (const double scale : {1e-300, 1e-200, 1.0, 1e200, 1e300}) {
    const std::array x{3 * scale, 4 * scale};
    const auto d_angle = gradient(angle, x, Dual{});
    EXPECT_NEAR(d_angle[0] * scale, 4. / 25, 1e-16) << scale;
    EXPECT_NEAR(d_angle[1] * scale, -3. / 25, 1e-16) << scale;
    EXPECT_NEAR(gradient(distance, x, Dual{})[0], 0.6, 1e-15) << scale;
  }
  EXPECT_NEAR(derivative([](auto x) { return hypot(x, 4.0); }, 3.0, Dual{}).value, 0.6, 1e-16);
  EXPECT_NEAR(derivative([](auto x) { return hypot(4.0, x); }, 3.0, Tape{}).value, 0.6, 1e-16);
}

TEST(Range, NextToThePolesOfInverseFunctions) {
  const double gap = std::ldexp(1.0, -40);
  const auto slope = [](const auto& f, double x) { return derivative(f, x, Dual{}).value; };
  EXPECT_NEAR(slope([](auto x) { return atanh(x); }, 1 - gap) * gap * (2 - gap), 1, 1e-15);
  EXPECT_NEAR(slope([](auto x) { return acosh(x); }, 1 + gap) * std::sqrt(gap * (2 + gap)), 1,
              1e-15);
  EXPECT_NEAR(slope([](auto x) { return asin(x); }, 1 - gap) * std::sqrt(gap * (2 - gap)), 1,
              1e-15);
}

// exp(-x) overflows there and takes the quotient, and so its slope, to 0.
TEST(Range, ADenominatorThatOverflowsLeavesNoNaN) {
  const auto sigmoid = [](auto x) { return 1.0 / (1.0 + exp(-x)); };
  const auto ratio = [](auto x) { return x / (1.0 + exp(-x)); };
  for (const double x : {-800.0, 800.0}) {
    EXPECT_EQ(derivative(sigmoid, x, Dual{}).value, 0) << x;
    EXPECT_EQ(derivative(sigmoid, x, Tape{}).value, 0) << x;
    EXPECT_EQ(derivative(ratio, x, Dual{}).value, x > 0 ? 1 : 0) << x;
    EXPECT_EQ(derivative(ratio, x, Tape{}).value, x > 0 ? 1 : 0) << x;
    const auto slope = [](auto t) { return tanh(DualNumber<decltype(t)>::variable(t)).tangent[0]; };
    EXPECT_EQ(derivative(slope, x, Dual{}).value, 0) << "tanh'' where cosh overflows";
  }
}

TEST(Range, PowersOfZero) {
  const auto slopes = [](double base, double exponent) {
    return gradient([](const auto& x) { return pow(x[0], x[1]); }, std::array{base, exponent},
                    Dual{});
  };
  EXPECT_EQ(slopes(0, 3).value, (std::array{0.0, 0.0}));
  EXPECT_EQ(slopes(0, 1).value, (std::array{1.0, 0.0}));
  EXPECT_EQ(slopes(0, 0).status, Status::kNonFinite) << "0^x jumps at 0";
  EXPECT_EQ(slopes(0, 0.5).status, Status::kNonFinite);
  EXPECT_EQ(derivative([](auto x) { return pow(0.0, x); }, 2.0, Dual{}).value, 0);
  EXPECT_EQ(derivative([](auto x) { return pow(0.0, x); }, 0.0, Dual{}).status, Status::kNonFinite);
}

TEST(Range, ANumberWinsOverNaNInFmaxAndFmin) {
  const DualNumber<double> nan(std::nan(""));
  const auto two = DualNumber<double>::variable(2);
  EXPECT_EQ(fmax(nan, two).tangent[0], 1);
  EXPECT_EQ(fmax(two, nan).tangent[0], 1);
  EXPECT_EQ(fmin(nan, two).tangent[0], 1);
}

// The infinite slope of one variable leaves the others theirs, in whichever lane they lie.
TEST(Range, AnInfiniteSlopeSpoilsNoOther) {
  constexpr Dual kMeasured{.error = ErrorEstimate::kMeasured};
  const auto f = [](const auto& x) { return x[0] + sqrt(x[1]); };
  for (const auto& g :
       {gradient(f, std::array{1.0, 0.0}, kMeasured), gradient(f, std::array{1.0, 0.0})}) {
    EXPECT_EQ(g.value, (std::array{1.0, kInfinity}));
    EXPECT_EQ(g.status, Status::kNonFinite);
  }
  const auto far_apart = [](const auto& x) { return x[0] * x[0] + sqrt(x[6]); };
  const Vector x{3, 1, 1, 1, 1, 1, 0};
  const Vector exact{6, 0, 0, 0, 0, 0, kInfinity};
  for (const auto& g : {gradient(far_apart, x, kMeasured), gradient(far_apart, x, Dual{})}) {
    EXPECT_EQ(g.value, exact);
    EXPECT_EQ(g.status, Status::kNonFinite);
  }
  EXPECT_EQ(gradient(far_apart, x, Tape{}).value, exact);
  EXPECT_EQ(directional(f, Vector{1, 0}, Vector{2, 0}, Dual{}).value, 2);
  EXPECT_EQ(partial(f, std::array{1.0, 0.0}, 0).value, 1);
  const auto both = [](const auto& v) { return std::array{v[0] + sqrt(v[1]), v[0] * 2.0}; };
  const auto j = jacobian(both, std::array{1.0, 0.0}, Dual{});
  EXPECT_EQ(j.value, (Vector{1, kInfinity, 2, 0}));
}

template <class F>
void expect_gradient_beside_infinite_slopes(const char* name, const F& f) {
  const std::array x{2.0, 0.0, 3.0};  // f = x0·x2 + what has an infinite slope at x1 = 0
  const std::array exact{3.0, kInfinity, 2.0};
  std::array<double, 3> d_x{};
  value_and_gradient(f, x, std::span<double>(d_x), Dual{});
  d_x[1] = std::abs(d_x[1]);
  EXPECT_EQ(d_x, exact) << name;
  auto g = gradient(f, Vector(x.begin(), x.end()), Dual{});
  EXPECT_EQ(g.status, Status::kNonFinite) << name;
  g.value[1] = std::abs(g.value[1]);
  EXPECT_EQ(g.value, Vector(exact.begin(), exact.end())) << name;
}

TEST(Range, WhateverTheInfiniteSlopeIsOf) {
  const auto expect = [](const char* name, auto steep) {
    expect_gradient_beside_infinite_slopes(
        name, [steep](const auto& x) { return x[0] * x[2] + steep(x[1]); });
  };
  expect("sqrt", [](auto y) { return sqrt(y); });
  expect("cbrt", [](auto y) { return cbrt(y); });
  expect("log", [](auto y) { return log(y); });
  expect("log1p", [](auto y) { return log1p(y - 1); });
  expect("log2", [](auto y) { return log2(y); });
  expect("log10", [](auto y) { return log10(y); });
  expect("asin", [](auto y) { return asin(1 - y); });
  expect("acos", [](auto y) { return acos(y - 1); });
  expect("acosh", [](auto y) { return acosh(1 + y); });
  expect("atanh", [](auto y) { return atanh(1 - y); });
  expect("power", [](auto y) { return pow(y, 0.3); });
  expect("inverse", [](auto y) { return 1 / y; });
  expect("ratio", [](auto y) { return decltype(y)(1) / y; });
  expect("exponent", [](auto y) { return pow(y, y + 0.5); });
}

// What f itself calls gradient() for must not make the evaluation around it forget.
TEST(Range, AnInfiniteSlopeBeforeAGradientInsideF) {
  const auto f = [](const auto& x) {
    const auto steep = sqrt(x[1]);
    const auto inner =
        gradient([](const auto& t) { return t[0] * t[1]; }, std::array{2.0, 3.0}, Dual{});
    return inner[0] * x[0] + steep;
  };
  EXPECT_EQ(gradient(f, std::array{1.0, 0.0}, Dual{}).value, (std::array{3.0, kInfinity}));
}

TEST(Range, AnInfiniteSlopeSpoilsNoOtherOfAHessian) {
  const auto f = [](const auto& x) { return x[0] * x[0] * x[2] + 2.0 * sqrt(x[1]); };
  const std::array x{3.0, 0.0, 5.0};
  const Vector exact{10, 0, 6, 0, -kInfinity, 0, 6, 0, 0};
  EXPECT_EQ(hessian(f, x, Dual{}).value, exact);
  EXPECT_EQ(hessian(f, x, Tape{}).value, exact);
  EXPECT_EQ(hessian(f, x).value, exact);
  EXPECT_EQ(hessian(f, x).status, Status::kNonFinite);
}

TEST(Range, AZeroThatIsTheValueOfADerivativeIsNotNothing) {
  const auto f = [](const auto& x) { return cbrt(x[0] * x[0] * x[0]); };  // x[0] itself
  EXPECT_EQ(gradient(f, std::array{0.0, 1.0}).status, Status::kNonFinite);
  EXPECT_EQ(gradient(f, std::array{0.0, 1.0}, Dual{}).status, Status::kNonFinite);
  EXPECT_EQ(gradient(f, Vector{0, 1}, Dual{}).status, Status::kNonFinite);
  EXPECT_EQ(gradient(f, Vector{0, 1}, Tape{}).status, Status::kNonFinite);
  EXPECT_EQ(hessian(f, std::array{0.0, 1.0}, Dual{}).status, Status::kNonFinite);
  // Also where the compiler could work out that it is 0.
  const auto magnitude = [](const auto& x) { return sqrt(x * x); };
  EXPECT_EQ(derivative(magnitude, 0.0, Dual{}).status, Status::kNonFinite);
  EXPECT_TRUE(std::isnan(magnitude(DualNumber<double>::variable(0)).tangent[0]));
}

// The step follows x to 0.
TEST(Range, AComplexStepIsSmallNextToATinyX) {
  for (const double x : {1e-90, 1e-110, 1e-200, 1e-290}) {
    EXPECT_NEAR(derivative([](const auto& z) { return log(z); }, x, ComplexStep{}).value * x, 1,
                1e-14);
    EXPECT_NEAR(
        derivative([](const auto& z) { return sqrt(z); }, x, ComplexStep{}).value * std::sqrt(x),
        0.5, 1e-14);
  }
  EXPECT_NEAR(
      derivative([](const auto& z) { return log(z); }, 1e-20F, ComplexStep{}).value * 1e-20F, 1,
      1e-6);
}

TEST(Range, AComplexStepAtTheEndsOfTheRangeOfF) {
  for (const double scale : {1e-200, 1e200, 1e300}) {
    const auto d = derivative([scale](const auto& x) { return scale * x; }, 1.5, ComplexStep{});
    EXPECT_EQ(d.value, scale);
    EXPECT_EQ(d.status, Status::kOk) << scale;
    EXPECT_EQ(d.evaluations, scale < 1 ? 1U : 3U) << "so large might be a pole: " << scale;
  }
  const auto flat = derivative([](const auto& x) { return 0.0 * x + 1.0; }, 1.5, ComplexStep{});
  EXPECT_EQ(flat.value, 0);
  EXPECT_EQ(flat.status, Status::kOk);
  const auto vanishing = derivative([](const auto& x) { return 0.0 * x; }, 1.5, ComplexStep{});
  EXPECT_EQ(vanishing.value, 0);
  EXPECT_EQ(vanishing.status, Status::kOk);
  const auto infinite = [](const auto& x) { return kInfinity + x; };
  EXPECT_EQ(derivative(infinite, 1.5, ComplexStep{}).status, Status::kNonFinite);
  const auto steep = [](const auto& x) { return 1e10 * (x * 1e300); };
  EXPECT_EQ(derivative(steep, 1.5, ComplexStep{}).status, Status::kNonFinite);
}

// The logarithm of a negative number has the rounding of pi in it, which a step of 1e-103
// magnifies.
TEST(Range, AComplexStepDoesNotTakeRoundingForASlope) {
  for (const double x : {-2.0, -1e-3, -1e-30}) {
    const auto d = derivative([](const auto& z) { return pow(z, 2.0); }, x, ComplexStep{});
    EXPECT_EQ(d.status, Status::kNonFinite) << x << ": " << d.value;
    EXPECT_TRUE(std::isnan(d.value)) << x;
  }
  EXPECT_NEAR(derivative([](const auto& z) { return pow(z, 2.0); }, 3.0, ComplexStep{}).value, 6,
              1e-14);
  const auto root = [](const auto& z) { return sqrt(z); };
  EXPECT_EQ(derivative(root, 0.0, ComplexStep{}).status, Status::kNonFinite)
      << "its slope is infinite";
  EXPECT_EQ(derivative([](const auto& z) { return sin(z); }, 0.0, ComplexStep{}).evaluations, 1U)
      << "a root of f is nothing to look at";
  const auto rows = [](const auto& z) { return std::array{sqrt(z[0]), z[0] * 1.0}; };
  const auto j = jacobian(rows, Vector{-1}, ComplexStep{});
  EXPECT_EQ(j.status, Status::kNonFinite);
  EXPECT_EQ(j.value[1], 1);
}

// Along an axis the step is that entry's, however large the others are; along several, a step that
// moves none of them is refused as it is everywhere.
TEST(Range, ADirectionMovesByTheScaleOfWhatItMoves) {
  const auto f = [](const Vector& x) { return std::sin(x[1]) + 1e-30 * x[0]; };
  const Vector x{1e10, 1};
  EXPECT_NEAR(directional(f, x, Vector{0, 1}, Central{}).value, std::cos(1.0), 1e-9);
  EXPECT_NEAR(directional(f, x, Vector{0, -2}, Central{}).value, -2 * std::cos(1.0), 1e-9);
  EXPECT_NEAR(directional(f, x, Vector{0, 1}, Stencil{}).value, std::cos(1.0), 1e-11);
  EXPECT_GT(directional(f, x, Vector{0, -2}, Ridders{}).error, 0);
}

TEST(Range, AStepThatVanishesAlongADirectionThrows) {
  const auto f = [](const Vector& x) { return x[0] * x[1]; };
  const Vector x{5, 2};
  for (const Vector& v : {Vector{1, 0}, Vector{1, 1}, Vector{-1, 3}}) {
    EXPECT_THROW(directional(f, x, v, Central{.step = 1e-50}), InvalidArgument);
    EXPECT_THROW(directional(f, x, v, Forward{.step = 1e-17}), InvalidArgument);
    EXPECT_NO_THROW(directional(f, x, v, Central{.step = 1e-3}));
  }
}

}  // namespace
}  // namespace gradatim
