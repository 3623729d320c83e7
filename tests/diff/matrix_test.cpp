#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "diff/every_method.hpp"
#include "diff/test_functions.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/diff/hessian.hpp"
#include "gradatim/diff/jacobian.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using Vector = std::vector<double>;

// One type each, that may write to its argument or not: every method is compiled once for both.

/// Polar to Cartesian and the product: (r cos t, r sin t, r t).
struct Map {
  bool writes = false;

  template <class X>
  auto operator()(X& x) const {
    using S = std::remove_cvref_t<decltype(x[0])>;
    std::vector<S> values{x[0] * cos(x[1]), x[0] * sin(x[1]), x[0] * x[1]};
    if (writes) x[0] = x[1];
    return values;
  }
};

struct Rosenbrock {
  bool writes = false;

  template <class X>
  auto operator()(X& x) const {
    auto value = test::kRosenbrock(x);
    if (writes) x[1] = 0.0;
    return value;
  }
};

template <class M>
class EveryMethodOnMatrices : public testing::Test {};
TYPED_TEST_SUITE(EveryMethodOnMatrices, test::Methods);

TYPED_TEST(EveryMethodOnMatrices, Jacobian) {
  const double r = 2;
  const double t = 0.7;
  const auto j = jacobian(Map{}, {r, t}, TypeParam{});
  ASSERT_EQ(j.rows, 3U);
  ASSERT_EQ(j.columns, 2U);
  const std::array exact{std::cos(t), -r * std::sin(t), std::sin(t), r * std::cos(t), t, r};
  const double tolerance = std::same_as<TypeParam, Forward> ? 1e-7 : 1e-8;
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(j.value[i], exact.at(i), tolerance) << i;
  EXPECT_EQ(j(1, 0), j.value[2]);
  EXPECT_EQ(j.method, TypeParam::kName);
  EXPECT_EQ(j.status, Status::kOk);
}

TYPED_TEST(EveryMethodOnMatrices, Hessian) {
  const auto h = hessian(Rosenbrock{}, {-1.2, 1.0}, TypeParam{});
  const std::array exact{1330.0, 480.0, 480.0, 200.0};
  for (std::size_t i = 0; i < 4; ++i) {
    if constexpr (AutomaticMethod<TypeParam>) {
      EXPECT_EQ(h.value[i], exact.at(i));
    } else {
      EXPECT_LE(std::abs(h.value[i] - exact.at(i)), 10 * h.error[i]) << i;
    }
    EXPECT_NEAR(h.value[i], exact.at(i), (std::same_as<TypeParam, Forward> ? 0.1 : 1e-4));
  }
  EXPECT_EQ(h(0, 1), h(1, 0));
}

TYPED_TEST(EveryMethodOnMatrices, NoticesAFunctionThatWritesToItsArgument) {
  EXPECT_EQ(jacobian(Map{.writes = true}, {2.0, 0.7}, TypeParam{}).status, Status::kInputModified);
  const auto h = hessian(Rosenbrock{.writes = true}, {-1.2, 1.0}, TypeParam{});
  EXPECT_EQ(h.status, Status::kInputModified);
  EXPECT_NEAR(h(0, 0), 1330, 0.1) << "each evaluation saw the right point nonetheless";
}

template <class M>
class EveryExactMethod : public testing::Test {};
using ExactMethods = testing::Types<ComplexStep, Dual, Tape>;
TYPED_TEST_SUITE(EveryExactMethod, ExactMethods);

TYPED_TEST(EveryExactMethod, MeasuresTheErrorOfMatricesWhereAsked) {
  const TypeParam measured{.error = ErrorEstimate::kMeasured};
  const double r = 2;
  const double t = 0.7;
  EXPECT_TRUE(std::isnan(jacobian(Map{}, {r, t}, TypeParam{}).error[0])) << "unknown, not 0";
  const auto j = jacobian(Map{}, {r, t}, measured);
  const std::array exact{std::cos(t), -r * std::sin(t), std::sin(t), r * std::cos(t), t, r};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_LE(std::abs(j.value[i] - exact.at(i)), 10 * j.error[i]) << i;
    EXPECT_GT(j.error[i], 0);
    EXPECT_LT(j.error[i], 1e-14);
  }
  const auto h = hessian(Rosenbrock{}, {-1.2, 1.0}, measured);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_GT(h.error[i], 0) << i;
  EXPECT_LE(std::abs(h(0, 0) - 1330), 10 * h.error[0]);
}

TEST(Jacobian, FixedStepsShareTheirEvaluations) {
  EXPECT_EQ(jacobian(Map{}, {2.0, 0.7}, Central{}).evaluations, 1U + 2U * 2U) << "one for m";
  EXPECT_EQ(jacobian(Map{}, {2.0, 0.7}, Tape{}).evaluations, 1U);
  EXPECT_EQ(jacobian(Map{}, {2.0, 0.7}).method, "dual");
}

