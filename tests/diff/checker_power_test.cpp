// That wrong gradients fail, and right ones do not, over many seeded functions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "diff/known_gradients.hpp"
#include "diff/random_smooth.hpp"
#include "gradatim/diff/check_gradient.hpp"
#include "support/sanitized.hpp"

namespace gradatim {
namespace {

using Vector = std::vector<double>;
using test::PlainFunction;

TEST(CheckerPower, OneEntryOfTenThousandOffByAMillionthIsFound) {
  Vector x(test::kSanitized ? 2'000 : 10'000);
  constexpr std::size_t wrong = 1'321;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  // Separable, so that an entry costs one term and not ten thousand; f itself stays whole.
  const auto f = [](const Vector& v) {
    double sum = 0;
    for (std::size_t i = 0; i < v.size(); ++i) sum += (v[i] + 2) * (v[i] + 2) * 0.5;
    return sum;
  };
  Vector analytic(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) analytic[i] = x[i] + 2;
  analytic[wrong] *= 1 + 1e-6;
  const auto check = check_gradient(f, analytic, x);
  EXPECT_EQ(check.worst().verdict, Verdict::kFail);
  EXPECT_EQ(check.worst().index, wrong);
  EXPECT_EQ(check.count(Verdict::kFail), 1U);
  EXPECT_EQ(check.count(Verdict::kPass), x.size() - 1) << check.to_string();
}

/// Ways in which a right gradient of f at x goes wrong.
using Fault = std::function<Vector(const test::RandomSmooth& f, const Vector& right)>;

std::size_t largest(const Vector& v) {
  std::size_t at = 0;
  for (std::size_t i = 1; i < v.size(); ++i)
    if (std::abs(v[i]) > std::abs(v[at])) at = i;
  return at;
}

const std::vector<std::pair<const char*, Fault>> kFaults{
    {"sign of one entry",
     [](const auto&, Vector g) {
       g[largest(g)] *= -1;
       return g;
     }},
    {"sign of all",
     [](const auto&, Vector g) {
       for (double& v : g) v = -v;
       return g;
     }},
    {"a factor of two",
     [](const auto&, Vector g) {
       for (double& v : g) v *= 2;
       return g;
     }},
    {"divided by n",
     [](const auto&, Vector g) {
       for (double& v : g) v /= 1.0 + static_cast<double>(g.size());
       return g;
     }},
    {"index off by one",
     [](const auto&, Vector g) {
       std::rotate(g.begin(), g.begin() + 1, g.end());
       return g;
     }},
    {"one entry off by a millionth",
     [](const auto&, Vector g) {
       g[largest(g)] *= 1 + 1e-6;
       return g;
     }},
    {"zeros", [](const auto&, const Vector& g) { return Vector(g.size()); }},
    {"transposed", [](const auto&, Vector g) { return Vector(g.rbegin(), g.rend()); }},
    {"stale",
     [](const auto& f, const Vector& g) {
       Vector before = f.x();
       for (double& v : before) v += 1e-3 * std::max(1.0, std::abs(v));
       return g.empty() ? g : f.gradient(before);
     }},
};

TEST(CheckerPower, SeededWrongGradientsAllFailAndTheRightOnesPass) {
  int rejected = 0;
  int functions = 0;
  for (std::uint64_t seed = 0; functions < 20 && seed < 100; ++seed) {
    const test::RandomSmooth f(seed);
    const Vector right = f.gradient(f.x());
    const auto check = check_gradient(f, right, f.x());
    if (f.x().size() < 2 || !check.passed()) continue;  // a judge needs what it can resolve
    ++functions;
    for (const auto& [name, fault] : kFaults) {
      const auto wrong = check_gradient(f, fault(f, right), f.x());
      EXPECT_EQ(wrong.worst().verdict, Verdict::kFail) << name << ", function " << seed << '\n'
                                                       << wrong.to_string();
      rejected += wrong.worst().verdict == Verdict::kFail ? 1 : 0;
    }
  }
  EXPECT_EQ(rejected, 20 * 9);
}

TEST(CheckerPower, KinksOfATenthOfTheSlopeAreFoundInRandomSmoothFunctions) {
  int kinks = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const test::RandomSmooth f(1'000'000 + seed);
    const double corner = f.x()[0];
    const Vector slopes = f.gradient(f.x());
    const double kink = std::abs(slopes[0]) / 10;
    const PlainFunction bent = [&](const Vector& x) {
      return f(x) + kink * std::abs(x[0] - corner);
    };
    const auto check = check_gradient(bent, slopes, f.x());
    kinks += check.count(Verdict::kKink) > 0 ? 1 : 0;
  }
  EXPECT_GE(kinks, 995);
}

TEST(CheckerPower, NoFalseAlarmInTenThousandRandomSmoothCases) {
  const std::uint64_t cases = test::kSanitized ? 1'000 : 10'000;
  std::uint64_t passed = 0;
  for (std::uint64_t seed = 0; seed < cases; ++seed) {
    const test::RandomSmooth f(1'000'000 + seed);
    const auto check = check_gradient(f, f.gradient(f.x()), f.x());
    const Verdict worst = check.worst().verdict;
    EXPECT_TRUE(worst == Verdict::kPass || worst == Verdict::kUnresolved) << "case " << seed << '\n'
                                                                          << check.to_string();
    passed += check.passed() ? 1 : 0;
  }
  EXPECT_GE(passed, cases * 98 / 100) << "unresolved is no alarm, but must be rare";
  RecordProperty("passed", std::to_string(passed));
}

}  // namespace
}  // namespace gradatim
