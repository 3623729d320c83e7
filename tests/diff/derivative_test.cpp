#include "gradatim/diff/derivative.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <complex>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "diff/every_method.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/diff/gradient.hpp"
#include "gradatim/diff/jacobian.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::message_of;

constexpr ErrorEstimate kMeasured = ErrorEstimate::kMeasured;

/// Functions of one type, so that every method is compiled once for all of them.
enum class Kind { kChapter, kCube, kInfinite, kWriting };
struct Specimen {
  Kind kind;

  template <class S>
  S operator()(S& argument) const {
    const S x = argument;
    switch (kind) {
      case Kind::kChapter:
        return S(0.01) * x * x + S(0.1) * x;
      case Kind::kCube:
        return x * x * x;
      case Kind::kInfinite:
        return x / (x * S(0));
      case Kind::kWriting:
        argument += S(1);
        return x * x;
    }
    return S(0);
  }
};

template <class M>
class EveryMethod : public testing::Test {};
TYPED_TEST_SUITE(EveryMethod, test::Methods);

// The chapter's function, f(x) = 0.01 x² + 0.1 x.
// Forward: rounding 2 epsilon f / h = 6e-8 at h = sqrt(epsilon), f = 2.
TYPED_TEST(EveryMethod, DifferentiatesTheChaptersFunction) {
  const Specimen f{Kind::kChapter};
  for (const auto& [x, slope] : {std::pair{5.0, 0.2}, std::pair{10.0, 0.3}}) {
    const auto d = derivative(f, x, TypeParam{});
    EXPECT_NEAR(d.value, slope, (std::same_as<TypeParam, Forward> ? 5e-8 : 1e-9));
    EXPECT_EQ(d.status, Status::kOk);
    EXPECT_EQ(d.method, TypeParam::kName);
    EXPECT_GE(d.evaluations, 1U);
    EXPECT_NE(d.error, 0);
  }
}

TYPED_TEST(EveryMethod, WorksInFloatAndLongDouble) {
  const Specimen f{Kind::kCube};
  EXPECT_NEAR(derivative(f, 2.0F, TypeParam{}).value, 12.0F, 2e-6F);
  EXPECT_LT(std::abs(derivative(f, 2.0L, TypeParam{}).value - 12.0L), 1e-8L);
  static_assert(std::same_as<decltype(derivative(f, 2.0F, TypeParam{}).value), float>);
  static_assert(std::same_as<decltype(derivative(f, 2.0L, TypeParam{}).value), long double>);
}

TYPED_TEST(EveryMethod, SaysThatAnInfiniteFunctionIsNotFinite) {
  const Specimen f{Kind::kInfinite};
  EXPECT_EQ(derivative(f, 1.0, TypeParam{}).status, Status::kNonFinite);
}

TYPED_TEST(EveryMethod, NoticesAFunctionThatWritesToItsArgument) {
  const Specimen f{Kind::kWriting};
  const auto d = derivative(f, 3.0, TypeParam{});
  EXPECT_NEAR(d.value, 6.0, 1e-6);
  EXPECT_EQ(d.status, Status::kInputModified);
}

TEST(Derivative, WithoutAMethodIsDualWhereFTakesIt) {
  const auto generic = derivative([](auto x) { return x * x; }, 3.0);
  EXPECT_EQ(generic.value, 6.0);
  EXPECT_EQ(generic.method, "dual");
  EXPECT_GT(generic.error, 0);
  const auto plain = derivative([](double x) { return x * x; }, 3.0);
  EXPECT_NEAR(plain.value, 6.0, 1e-12);
  EXPECT_EQ(plain.method, "ridders");
  EXPECT_EQ(derivative([](auto x) { return x * x; }, 3).value, 6.0) << "an int is a double";
  double (*function)(double) = std::sin;
  EXPECT_NEAR(derivative(function, 0.0).value, 1.0, 1e-13);
}

