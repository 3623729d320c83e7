#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/derivative.hpp"

// Differences at every scale: beside what is singular at 0, whose steps have to be small next to x,
// and of values at both ends of the range.
namespace gradatim {
namespace {

using Function = std::function<double(double)>;

struct Singular {
  std::string name;
  Function f, slope;
};

std::vector<Singular> singular_at_zero() {
  return {
      {"log", [](double x) { return std::log(x); }, [](double x) { return 1 / x; }},
      {"sqrt", [](double x) { return std::sqrt(x); }, [](double x) { return 0.5 / std::sqrt(x); }},
      {"1/x", [](double x) { return 1 / x; }, [](double x) { return -1 / x / x; }},
      {"1/x²", [](double x) { return 1 / (x * x); }, [](double x) { return -2 / x / x / x; }},
      {"|x|^1.5", [](double x) { return std::pow(std::abs(x), 1.5); },
       [](double x) { return 1.5 * std::sqrt(x); }},
      {"cbrt", [](double x) { return std::cbrt(x); },
       [](double x) { return 1 / (3 * std::cbrt(x) * std::cbrt(x)); }},
  };
}

GradientCheck check_of(const Function& f, double x, double slope) {
  return check_gradient([&f](const std::vector<double>& v) { return f(v[0]); },
                        std::vector<double>{slope}, {x});
}

template <class M>
void expect_slope(const Singular& s, double x, const M& method) {
  const auto d = derivative(s.f, x, method);
  const double off = std::abs(d.value - s.slope(x));
  EXPECT_EQ(d.status, Status::kOk) << s.name << " at " << x;
  EXPECT_LE(off, 10 * d.error) << M::kName << " of " << s.name << " at " << x;
  EXPECT_LE(off, 1e-9 * std::abs(s.slope(x))) << M::kName << " of " << s.name << " at " << x;
}

TEST(Scale, SlopesBesideASingularityAtZero) {
  for (const auto& s : singular_at_zero())
    for (const double x : {1e-3, 1e-6, 1e-10, 1e-14, 1e-20, 1e-60, 1e-90}) {
      expect_slope(s, x, Ridders{});
      expect_slope(s, x, Adaptive{});
    }
}

TEST(Scale, TheCheckerTellsRightFromWrongBesideASingularityAtZero) {
  for (const auto& s : singular_at_zero())
    for (const double x : {1e-3, 1e-6, 1e-10, 1e-14, 1e-20, 1e-60, 1e-90}) {
      if (s.name == "|x|^1.5" && x < 1e-20) continue;  // whose slopes are as small: unresolved
      EXPECT_EQ(check_of(s.f, x, s.slope(x)).worst().verdict, Verdict::kPass) << s.name << " " << x;
      for (const double factor : {1 + 1e-5, -1.0, 0.5})
        EXPECT_EQ(check_of(s.f, x, factor * s.slope(x)).worst().verdict, Verdict::kFail)
            << s.name << " at " << x << " times " << factor;
    }
}

// Within a stair of e^x - 1 (e^x - 1) / x is c / x, as smooth as can be: no slope of f.
TEST(Scale, TheSlopeWithinAStairIsNotBelieved) {
  const Function f = [](double x) { return (std::exp(x) - 1) / x; };
  const auto is_wrong = [](const Derivative<double>& d) {
    return d.status == Status::kOk && std::abs(d.value - 0.5) > 10 * d.error + 0.005;
  };
  int of_adaptive = 0;
  for (int i = 0; i < 500; ++i) {
    const double x = 1e-13 * std::pow(100.0, i / 500.0);
    EXPECT_FALSE(is_wrong(derivative(f, x, Ridders{}))) << x;
    of_adaptive += is_wrong(derivative(f, x, Adaptive{})) ? 1 : 0;
    EXPECT_NE(check_of(f, x, 0.5).worst().verdict, Verdict::kFail) << x;
  }
  EXPECT_LE(of_adaptive, 25) << "whose restarts end in a stair at times";
}

// What steps up to |x| know to three digits is no reason to excuse what larger ones refute.
TEST(Scale, ACloserLookPassesNothingThatAWiderOneRefutes) {
  for (const double offset : {1e5, 1e6, 1e7})
    for (const double x : {1e-6, 1e-5, 1e-4})
      for (const double wrong : {3e-6, 1e-4, 8e-3}) {
        const auto f = [offset](const std::vector<double>& v) { return offset + v[0]; };
        const auto verdict = [&](double tolerance) {
          return check_gradient(f, std::vector<double>{1 + wrong}, {x},
                                {.relative_tolerance = tolerance})
              .worst()
              .verdict;
        };
        EXPECT_EQ(verdict(0), Verdict::kFail) << offset << " + x at " << x << ", " << wrong;
        if (wrong > 2e-3) {
          EXPECT_EQ(verdict(1e-3), Verdict::kFail) << offset << " + x at " << x;
        }
      }
}

TEST(Scale, OutsideTheDomainNothingIsFound) {
  const Function log = [](double x) { return std::log(x); };
  for (const double x : {-1e-20, -1e-3, -1.0}) {
    EXPECT_EQ(derivative(log, x, Ridders{}).status, Status::kNonFinite) << x;
    EXPECT_EQ(derivative(log, x, Adaptive{}).status, Status::kNonFinite) << x;
    EXPECT_EQ(check_of(log, x, 1 / x).worst().verdict, Verdict::kNonFinite) << x;
  }
}

TEST(Scale, WhatIsSteepWithoutBoundAtZeroIsSoThereOnly) {
  const Function cbrt = [](double x) { return std::cbrt(x); };
  EXPECT_EQ(check_of(cbrt, 0, std::numeric_limits<double>::infinity()).worst().verdict,
            Verdict::kBothNonFinite);
  EXPECT_EQ(derivative(cbrt, 0.0, Adaptive{}).status, Status::kNotConverged);
  EXPECT_EQ(derivative(cbrt, 0.0, Ridders{}).status, Status::kNotConverged);
}

TEST(Scale, AKinkAtZeroIsOneBesideItToo) {
  const Function magnitude = [](double x) { return std::abs(x); };
  for (const double x : {0.0, 1e-20, -1e-20})
    EXPECT_EQ(check_of(magnitude, x, 1).worst().verdict, Verdict::kKink) << x;
}

// Left of x = 1e-12 f is 1 + x as far as 0: its slope is 1, known to three digits. Of x = 1e-17
// nothing is left in 1 + x.
TEST(Scale, AJumpBesideXIsSeenUnlessStepsInProportionToXSeeASlope) {
  const Function jump = [](double x) { return x + (x > 0 ? 1 : 0); };
  EXPECT_EQ(check_of(jump, 1e-12, 1).worst().verdict, Verdict::kUnresolved);
  EXPECT_EQ(check_of(jump, 1e-12, 2).worst().verdict, Verdict::kFail);
  EXPECT_EQ(check_of(jump, 1e-17, 1).worst().verdict, Verdict::kDiscontinuity);
  EXPECT_EQ(check_of(jump, 1e-17, 2).worst().verdict, Verdict::kDiscontinuity);
  EXPECT_EQ(derivative(jump, 1e-17, Ridders{}).status, Status::kNotConverged);
  EXPECT_EQ(derivative(jump, 1e-17, Adaptive{}).status, Status::kNotConverged);
}

TEST(Scale, AnAskedStepIsKept) {
  const Function log = [](double x) { return std::log(x); };
  EXPECT_EQ(derivative(log, 1e-20, Ridders{.step = 0.37}).status, Status::kNonFinite);
  EXPECT_EQ(derivative(log, 1e-20, Ridders{.step = 0.37e-20}).status, Status::kOk);
}

TEST(Scale, ValuesNearTheTopOfTheRange) {
  const Function parabola = [](double x) { return 1e307 * x * x; };
  const Function wave = [](double x) { return 1.7e308 * std::sin(x); };
  const double steep = 1.7e308 * std::cos(1.5);
  for (const auto& d : {derivative(parabola, 3.0, Ridders{}), derivative(parabola, 3.0, Adaptive{}),
                        derivative(parabola, 3.0, Richardson{})}) {
    EXPECT_EQ(d.status, Status::kOk) << d.method;
    EXPECT_NEAR(d.value / 6e307, 1, 1e-12) << d.method;
  }
  EXPECT_NEAR(derivative(wave, 1.5, Ridders{}).value / steep, 1, 1e-11);
  EXPECT_EQ(check_of(parabola, 3, 6e307).worst().verdict, Verdict::kPass);
  EXPECT_EQ(check_of(wave, 1.5, steep).worst().verdict, Verdict::kPass);
  EXPECT_EQ(check_of(wave, 1.5, 1.001 * steep).worst().verdict, Verdict::kFail);
}

// Squares of what noise makes of these values leave the range.
TEST(Scale, NoiseIsMeasuredAtEveryScale) {
  for (const double scale : {1e-250, 1e-200, 1.0, 1e200, 1e300}) {
    const Function f = [scale](double x) { return scale * (1 - std::cos(x)); };
    const double slope = scale * std::sin(1e-4);
    for (const auto& d : {derivative(f, 1e-4, Ridders{}), derivative(f, 1e-4, Adaptive{})}) {
      EXPECT_EQ(d.status, Status::kOk) << d.method << " " << scale;
      EXPECT_NEAR(d.value / slope, 1, 1e-6) << d.method << " " << scale;
    }
  }
}

TEST(Scale, AdaptiveSaysWhereFIsNotFiniteAtXAlone) {
  const auto d = derivative([](double x) { return std::sin(x) / x; }, 0.0, Adaptive{});
  EXPECT_NEAR(d.value, 0, 1e-15);
  EXPECT_EQ(d.status, Status::kNonFinite);
}

TEST(Scale, InFloatAndLongDouble) {
  const auto log = [](auto x) { return std::log(x); };
  const std::function<float(float)> single = log;
  const std::function<long double(long double)> wide = log;
  for (const auto& d :
       {derivative(single, 1e-20F, Ridders{}), derivative(single, 1e-20F, Adaptive{})})
    EXPECT_NEAR(d.value / 1e20F, 1, 1e-3F) << d.method;
  for (const auto& d :
       {derivative(wide, 1e-300L, Ridders{}), derivative(wide, 1e-300L, Adaptive{})})
    EXPECT_NEAR(static_cast<double>(d.value * 1e-300L), 1, 1e-12) << d.method;
}

}  // namespace
}  // namespace gradatim