// f ignores its argument and reads x, which is moved in place.
TEST(Jacobian, OfAGenericFThatReadsXThroughAReference) {
  Vector w{3, 4};
  const auto j = jacobian([&w](const auto&) { return Vector{w[0] * w[1], w[1]}; }, w);
  EXPECT_EQ(j.method, "ridders");
  EXPECT_NEAR(j(0, 0), 4, 1e-11);
  EXPECT_NEAR(j(0, 1), 3, 1e-11);
  EXPECT_NEAR(j(1, 1), 1, 1e-11);
}

// Moved in the type that f is evaluated in, and in the kind of container that f takes, as
// gradients.
TEST(Jacobian, AnFThatReadsAnXThatCanNotBeMovedIsRefused) {
  std::vector<float> w{3, 4};
  const auto map = [&w](const auto&) { return Vector{1.0, static_cast<double>(w[0] * w[1])}; };
  std::array<double, 2> a{3, 4};
  const auto of_vector = [&a](const Vector&) { return Vector{a[0] * a[1], a[1]}; };
  EXPECT_THROW(jacobian(map, w), InvalidArgument);
  EXPECT_THROW(jacobian(map, w, Central{}), InvalidArgument);
  EXPECT_THROW(jacobian(of_vector, a), InvalidArgument);
  EXPECT_THROW(jacobian(
                   [&a](const Vector& v) {
                     return Vector{v[0], a[0] * a[1]};
                   },
                   a),
               InvalidArgument);
  // A row that varies with its argument is no such f, although its derivative is 0 at x.
  const auto distance = [&a](const Vector& v) {
    return Vector{v[0] + v[1], std::pow(v[0] - a[0], 2) + std::pow(v[1] - a[1], 2)};
  };
  const auto at_a = jacobian(distance, a, Central{});
  EXPECT_NEAR(at_a(0, 1), 1, 1e-9);
  EXPECT_EQ(at_a(1, 1), 0);
  // Rows that are 0 are asked, others may read it as a constant.
  EXPECT_NEAR(jacobian([&a](const Vector& v) { return Vector{a[0] * v[0], 7}; }, a)(0, 0), 3, 1e-9);
  EXPECT_EQ(w, (std::vector<float>{3, 4}));
  EXPECT_EQ(a, (std::array<double, 2>{3, 4}));
  std::size_t calls = 0;
  const auto constant = [&calls](const Vector&) {
    ++calls;
    return Vector{7, 8};
  };
  const auto j = jacobian(constant, a, Central{});
  EXPECT_EQ(j(1, 1), 0);
  EXPECT_EQ(j.evaluations, calls);
}

TEST(Jacobian, DifferencesReportTheirError) {
  const auto j = jacobian([](Vector& x) { return Map{}(x); }, Vector{2.0, 0.7});
  EXPECT_EQ(j.method, "ridders");
  EXPECT_LE(std::abs(j(0, 0) - std::cos(0.7)), 10 * j.error[0]);
  EXPECT_LT(j.error[0], 1e-11);
}

// Entries that are 0 are known to be, as closely as gradients are.
TEST(Jacobian, FMayAnswerWithNothingButNotWithMoreOrLess) {
  const auto nothing = [](const Vector&) { return Vector(); };
  EXPECT_EQ(jacobian(nothing, Vector{1, 2}, Central{}).rows, 0U);
  const auto varying = [](const auto& x) {
    return std::vector<std::remove_cvref_t<decltype(x[0])>>(x[1] > 2 ? 2 : 3, x[0]);
  };
  const auto refusal = [&](const auto& method) {
    return test::message_of<ShapeError>([&] { jacobian(varying, Vector{1, 2}, method); });
  };
  EXPECT_EQ(refusal(Central{}), "jacobian: f answered with 3 values, and beside x with 2");
  EXPECT_CONTAINS(refusal(Ridders{}), "and beside x with 2");
  const auto varying_at_x = [](const auto& x) {
    return std::vector<std::remove_cvref_t<decltype(x[0])>>(x[0] > 1 ? 1 : 200, x[0]);
  };
  EXPECT_CONTAINS(test::message_of<ShapeError>([&] { jacobian(varying_at_x, Vector{1.0}); }),
                  "answered with 200 values, and beside x with 1");
}

