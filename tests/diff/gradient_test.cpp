#include "gradatim/diff/gradient.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

#include "diff/known_gradients.hpp"
#include "diff/test_functions.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/directional.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::kBowl;
using test::kRosenbrock;
using test::PlainFunction;
using Vector = std::vector<double>;

TEST(Gradient, TakesEveryKindOfPointAndAnswersInKind) {
  const auto from_list = gradient(kBowl, {3.0, 4.0});
  EXPECT_EQ(Vector(from_list.begin(), from_list.end()), (Vector{6, 8}));
  const auto from_array = gradient(kBowl, std::array{3.0, 4.0});
  static_assert(
      std::same_as<std::remove_cvref_t<decltype(from_array.value)>, std::array<double, 2>>);
  EXPECT_EQ(from_array.value, (std::array{6.0, 8.0}));
  EXPECT_EQ(from_array.method, "dual");
  Vector x{3, 4};
  const auto from_span = gradient(kBowl, std::span<double>(x));
  EXPECT_EQ(from_span.value, (Vector{6, 8}));
  EXPECT_EQ(from_span.method, "tape");
  const auto single = gradient(kBowl, std::vector<float>{3, 4}, Central{});
  EXPECT_NEAR(single[0], 6.0F, 1e-6F);
  EXPECT_EQ(gradient(kBowl, std::array{3.0L, 4.0L}).value, (std::array{6.0L, 8.0L}));
  EXPECT_EQ(gradient([](const auto&) { return 1.0; }, Vector{}).size(), 0U);
}

// Dual's passes over a small array are of their own, which has no memory for the numbers of a
// vector.
TEST(Gradient, AnArrayIsGivenToAnFThatTakesVectorsOnly) {
  const auto bowl = []<class T>(const std::vector<T>& x) { return x[0] * x[0] + x[1] * x[1]; };
  const std::array x{3.0, 4.0};
  const std::array slope{6.0, 8.0};
  EXPECT_EQ(gradient(bowl, x).value, slope);
  EXPECT_EQ(gradient(bowl, x, Dual{}).value, slope);
  EXPECT_EQ(gradient(bowl, x, Tape{}).value, slope);
  EXPECT_EQ(gradient(bowl, x, ComplexStep{}).value, slope);
  std::array<double, 2> d_x{};
  EXPECT_EQ(value_and_gradient(bowl, x, std::span<double>(d_x), Dual{}), 25);
  EXPECT_EQ(d_x, slope);
}

template <class T>
class EveryScalar : public testing::Test {};
using Scalars = testing::Types<float, double, long double>;
TYPED_TEST_SUITE(EveryScalar, Scalars);

TYPED_TEST(EveryScalar, SpansAreDifferentiatedInTheirOwnType) {
  std::vector<TypeParam> x{3, 4};
  for (const auto& g : {gradient(kBowl, std::span<const TypeParam>(x)),
                        gradient(kBowl, std::span<TypeParam>(x), Central{})}) {
    static_assert(std::same_as<std::remove_cvref_t<decltype(g[0])>, TypeParam>);
    EXPECT_NEAR(static_cast<double>(g[0]), 6, 1e-6) << g.method;
    EXPECT_NEAR(static_cast<double>(g[1]), 8, 1e-6) << g.method;
  }
  EXPECT_EQ(x, (std::vector<TypeParam>{3, 4}));
}

// f that does not vary, and entries that do not: 0 is a value, never an error.
TYPED_TEST(EveryScalar, NoErrorIsZero) {
  using T = TypeParam;
  constexpr Tape kMeasured{.error = ErrorEstimate::kMeasured};
  const auto constant = [](const auto& x) { return 0.0 * x[0] + 1.0; };
  const auto first_only = [](const auto& x) { return x[0] * x[0]; };
  const std::vector<T> x{1, 2};
  EXPECT_GT(derivative([](auto t) { return 0.0 * t + 1.0; }, T(1)).error, 0);
  for (const auto& g :
       {gradient(constant, x), gradient(first_only, x), gradient(constant, x, Ridders{})}) {
    EXPECT_GT(g.error[0], 0) << g.method;
    EXPECT_GT(g.error[1], 0) << g.method;
  }
  EXPECT_GT(directional(constant, x, x).error, 0);
  EXPECT_GT(directional(constant, x, x, kMeasured).error, 0);
  EXPECT_GT(directional(first_only, x, std::vector<T>{0, 0}, kMeasured).error, 0);
  EXPECT_TRUE(std::isnan(directional(constant, x, x, Tape{.error = ErrorEstimate::kNone}).error))
      << "a control: unknown stays unknown";
}

