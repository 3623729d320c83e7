// Every row of the table of exact derivatives by every method that it is for.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "diff/known_derivatives.hpp"
#include "gradatim/diff/derivative.hpp"

namespace gradatim {
namespace {

using test::known_derivatives;
using test::KnownDerivative;

constexpr ErrorEstimate kMeasured = ErrorEstimate::kMeasured;

double relative_error(double value, const KnownDerivative& row) {
  const double error = std::abs(value - row.value);
  return row.value == 0 ? error : error / std::abs(row.value);
}

/// |x f''(x) / f'(x)|: how much a relative error of x is magnified in f'(x); 1 where f'(x) = 0.
double condition(const KnownDerivative& row) {
  if (row.value == 0) return 1;
  const auto first = [&](auto t) { return row.f(DualNumber<decltype(t)>::variable(t)).tangent[0]; };
  return std::abs(row.x * derivative(first, row.x, Dual{}).value / row.value);
}

struct Score {
  int rows = 0;
  int within = 0;   // the relative error asked for
  int covered = 0;  // true error at most 10 times the one reported
};

template <class M>
Score score(const M& method, double relative) {
  Score s;
  for (const auto& row : known_derivatives()) {
    const auto d = derivative(row.f, row.x, method);
    ++s.rows;
    s.within += relative_error(d.value, row) <= relative ? 1 : 0;
    const bool covered = std::abs(d.value - row.value) <= 10 * d.error;
    s.covered += covered ? 1 : 0;
    EXPECT_NE(d.error, 0) << row.name;
    EXPECT_TRUE(std::isnan(d.error) || covered)
        << row.name << " at " << row.x << ": " << d.value << " ± " << d.error;
  }
  return s;
}

TEST(KnownDerivatives, TheTableIsWhole) { EXPECT_EQ(known_derivatives().size(), 27U); }

TEST(KnownDerivatives, Ridders) {
  const auto s = score(Ridders{}, 1e-9);
  EXPECT_EQ(s.rows, 27);
  EXPECT_GE(s.within, 24);
  EXPECT_EQ(s.covered, 27);
}

TEST(KnownDerivatives, Adaptive) {
  const auto s = score(Adaptive{}, 1e-9);
  EXPECT_GE(s.within, 24);
  EXPECT_EQ(s.covered, 27);
}

TEST(KnownDerivatives, CentralByDefault) {
  const auto s = score(Central{}, 1e-6);
  EXPECT_GE(s.within, 24);
  EXPECT_EQ(s.covered, 0) << "two evaluations do not show their truncation: the error is NaN";
  EXPECT_EQ(score(Central{.error = kMeasured}, 1e-6).covered, 27);
  EXPECT_EQ(derivative([](double x) { return x * x; }, 3.0, Central{}).evaluations, 2U);
}

// Rows where f' itself magnifies the rounding of its arguments more than 100 times: tan next to its
// pole, exp/(cos³ + sin³) next to its own, and x⁴ + 3x² - 10x, whose slopes 4, 6 and -10 cancel.
TEST(KnownDerivatives, ExactMethodsReachTheirConditionNumber) {
  std::vector<std::string> ill_conditioned;
  for (const auto& row : known_derivatives()) {
    const double kappa = condition(row);
    if (kappa > 100) ill_conditioned.push_back(row.name);
    const double allowed = kappa > 100 ? kappa * 1e-15 : 1e-13;
    const auto dual = derivative(row.f, row.x, Dual{.error = kMeasured});
    const auto tape = derivative(row.f, row.x, Tape{.error = kMeasured});
    EXPECT_LE(relative_error(dual.value, row), allowed) << row.name << " dual";
    EXPECT_LE(relative_error(tape.value, row), allowed) << row.name << " tape";
    EXPECT_LE(std::abs(dual.value - row.value), 10 * dual.error) << row.name;
    EXPECT_LE(std::abs(tape.value - row.value), 10 * tape.error) << row.name;
  }
  EXPECT_EQ(ill_conditioned,
            (std::vector<std::string>{"exp(x)/(cos(x)^3+sin(x)^3)", "x^4+3*x^2-10*x", "tan(x)"}));
}

TEST(KnownDerivatives, ComplexStepReachesItToo) {
  int rows = 0;
  for (const auto& row : known_derivatives()) {
    if (!row.analytic) continue;
    ++rows;
    const double kappa = condition(row);
    const auto d = derivative(*row.analytic, row.x, ComplexStep{});
    EXPECT_LE(relative_error(d.value, row), kappa > 100 ? kappa * 1e-15 : 1e-13) << row.name;
  }
  EXPECT_EQ(rows, 26) << "all but normal_cdf";
}

}  // namespace
}  // namespace gradatim