// float32 is differenced in double where f takes double: 7.4, to the rounding of the result.
TEST(Derivative, FloatIsDifferencedInDoubleWherePossible) {
  const auto generic = derivative([](auto x) { return x * x; }, 3.7F, Central{});
  EXPECT_NEAR(generic.value, 7.4F, 1e-6F * 7.4F);
  const auto narrow = derivative([](float x) { return x * x; }, 3.7F, Central{});
  EXPECT_GT(std::abs(narrow.value - 7.4F), 0) << "a control: float cannot be that good";
  EXPECT_LE(std::abs(static_cast<double>(narrow.value) - 2 * static_cast<double>(3.7F)),
            static_cast<double>(narrow.error));
  EXPECT_LT(narrow.error, 1e-3F * 7.4F);
  const auto narrow_argument = [](float x) { return static_cast<double>(x * x); };
  static_assert(std::same_as<detail::ScalarEvaluationT<decltype(narrow_argument), float>, float>);
}

TEST(Derivative, AReportedFloatErrorCoversTheTrueOne) {
  for (int i = 1; i < 400; ++i) {
    const float x = 0.05F * static_cast<float>(i);
    const auto d = derivative([](float t) { return std::sin(t) + t * t; }, x, Central{});
    const double exact = std::cos(static_cast<double>(x)) + 2 * static_cast<double>(x);
    EXPECT_LE(std::abs(static_cast<double>(d.value) - exact), 3 * static_cast<double>(d.error))
        << x;
  }
}

// The chapter's wrong derivative: (f(x + 10e-50) - f(x)) / 10e-50 is 0 for every f.
TEST(Derivative, AStepThatVanishesThrowsAndNamesTheSmallestUsable) {
  const auto f = [](auto x) { return 0.01 * x * x + 0.1 * x; };
  EXPECT_THROW(derivative(f, 5.0, Forward{.step = 10e-50}), InvalidArgument);
  EXPECT_THROW(derivative(f, 5.0, Central{.step = 1e-50}), InvalidArgument);
  EXPECT_THROW(derivative(f, 5.0L, Central{.step = 1e-50}), InvalidArgument);
  const auto narrow = [](float x) { return x * x; };
  EXPECT_THROW(derivative(narrow, 0.0F, Central{.step = 1e-50}), InvalidArgument);
  try {
    derivative(f, 5.0, Central{.step = 10e-50});
    FAIL() << "the step vanishes";
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(std::string(error.what()),
              "central: the step 1e-49 vanishes at x = 5: x + h rounds to x in 53 bits of "
              "precision; the smallest usable step there is 4.445e-16");
  }
}

TEST(Derivative, APointThatIsNotFiniteIsRefusedByDifferences) {
  const auto f = [](auto x) { return x; };
  for (const double x : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_THROW(derivative(f, x, Central{}), InvalidArgument) << x;
    EXPECT_THROW(derivative(f, x, Ridders{}), InvalidArgument) << x;
  }
  try {
    derivative(f, HUGE_VAL, Central{});
    FAIL() << "infinity does not move";
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(std::string(error.what()), "central: expected a finite x, got inf");
  }
}

TEST(Derivative, TheSmallestUsableStepIsUsable) {
  const auto f = [](auto x) { return x; };
  for (const double x : {0.0, 1e-300, 1e-5, 1.0, 5.0, -16.0, 17.0, 1e10, -1e300}) {
    const double step = smallest_step(x);
    EXPECT_NEAR(derivative(f, x, Central{.step = step}).value, 1.0, 1e-9) << x;
    if (x != 0 && std::abs(x) > 1e-300) {
      EXPECT_THROW(derivative(f, x, Central{.step = 0.99 * step}), InvalidArgument) << x;
    }
  }
}

// From there on a step is not looked at.
TEST(Derivative, AStepOfSixteenEpsilonMovesEveryX) {
  constexpr double kStep = 16 * std::numeric_limits<double>::epsilon();
  const auto f = [](double x) { return x; };
  for (int k = -1070; k < 1020; ++k) {
    const double power = std::ldexp(1.0, k);
    for (const double x : {power, -std::nextafter(power, 0.0), 1.7 * power})
      EXPECT_EQ(derivative(f, x, Central{.step = kStep}).value, 1.0) << x;
  }
}