TEST(Gradient, GivesFTheContainerItTakes) {
  const Vector x{3, 4};
  const auto by_vector = [](const Vector& v) { return v[0] * v[0] + v[1] * v[1]; };
  const auto by_span = [](std::span<const double> v) { return v[0] * v[0] + v[1] * v[1]; };
  const Central wide{.step = 0.5};  // exact for a parabola
  EXPECT_NEAR(gradient(by_vector, x, wide)[1], 8, 1e-12);
  EXPECT_NEAR(gradient(by_span, x, wide)[1], 8, 1e-12);
  EXPECT_NEAR(gradient(by_vector, std::span(x), wide)[1], 8, 1e-12);
  EXPECT_NEAR(gradient(by_span, std::array{3.0, 4.0}, wide)[1], 8, 1e-12);
  EXPECT_EQ(gradient(by_span, x).method, "ridders");
}

TEST(Gradient, FloatIsDifferencedInDoubleWherePossible) {
  const std::vector<float> x{3.7F, -1.3F};
  const auto wide = gradient(kBowl, x, Central{});
  EXPECT_NEAR(wide[0], 7.4F, 1e-6F * 7.4F);
  const auto narrow =
      gradient([](const std::vector<float>& v) { return v[0] * v[0] + v[1] * v[1]; }, x, Central{});
  EXPECT_LE(std::abs(static_cast<double>(narrow[0]) - 2 * static_cast<double>(x[0])),
            static_cast<double>(narrow.error[0]));
}

std::vector<std::uint64_t> bits(const Vector& x) {
  std::vector<std::uint64_t> b;
  for (const double v : x) b.push_back(std::bit_cast<std::uint64_t>(v));
  return b;
}

const Vector kAwkward{-0.0, 0.1, std::nextafter(1.0, 2.0), 5e-324, -1e300};

template <class M>
class EveryDifference : public testing::Test {};
using Differences = testing::Types<Forward, Central, Stencil, Richardson, Ridders, Adaptive>;
TYPED_TEST_SUITE(EveryDifference, Differences);

TYPED_TEST(EveryDifference, RestoresXBitForBit) {
  Vector x = kAwkward;
  const PlainFunction writes = [](Vector& v) {
    const double value = v[0] + v[1] * v[2];
    v[1] = 7;
    v[0] = 0.0;
    return value;
  };
  const auto g = gradient(writes, x, TypeParam{});
  EXPECT_EQ(bits(x), bits(kAwkward));
  EXPECT_EQ(g.status, Status::kInputModified);
  EXPECT_NEAR(g[1], x[2], 1e-6) << "each evaluation saw the right point nonetheless";
}

TYPED_TEST(EveryDifference, RestoresXBitForBitWhenFThrows) {
  Vector x = kAwkward;
  int calls = 0;
  const PlainFunction throws = [&calls](Vector& v) -> double {
    v[2] = 9;
    if (++calls == 4) throw std::runtime_error("mine");
    return v[0];
  };
  EXPECT_THROW(gradient(throws, x, TypeParam{}), std::runtime_error);
  EXPECT_EQ(bits(x), bits(kAwkward));
}

// The course's idiom: f ignores its argument and reads the parameters that are being perturbed.
TYPED_TEST(EveryDifference, MovesXInPlaceForAnFThatReadsItThroughAReference) {
  Vector weights{3, 4};
  const auto loss = [&weights](std::span<const double>) { return kBowl(weights); };
  const auto g = gradient(loss, std::span(weights), TypeParam{});
  EXPECT_NEAR(g[0], 6, 1e-6);
  EXPECT_NEAR(g[1], 8, 1e-6);
  EXPECT_EQ(weights, (Vector{3, 4}));
}