TEST(Hessian, OfAnFThatReadsXThroughAReference) {
  Vector x{3, 4};
  const auto f = [&x](const Vector&) { return x[0] * x[0] * x[1]; };
  const auto h = hessian(f, x);
  EXPECT_NEAR(h(0, 0), 8, 1e-9);
  EXPECT_NEAR(h(0, 1), 6, 1e-9);
  EXPECT_NEAR(h(1, 1), 0, 1e-9);
  EXPECT_EQ(x, (Vector{3, 4}));
}

TEST(Hessian, AnFThatReadsAnXThatCanNotBeMovedIsRefused) {
  std::vector<float> w{3, 4};
  const auto f = [&w](const auto&) { return static_cast<double>(w[0] * w[0] * w[1]); };
  std::array<double, 2> a{3, 4};
  const auto of_vector = [&a](const Vector&) { return a[0] * a[0] * a[1]; };
  EXPECT_THROW(hessian(f, w, Central{}), InvalidArgument);
  EXPECT_THROW(hessian(of_vector, a), InvalidArgument);
  const auto distance = [&w](const auto& v) {
    const double off = static_cast<double>(v[0]) - static_cast<double>(w[0]);
    return off * off;
  };
  EXPECT_NEAR(hessian(distance, w, Central{})(0, 0), 2, 1e-3);
  // It may read it besides, as a constant.
  const auto product = [&w](const auto& v) {
    return v[0] * static_cast<double>(w[0]) + v[1] * static_cast<double>(w[1]);
  };
  const auto flat = hessian(product, w, Central{});
  const auto also_flat = hessian([&a](const Vector& v) { return v[0] * a[0] + v[1] * a[1]; }, a);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(flat.value[i], 0, 1e-3) << i;
    EXPECT_NEAR(also_flat.value[i], 0, 1e-9) << i;
  }
  std::size_t calls = 0;
  const auto constant = [&calls](const Vector&) {
    ++calls;
    return 7.0;
  };
  const auto h = hessian(constant, w, Central{});
  EXPECT_EQ(h(0, 1), 0);
  EXPECT_EQ(h.evaluations, calls);
}

TEST(Hessian, ZeroEntriesAreNoReasonForDoubt) {
  const auto f = [](const Vector& x) { return x[0] * x[0] + 3 * x[1]; };
  for (int i = 0; i < 100; ++i) {
    const Vector x{0.1 + 0.037 * i, 1 - 0.021 * i};
    for (const auto& h : {hessian(f, x), hessian(f, x, Central{}), hessian(f, x, Stencil{})}) {
      EXPECT_EQ(h.status, Status::kOk) << i;
      EXPECT_NEAR(h(0, 0), 2, 1e-3);
      EXPECT_NEAR(h(1, 1), 0, 1e-3);
    }
  }
}

// Wood's Hessian at its start, by hand; exact methods agree to rounding, Ridders within its error.
TEST(Hessian, OfWoodsFunction) {
  const Vector x{-3, -1, -3, -1};
  const std::array<double, 16> exact{11202, 1200, 0,     0,    1200, 220.2, 0,    19.8,
                                     0,     0,    10082, 1080, 0,    19.8,  1080, 200.2};
  const auto tape = hessian(test::kWood, x);
  const auto dual = hessian(test::kWood, x, Dual{});
  const auto ridders = hessian(test::kWood, x, Ridders{});
  EXPECT_EQ(tape.method, "tape");
  EXPECT_EQ(tape.evaluations, 3U) << "one, and two for the error";
  EXPECT_EQ(hessian(test::kWood, x, Tape{}).evaluations, 1U);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_NEAR(tape.value[i], exact.at(i), 1e-11) << i;
    EXPECT_NEAR(dual.value[i], exact.at(i), 1e-11) << i;
    EXPECT_LE(std::abs(ridders.value[i] - exact.at(i)), 10 * ridders.error[i]) << i;
    EXPECT_LT(ridders.error[i], 1e-6) << i;
  }
}

TEST(Hessian, OfAPlainFunctionIsByDifferences) {
  const auto h = hessian([](const Vector& x) { return test::kRosenbrock(x); }, {-1.2, 1.0});
  EXPECT_EQ(h.method, "ridders");
  EXPECT_NEAR(h(0, 0), 1330, 1e-8);
}

// As for gradients.
TEST(Jacobian, AComplexStepGivesFAFreshArgumentEachTime) {
  const auto writes = [](auto& v) {
    std::vector values{v[0] * v[1] * v[2], v[1]};
    v[2] = 0;
    return values;
  };
  std::vector<double> x{2, 3, 5};
  const auto j = jacobian(writes, x, ComplexStep{});
  EXPECT_EQ(j.value, (std::vector<double>{15, 10, 6, 0, 1, 0}));
  EXPECT_EQ(j.status, Status::kInputModified);
}

}  // namespace
}  // namespace gradatim