// Of a method that takes smaller steps too, the last is the one that must not vanish.
TEST(Derivative, TheSmallestUsableStepThatIsNamedIsUsable) {
  const auto f = [](double x) { return x; };
  const auto expect_usable = [](const auto& at_step, double step) {
    const std::string message = test::message_of<InvalidArgument>([&] { at_step(step); });
    const std::string words = "the smallest usable step there is ";
    ASSERT_TRUE(test::contains(message, words));
    const double named = std::stod(message.substr(message.find(words) + words.size()));
    EXPECT_NO_THROW(at_step(named)) << message;
    EXPECT_THROW(at_step(0.99 * named), InvalidArgument) << message;
  };
  for (const double step : {1e-50, 3e-16}) {
    expect_usable([&](double h) { derivative(f, 5.0, Central{.step = h}); }, step);
    expect_usable([&](double h) { derivative(f, 5.0, Stencil{.step = h}); }, step);
    expect_usable([&](double h) { derivative(f, 5.0, Richardson{.step = h}); }, step);
    expect_usable([&](double h) { derivative(f, 5.0, Ridders{.step = h}); }, step);
    expect_usable([&](double h) { derivative(f, 5.0, Adaptive{.step = h}); }, step);
  }
  EXPECT_NEAR(derivative(f, 5.0, Richardson{.step = 32.1 * smallest_step(5.0)}).value, 1.0, 1e-9);
}

template <class M>
class EveryExtrapolation : public testing::Test {};
using Extrapolations = testing::Types<Richardson, Ridders>;
TYPED_TEST_SUITE(EveryExtrapolation, Extrapolations);

// Differences beside a pole are finite, and cancel where it is even.
TYPED_TEST(EveryExtrapolation, LookAtFItself) {
  const auto status = [](double (*f)(double)) { return derivative(f, 0.0, TypeParam{}).status; };
  EXPECT_EQ(status([](double x) { return 1 / (x * x); }), Status::kNonFinite);
  EXPECT_EQ(status([](double x) { return std::log(std::abs(x)); }), Status::kNonFinite);
  EXPECT_EQ(status([](double x) { return 1e-12 / x; }), Status::kNonFinite);
  EXPECT_EQ(status([](double x) { return x * x; }), Status::kOk);
  EXPECT_EQ(status([](double) { return 4.0; }), Status::kOk);
  EXPECT_EQ(status([](double x) { return 1e-30 * std::sin(x); }), Status::kOk);
}

// What never agrees to a digit is said not to, whatever its scale.
TEST(Ridders, JudgesConvergenceOnTheScaleOfF) {
  for (const double scale : {1e-12, 1.0, 1e12}) {
    const auto jump = [scale](double x) { return x > 0 ? scale : x < 0 ? -scale : 0; };
    EXPECT_EQ(derivative(jump, 0.0, Ridders{}).status, Status::kNotConverged) << scale;
  }
}

// f(x) = x has difference quotient 1 for any h only if it is divided by the step as realised.
TEST(Derivative, DividesByTheRealisedStep) {
  const auto f = [](double x) { return x; };
  for (const double x : {0.1, 1.7, 5.3, 1.23e5, 1.234e9}) {
    EXPECT_EQ(derivative(f, x, Central{.step = 1e-7}).value, 1.0) << x;
    EXPECT_EQ(derivative(f, x, Forward{.step = 1e-7}).value, 1.0) << x;
    const double h = 1e-7 * step_scale(x);
    EXPECT_NE(((x + h) - (x - h)) / (2 * h), 1.0) << "a control: 2h is not the step, at " << x;
  }
}