// The same idiom with a generic argument, and no method: exact methods would see a constant.
TEST(Gradient, OfAGenericFThatReadsXThroughAReference) {
  Vector w{3, 4};
  const auto loss = [&w](const auto&) { return w[0] * w[0] + w[1] * w[1]; };
  const auto g = gradient(loss, w);
  EXPECT_EQ(g.method, "ridders");
  EXPECT_NEAR(g[0], 6, 1e-11);
  EXPECT_NEAR(g[1], 8, 1e-11);
  EXPECT_NEAR(partial(loss, w, 1).value, 8, 1e-11);
  EXPECT_NEAR(directional(loss, w, Vector{1, 1}).value, 14, 1e-11);
  std::array<double, 2> small{3, 4};
  const auto g_small = gradient([&small](const auto&) { return small[0] * small[1]; }, small);
  EXPECT_NEAR(g_small[0], 4, 1e-11);
  EXPECT_EQ(w, (Vector{3, 4}));
}

// It is moved in the type that f is evaluated in, and in the kind of container that f takes.
TEST(Gradient, AnFThatReadsAnXThatCanNotBeMovedIsRefused) {
  std::vector<float> w{3, 4};
  const auto loss = [&w](const auto&) {
    return static_cast<double>(w[0]) * static_cast<double>(w[0]) + static_cast<double>(w[1]);
  };
  std::array<double, 2> a{3, 4};
  const auto of_vector = [&a](const Vector&) { return a[0] * a[0] + a[1]; };
  EXPECT_THROW(gradient(loss, w), InvalidArgument);
  EXPECT_THROW(gradient(loss, w, Central{}), InvalidArgument);
  EXPECT_THROW(gradient(of_vector, a), InvalidArgument);
  EXPECT_THROW(check_gradient(loss, Vector{0, 0}, w), InvalidArgument);
  EXPECT_THROW(check_gradient(of_vector, Vector{0, 0}, a), InvalidArgument);
  EXPECT_EQ(w, (std::vector<float>{3, 4}));
  EXPECT_EQ(a, (std::array<double, 2>{3, 4}));
  EXPECT_THROW(partial(loss, w, 0, Central{}), InvalidArgument);
  EXPECT_THROW(directional(loss, w, Vector{1, 1}, Central{}), InvalidArgument);
  const auto distance = [&a](const Vector& v) {
    return std::pow(v[0] - a[0], 2) + std::pow(v[1] - a[1], 2);
  };
  EXPECT_EQ(gradient(distance, a, Central{})[1], 0) << "it varies with its argument";
  // Controls: a constant, what is not finite, what is random, and nothing at all.
  std::size_t calls = 0;
  const auto constant = [&calls](const Vector&) {
    ++calls;
    return 7.0;
  };
  const auto g = gradient(constant, a);
  EXPECT_EQ(g[1], 0);
  EXPECT_EQ(g.evaluations, calls);
  std::vector<float> zero{0};
  const auto sinc = [](const auto& v) {
    using std::sin;
    return sin(v[0]) / v[0];
  };
  EXPECT_EQ(gradient(sinc, zero, Central{})[0], 0);
  std::vector<float> none;
  EXPECT_EQ(gradient([](const std::vector<float>&) { return 7.F; }, none, Central{}).evaluations,
            0U);
}

TYPED_TEST(EveryDifference, PartialAndDirectionalAgreeWithTheGradient) {
  const PlainFunction rosenbrock = kRosenbrock;
  const Vector v{0.6, -3};
  Vector x{-1.2, 1};
  EXPECT_NEAR(partial(rosenbrock, x, 0, TypeParam{}).value, -215.6, 1e-4);
  EXPECT_NEAR(partial(rosenbrock, x, 1, TypeParam{}).value, -88, 1e-4);
  EXPECT_NEAR(directional(rosenbrock, x, v, TypeParam{}).value, 0.6 * -215.6 + 3 * 88, 3e-3);
}

TEST(Gradient, AnExactMethodNoticesAWritingFunctionToo) {
  const auto writes = [](auto& v) {
    const auto value = v[0] * v[1];
    v[1] = v[0];
    return value;
  };
  Vector x{2, 3};
  for (const auto& g : {gradient(writes, x, Tape{}), gradient(writes, x, Dual{})}) {
    EXPECT_EQ(g.value, (Vector{3, 2}));
    EXPECT_EQ(g.status, Status::kInputModified);
  }
  for (const auto& d : {directional(writes, x, Vector{1, 0}, Dual{}), partial(writes, x, 0, Dual{}),
                        directional(writes, x, Vector{1, 0}, Tape{})}) {
    EXPECT_EQ(d.value, 3);
    EXPECT_EQ(d.status, Status::kInputModified) << d.method;
  }
  EXPECT_EQ(x, (Vector{2, 3}));
}

