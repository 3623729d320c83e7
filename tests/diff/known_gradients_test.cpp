// Gradients that are known: a table of exact ones, activations, and one of ten thousand entries.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "diff/known_gradients.hpp"
#include "diff/test_functions.hpp"
#include "gradatim/diff/gradient.hpp"

namespace gradatim {
namespace {

using test::known_gradients;
using Vector = std::vector<double>;

double norm(const Vector& v) {
  return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

template <class G>
double distance(const G& g, const Vector& exact) {
  Vector difference(exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) difference[i] = g[i] - exact[i];
  return norm(difference);
}

template <class M>
void expect_within(const M& method, double relative) {
  int rows = 0;
  for (const auto& row : known_gradients()) {
    const auto g = gradient(row.f, row.x, method);
    EXPECT_LE(distance(g, row.gradient), relative * norm(row.gradient)) << row.name;
    // -4e-6 next to f = 1e12 is below rounding, and a difference says so.
    const bool lost = row.name == "brown_badly_scaled" && DifferenceMethod<M>;
    EXPECT_LE(g.status, lost ? Status::kNotConverged : Status::kOk) << row.name;
    ++rows;
  }
  EXPECT_EQ(rows, 10);
}

TEST(KnownGradients, Tape) { expect_within(Tape{}, 1e-13); }
TEST(KnownGradients, Dual) { expect_within(Dual{}, 1e-13); }
TEST(KnownGradients, ComplexStep) { expect_within(ComplexStep{}, 1e-13); }
TEST(KnownGradients, Ridders) { expect_within(Ridders{}, 1e-8); }
TEST(KnownGradients, Adaptive) { expect_within(Adaptive{}, 1e-8); }
TEST(KnownGradients, Central) { expect_within(Central{}, 1e-6); }

TEST(KnownGradients, ErrorsCoverTheTruth) {
  for (const auto& row : known_gradients()) {
    const auto ridders = gradient(row.f, row.x, Ridders{});
    const auto exact = gradient(row.f, row.x);
    for (std::size_t i = 0; i < row.x.size(); ++i) {
      EXPECT_LE(std::abs(ridders[i] - row.gradient[i]), 10 * ridders.error[i]) << row.name;
      EXPECT_LE(std::abs(exact[i] - row.gradient[i]), 10 * exact.error[i]) << row.name;
      EXPECT_GT(exact.error[i], 0);
    }
  }
}

template <class S>
S sigmoid(const S& x) {
  return 1.0 / (1.0 + exp(-x));
}

// sigmoid, softplus, GELU (both forms) and SiLU at a point, to 16 digits.
TEST(KnownGradients, Activations) {
  const auto expect_slope = [](const test::RealFunction& f, double x, double slope) {
    EXPECT_NEAR(derivative(f, x, Dual{}).value, slope, 2e-15 * std::abs(slope));
    EXPECT_NEAR(derivative(f, x, Tape{}).value, slope, 2e-15 * std::abs(slope));
  };
  expect_slope([](auto x) { return sigmoid(x); }, 2, 0.1049935854035065);
  expect_slope([](auto x) { return log1p(exp(x)); }, -20, 2.061153618190204e-9);
  expect_slope([](auto x) { return 0.5 * x * (1.0 + erf(x / std::numbers::sqrt2)); }, 1,
               1.083315470587686);
  expect_slope(
      [](auto x) {
        const double scale = std::sqrt(2 / std::numbers::pi);
        return 0.5 * x * (1.0 + tanh(scale * (x + 0.044715 * x * x * x)));
      },
      1, 1.082964083845783);
  expect_slope([](auto x) { return x * sigmoid(x); }, 1, 0.9276705118714867);
}

TEST(Gradient, OfTenThousandByTapeIsTheHandWrittenOne) {
  Vector x(10'000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  const auto exact = test::chained_rosenbrock_gradient(x);
  EXPECT_LE(distance(gradient(test::kChainedRosenbrock, x, Tape{}), exact), 1e-13 * norm(exact));
  EXPECT_LE(distance(gradient(test::kChainedRosenbrock, x, Dual{}), exact), 1e-13 * norm(exact));
}

}  // namespace
}  // namespace gradatim