TEST(Derivative, RejectsNonsensicalOptions) {
  const auto f = [](double x) { return x; };
  EXPECT_THROW(derivative(f, 1.0, Central{.step = -1e-3}), InvalidArgument);
  EXPECT_THROW(derivative(f, 1.0, Forward{.step = std::nan("")}), InvalidArgument);
  EXPECT_THROW(derivative(f, 1.0, Stencil{.order = 5}), InvalidArgument);
  EXPECT_THROW(derivative(f, 1.0, Richardson{.levels = 1}), InvalidArgument);
  EXPECT_THROW(derivative(f, 1.0, Ridders{.levels = 0}), InvalidArgument);
  EXPECT_THROW(derivative(f, 1.0, Ridders{.ratio = 1}), InvalidArgument);
  EXPECT_THROW(derivative([](auto x) { return x; }, 1.0, ComplexStep{.step = -1}), InvalidArgument);
}

TEST(Derivative, PassesOnWhatFThrows) {
  const auto f = [](double) -> double { throw std::domain_error("mine"); };
  EXPECT_THROW(derivative(f, 1.0), std::domain_error);
}

// Their estimate, over a range of points and orders: never less than a tenth of the true error.
TEST(Stencil, TheErrorCoversTheTruth) {
  const auto f = [](double x) { return std::exp(std::sin(x)); };
  for (const int order : {4, 6, 8}) {
    for (double x = -15; x < 15; x += 0.37) {
      const auto d = derivative(f, x, Stencil{.order = order});
      EXPECT_LE(std::abs(d.value - std::cos(x) * f(x)), 10 * d.error) << order << " at " << x;
      EXPECT_LE(d.error, 1e-6) << "nor is it as large as to say nothing";
    }
  }
}

// Truncation falls as the order says: halving the step divides the error by about 2^order.
TEST(Stencil, HasTheOrderItNames) {
  const auto f = [](long double x) { return std::sin(x); };
  for (const int order : {4, 6, 8}) {
    const auto error = [&](double step) {
      return std::abs(derivative(f, 1.0L, Stencil{order, step}).value - std::cos(1.0L));
    };
    EXPECT_NEAR(static_cast<double>(std::log2(error(0.2) / error(0.1))), order, 0.1);
  }
}

// Off its real domain a function of complex numbers still answers.
TEST(ComplexStep, SaysThatAFunctionIsNotRealThere) {
  const auto root = [](const auto& x) { return sqrt(x); };
  EXPECT_EQ(derivative(root, -1.0, ComplexStep{}).status, Status::kNonFinite);
  EXPECT_EQ(derivative([](const auto& x) { return 1.0 / x; }, 0.0, ComplexStep{}).status,
            Status::kNonFinite);
  EXPECT_EQ(
      gradient([](const auto& x) { return x[0] + log(x[1]); }, {1.0, -1.0}, ComplexStep{}).status,
      Status::kNonFinite);
  const auto steep = derivative([](const auto& x) { return 1e200 * x; }, 0.0, ComplexStep{});
  EXPECT_EQ(steep.status, Status::kOk) << "a control: steep is not unreal";
  EXPECT_EQ(steep.value, 1e200);
  EXPECT_EQ(derivative(root, 4.0, ComplexStep{}).status, Status::kOk);
}

TEST(Derivative, StepsAndRatiosThatCannotServeAreRefused) {
  const auto line = [](double x) { return x; };
  EXPECT_THROW(derivative(line, 5.0, Ridders{.step = 1e-15}), InvalidArgument) << "no second row";
  EXPECT_THROW(derivative(line, 5.0, Adaptive{.step = 6e-16}), InvalidArgument);
  EXPECT_EQ(derivative(line, 5.0, Ridders{.step = 2e-15}).value, 1);
  const std::function<float(float)> single = [](float x) { return x; };
  EXPECT_THROW(derivative(single, 1.F, Ridders{.ratio = 1 + 1e-9}), InvalidArgument);
  const auto generic = [](const auto& z) { return 0.3 * z; };
  EXPECT_THROW(
      derivative(generic, 1.0, ComplexStep{.step = std::numeric_limits<double>::infinity()}),
      InvalidArgument);
  const std::function<std::complex<float>(std::complex<float>)> narrow = [](std::complex<float> z) {
    return z;
  };
  EXPECT_THROW(derivative(narrow, 1.F, ComplexStep{.step = 1e-50}), InvalidArgument);
}