// f leaves another value in an entry than the one that is moved: the next evaluation must not see
// it.
TEST(Gradient, AComplexStepGivesFAFreshArgumentEachTime) {
  const auto writes = [](auto& v) {
    const auto value = v[0] * v[1] * v[2];
    v[2] = 0;
    return value;
  };
  const auto sneaks = [](auto& v) {  // while the step is in another entry
    const auto value = v[0] * v[1] * v[2];
    if constexpr (requires { v[0].imag(); })
      if (v[0].imag() != 0) v[2] = 0;
    return value;
  };
  Vector x{2, 3, 5};
  for (const auto& g : {gradient(writes, x, ComplexStep{}), gradient(sneaks, x, ComplexStep{})}) {
    EXPECT_EQ(g.value, (Vector{15, 10, 6}));
    EXPECT_EQ(g.status, Status::kInputModified);
  }
  EXPECT_EQ(partial(writes, x, 1, ComplexStep{}).status, Status::kInputModified);
}

TEST(Partial, ByTapeDualAndWithoutAMethod) {
  const Vector x{3, 4};
  EXPECT_EQ(partial(kBowl, x, 1).value, 8);
  EXPECT_EQ(partial(kBowl, x, 0, Tape{}).value, 6);
  EXPECT_EQ(partial(kBowl, {3.0, 4.0}, 0, Dual{}).value, 6);
  EXPECT_THROW(partial(kBowl, x, 2), InvalidArgument);
}

// sqrt is infinitely steep at the second entry.
TEST(Partial, HasAStatusOfItsOwn) {
  const auto f = [](const auto& x) {
    using std::sqrt;
    return x[0] * x[0] + sqrt(x[1]);
  };
  const Vector x{3, 0};
  EXPECT_EQ(gradient(f, x).status, Status::kNonFinite);
  for (const auto& d : {partial(f, x, 0), partial(f, x, 0, Dual{}), partial(f, x, 0, Tape{}),
                        partial(f, x, 0, ComplexStep{}), partial(f, x, 0, Ridders{})}) {
    EXPECT_NEAR(d.value, 6, 1e-12) << d.method;
    EXPECT_EQ(d.status, Status::kOk) << d.method;
  }
  for (const auto& d : {partial(f, x, 1), partial(f, x, 1, Dual{}), partial(f, x, 1, Tape{}),
                        partial(f, x, 1, ComplexStep{}), partial(f, x, 1, Ridders{})})
    EXPECT_EQ(d.status, Status::kNonFinite) << d.method;
  EXPECT_EQ(directional(f, x, Vector{2, 0}, Tape{}).status, Status::kOk);
  EXPECT_EQ(partial(kBowl, x, 0, Dual{}).evaluations, 1U);
  EXPECT_EQ(partial(kBowl, x, 0, ComplexStep{}).evaluations, 1U);
}

TEST(Directional, IsTheProductWithTheGradient) {
  const Vector x{-1.2, 1};
  const Vector v{0.6, -3};
  const double expected = 0.6 * -215.6 + 3 * 88;
  const auto dual = directional(kRosenbrock, x, v);
  EXPECT_NEAR(dual.value, expected, 1e-11);
  EXPECT_EQ(directional(kRosenbrock, x, v, Dual{}).evaluations, 1U);
  EXPECT_EQ(dual.evaluations, 3U) << "two for the error";
  EXPECT_LE(std::abs(dual.value - expected), 10 * dual.error);
  EXPECT_LT(dual.error, 1e-11);
  EXPECT_NEAR(directional(kRosenbrock, x, v, Tape{}).value, expected, 1e-11);
  EXPECT_NEAR(directional(kRosenbrock, x, v, ComplexStep{}).value, expected, 1e-11);
  EXPECT_THROW(directional(kRosenbrock, x, Vector{1}), ShapeError);
}