TEST(Derivative, AStepThatLeavesTheRangeIsSaidToBeTooLarge) {
  const auto line = [](double x) { return x * 1e-300; };
  for (const auto& [x, step] : {std::pair(1e10, 1e300), std::pair(0.0, 1.7e308)})
    EXPECT_CONTAINS(
        message_of<InvalidArgument>([&] { derivative(line, x, Central{.step = step}); }),
        "leaves the range");
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { derivative(line, 1.79e308, Ridders{}); }),
                  "leaves the range");
  EXPECT_NEAR(derivative(line, 1.5e308, Ridders{}).value, 1e-300, 1e-312);
}

// There the imaginary part of f vanishes and the real one is finite, as off it.
TEST(ComplexStep, SeesAPoleOfEvenOrder) {
  for (const double pole : {0.0, 1.0, -3.5, 1e30}) {
    const auto at_pole = [pole](const auto& x) { return 1.0 / ((x - pole) * (x - pole)); };
    const auto d = derivative(at_pole, pole, ComplexStep{});
    EXPECT_EQ(d.status, Status::kNonFinite) << pole;
    EXPECT_TRUE(std::isnan(d.value)) << pole;
  }
  const auto large = derivative([](const auto& x) { return 1e150 * exp(x); }, 1.0, ComplexStep{});
  EXPECT_EQ(large.status, Status::kOk) << "a control: large is no pole";
  EXPECT_NEAR(large.value, 1e150 * std::exp(1.0), 1e137);
}

TEST(ComplexStep, TruncatesWithALargeStep) {
  const auto f = [](const auto& x) { return exp(x); };
  for (const double h : {1e-3, 0.1, 0.5}) {
    const auto d = derivative(f, 3.0, ComplexStep{.step = h});
    EXPECT_EQ(d.status, Status::kOk) << h;
    EXPECT_NEAR(d.value, std::exp(3.0) * std::sin(h) / h, 1e-13) << h;
  }
  EXPECT_EQ(derivative([](const auto& x) { return x * x * x; }, 1.0, ComplexStep{.step = 2}).value,
            -1);
  EXPECT_EQ(
      derivative([](const auto& x) { return sin(1e5 * x); }, 1.0, ComplexStep{.step = 9e-7}).status,
      Status::kOk);
}

// At x³ the slope is the truncation alone, -h²; and 1e-20 is the step that most people write, which
// costs one evaluation where f is real.
TEST(ComplexStep, FlatRootsAreFlatByAnyStep) {
  const auto cube = [](const auto& x) { return x * x * x; };
  for (const double h : {0.0, 1e-80, 1e-20, 1e-8, 1e-3, 0.1})
    for (const double root : {0.0, 1.0}) {
      const auto d =
          derivative([&](const auto& x) { return cube(x - root); }, root, ComplexStep{.step = h});
      EXPECT_EQ(d.status, Status::kOk) << h << " at " << root;
      EXPECT_NEAR(d.value, -d.step * d.step, 1e-15 * d.step * d.step) << h << " at " << root;
    }
  // Which takes nothing that is double.
  const auto small = []<class T>(const T& x)
    requires(std::is_same_v<T, float> || std::is_same_v<T, std::complex<float>>)
  {
    return 1.67e-27F * x * x;
  };
  EXPECT_EQ(derivative(small, 1.0F, ComplexStep{.step = 1e-3}).status, Status::kOk);
  const auto smooth = [](const auto& x) { return exp(x); };
  EXPECT_EQ(derivative(smooth, 1.0, ComplexStep{.step = 1e-20}).evaluations, 1U);
  EXPECT_EQ(derivative(smooth, 1.0, ComplexStep{.step = 1e-3}).evaluations, 4U);
}

// What pow leaves of an imaginary part at a negative base is no slope, however large x is and
// whatever step is asked for.
TEST(ComplexStep, RoundingIsNoSlope) {
  const auto status_of = [](double scale, double power, double x, double h) {
    const auto f = [scale, power](const auto& z) { return pow(z * scale, power); };
    return derivative(f, x, ComplexStep{.step = h}).status;
  };
  for (const double h : {0.0, 1e-20, 1e-16, std::numeric_limits<double>::epsilon(), 1e-8}) {
    for (const double x : {-2.0, -100.0, -1e6, -1e7})
      EXPECT_EQ(status_of(1, 2, x, h), Status::kNonFinite) << x << " by " << h;
    EXPECT_EQ(status_of(1e-90, 2, -1e90, h), Status::kNonFinite) << h;
  }
  const auto jacobian_at = jacobian([](const auto& x) { return std::array{pow(x[0], 2.0)}; },
                                    std::array{-1e6}, ComplexStep{.step = 1e-20});
  EXPECT_EQ(jacobian_at.status, Status::kNonFinite);
}

// A slope that grows as the step shrinks is none, however small; one that shrinks is flat.
TEST(ComplexStep, GrowthTellsFlatRootsFromNone) {
  for (const double h : {0.0, 1e-20}) {
    for (const double power : {1.25, 1.5, 1.9, 2.5}) {
      const auto f = [power](const auto& x) { return pow(x, power); };
      EXPECT_EQ(derivative(f, 0.0, ComplexStep{.step = h}).status, Status::kOk) << power;
    }
    const auto steep = [](const auto& x) { return 1e110 * x * x * x; };
    EXPECT_EQ(derivative(steep, 0.0, ComplexStep{.step = h}).status, Status::kOk) << h;
    const auto small = [](const auto& x) { return 1e-155 * sqrt(x); };
    EXPECT_EQ(derivative(small, 0.0, ComplexStep{.step = h}).status, Status::kNonFinite) << h;
  }
  for (const double root : {1e104, 1e150}) {
    const auto far = [root](const auto& x) { return sqrt(x - root); };
    EXPECT_EQ(derivative(far, root, ComplexStep{}).status, Status::kNonFinite) << root;
  }
}

TEST(ComplexStep, FindsNoSlopeWithALargeStepWhereThereIsNone) {
  for (const double power : {0.5, 0.9, 0.95})
    for (const double h : {1e-20, 1e-3, 0.1}) {
      const auto f = [power](const auto& x) { return pow(x, power); };
      EXPECT_EQ(derivative(f, 0.0, ComplexStep{.step = h}).status, Status::kNonFinite)
          << power << " " << h;
    }
  for (const double h : {1e-20, 1e-8, 2.0})
    EXPECT_EQ(
        derivative([](const auto& x) { return 1.0 / (x * x); }, 0.0, ComplexStep{.step = h}).status,
        Status::kNonFinite)
        << h;
}

TEST(ComplexStep, IsExactFarFromZeroToo) {
  for (const double x : {17.0, 1e10, 1e100, -3e50})
    EXPECT_NEAR(derivative([](const auto& z) { return 1.0 / z; }, x, ComplexStep{}).value * x * x,
                -1, 1e-14)
        << x;
}

TEST(Forward, MeasuresItsError) {
  const auto d = derivative([](double x) { return std::exp(x); }, 1.0, Forward{.error = kMeasured});
  EXPECT_LE(std::abs(d.value - std::exp(1.0)), 2 * d.error);
  EXPECT_LT(d.error, 1e-6);
  EXPECT_EQ(d.evaluations, 3U);
}

// Noise far above rounding: the step must grow to meet it.
TEST(Adaptive, ChoosesItsStepByTheNoiseOfTheFunction) {
  const auto noisy = [](double x) { return std::sin(x) + 1e-7 * std::sin(1e12 * x); };
  const auto smooth = [](double x) { return std::sin(x); };
  const auto d = derivative(noisy, 1.0, Adaptive{});
  const auto quiet = derivative(smooth, 1.0, Adaptive{});
  EXPECT_GT(d.step, 3 * quiet.step);
  EXPECT_LE(std::abs(d.value - std::cos(1.0)), 10 * d.error);
  EXPECT_LT(d.error, 1e-5);
  EXPECT_GT(d.error, 1e-9) << "it must not claim what the noise forbids";
}

}  // namespace
}  // namespace gradatim