/// A function with a derivative of the user's own, for plain numbers and for any DualNumber.
double cube(double x) { return x * x * x; }
template <class T, std::size_t N>
DualNumber<T, N> cube(const DualNumber<T, N>& x) {
  DualNumber<T, N> y(x.value * x.value * x.value);
  for (std::size_t k = 0; k < N; ++k) y.tangent[k] = 3 * x.value * x.value * x.tangent[k];
  return y;
}

TEST(Directional, WantsAFiniteDirection) {
  const auto f = [](const auto& x) { return x[0] + sqrt(x[1]); };
  const Vector x{1, 0};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(test::message_of<InvalidArgument>([&] {
              directional(f, x, Vector{1, nan}, Tape{});
            }),
            "directional: expected a direction of finite entries that x can be moved along, entry "
            "1 is nan");
  EXPECT_EQ(directional(f, x, Vector{1, 0}, Tape{}).value, 1);
  const auto sum = [](const auto& at) { return at[0] + at[1]; };
  EXPECT_EQ(directional(sum, x, Vector{1e308, 1e308}, Tape{}).status, Status::kNonFinite);
}

TEST(Gradient, WhatOverflowsAFloatIsNotFinite) {
  const auto cube = [](const auto& x) { return x[0] * x[0] * x[0]; };
  EXPECT_EQ(gradient(cube, {3e20F}).status, Status::kNonFinite);
  EXPECT_EQ(derivative([](auto x) { return x * x * x; }, 3e20F).status, Status::kNonFinite);
  EXPECT_EQ(gradient(cube, {3e15F}).status, Status::kOk);
}

// Entries that move apart cancel in sums, together in differences.
TEST(Gradient, MeasuredErrorsCoverWhatEntriesHaveInCommon) {
  const auto sum = [](const auto& x) { return sin(x[0] + x[1]); };
  const auto difference = [](const auto& x) { return sin(1e6 * (x[0] - x[1])); };
  int uncovered = 0;
  for (int i = 0; i < 1'000; ++i) {
    const Vector far{1e6 + 1000.37 * i, 2e6 - 700.11 * i};
    const auto by_sum = gradient(sum, far);
    const double exact = static_cast<double>(
        std::cos(static_cast<long double>(far[0]) + static_cast<long double>(far[1])));
    uncovered += std::abs(by_sum[0] - exact) > 10 * by_sum.error[0] ? 1 : 0;
    const Vector near{1 + 1e-3 * i, 3 - 0.7e-3 * i};
    const auto by_difference = gradient(difference, near);
    const double exact_difference =
        static_cast<double>(1e6L * std::cos(1e6L * (static_cast<long double>(near[0]) - near[1])));
    uncovered +=
        std::abs(by_difference[0] - exact_difference) > 10 * by_difference.error[0] ? 1 : 0;
  }
  EXPECT_LE(uncovered, 20);
}

TEST(Gradient, OfASpanOfFixedExtentMovesWhatItShows) {
  Vector x{3, 4};
  const auto f = [&x](const auto&) { return x[0] * x[0] * x[1]; };
  const auto g = gradient(f, std::span<double, 2>(x));
  EXPECT_NEAR(g[0], 24, 1e-9);
  EXPECT_NEAR(g[1], 9, 1e-9);
}

TEST(Gradient, OfAGenericFThatTakesDualNumbersOnly) {
  const auto f = [](const auto& x) { return cube(x[0]) + sqrt(x[1]); };
  constexpr Dual kMeasured{.error = ErrorEstimate::kMeasured};
  EXPECT_EQ(gradient(f, std::array{2.0, 0.25}).value, (std::array{12.0, 1.0}));
  EXPECT_EQ(gradient(f, Vector{2, 0.25}, kMeasured).value, (Vector{12, 1}));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(gradient(f, std::array{2.0, 0.0}, Dual{}).value, (std::array{12.0, kInfinity}));
}

TEST(ValueAndGradient, GivesBoth) {
  const Vector x{3, 4};
  Vector d_x(2);
  EXPECT_EQ(value_and_gradient(kBowl, x, std::span(d_x), Tape{}), 25);
  EXPECT_EQ(d_x, (Vector{6, 8}));
  EXPECT_EQ(value_and_gradient(kBowl, x, std::span(d_x), Dual{}), 25);
  EXPECT_THROW(value_and_gradient(kBowl, x, std::span(d_x).first(1), Tape{}), ShapeError);
}

}  // namespace
}  // namespace gradatim
