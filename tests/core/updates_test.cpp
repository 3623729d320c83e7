#include "gradatim/core/updates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/core/reference_updates.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::Adjustment;
using test::kOddSizes;
using test::uniform_tensor;

struct Vectors {
  Tensor theta, g, m, v;

  explicit Vectors(std::size_t n)
      : theta(uniform_tensor({n}, 1)),
        g(uniform_tensor({n}, 2)),
        m(uniform_tensor({n}, 3)),
        v(uniform_tensor({n}, 4, 0.01F)) {}
};

// One parameter, in double.
struct Values {
  double theta, g, m, v;
};

struct UpdateCase {
  const char* name;
  void (*kernel)(Vectors& x, const Adjustment& a);
  void (*formula)(Values& x, const Adjustment& a);
  std::vector<Tensor Vectors::*> remembers;  // what it changes besides theta
};

constexpr kernels::ScaledStep kScaled{
    .learning_rate = 0.1F, .keep = 0.9F, .add = 0.1F, .epsilon = 1e-3F};
constexpr kernels::AdamStep kAdam{
    .rate = 0.3F, .beta1 = 0.9F, .beta2 = 0.99F, .v_scale = 3.0F, .epsilon = 1e-3F};
constexpr kernels::LionStep kLion{.learning_rate = 0.1F, .beta1 = 0.9F, .beta2 = 0.99F};

const UpdateCase kUpdates[] = {
    {"sgd",
     [](Vectors& x, const Adjustment& a) { kernels::sgd(x.theta.values(), x.g.values(), 0.1F, a); },
     [](Values& x, const Adjustment& a) { reference::sgd(x.theta, x.g, 0.1F, a); },
     {}},
    {"momentum",
     [](Vectors& x, const Adjustment& a) {
       kernels::momentum(x.theta.values(), x.g.values(), x.m.values(), 0.1F, 0.9F, a);
     },
     [](Values& x, const Adjustment& a) { reference::momentum(x.theta, x.g, x.m, 0.1F, 0.9F, a); },
     {&Vectors::m}},
    {"nesterov",
     [](Vectors& x, const Adjustment& a) {
       kernels::nesterov(x.theta.values(), x.g.values(), x.m.values(), 0.1F, 0.9F, a);
     },
     [](Values& x, const Adjustment& a) { reference::nesterov(x.theta, x.g, x.m, 0.1F, 0.9F, a); },
     {&Vectors::m}},
    {"scaled",
     [](Vectors& x, const Adjustment& a) {
       kernels::scaled(x.theta.values(), x.g.values(), x.v.values(), kScaled, a);
     },
     [](Values& x, const Adjustment& a) { reference::scaled(x.theta, x.g, x.v, kScaled, a); },
     {&Vectors::v}},
    {"adam",
     [](Vectors& x, const Adjustment& a) {
       kernels::adam(x.theta.values(), x.g.values(), x.m.values(), x.v.values(), kAdam, a);
     },
     [](Values& x, const Adjustment& a) { reference::adam(x.theta, x.g, x.m, x.v, kAdam, a); },
     {&Vectors::m, &Vectors::v}},
    {"lion",
     [](Vectors& x, const Adjustment& a) {
       kernels::lion(x.theta.values(), x.g.values(), x.m.values(), kLion, a);
     },
     [](Values& x, const Adjustment& a) { reference::lion(x.theta, x.g, x.m, kLion, a); },
     {&Vectors::m}},
};

const Adjustment kAdjustments[] = {
    {},           {.scale = 0.5F},   {.limit = 0.25F},
    {.l2 = 0.2F}, {.shrink = 0.75F}, {2.0F, 0.5F, 0.1F, 0.9F},
};

TEST(Updates, MatchTheReferenceForEverySizeAndAdjustment) {
  for (const UpdateCase& c : kUpdates)
    for (const Adjustment& a : kAdjustments)
      for (const std::size_t n : kOddSizes) {
        const Vectors before(n);
        Vectors x = before;
        c.kernel(x, a);
        for (std::size_t i = 0; i < n; ++i) {
          Values expected{before.theta.values()[i], before.g.values()[i], before.m.values()[i],
                          before.v.values()[i]};
          c.formula(expected, a);
          ASSERT_NEAR(x.theta.values()[i], expected.theta, 1e-6) << c.name << " " << i;
          ASSERT_NEAR(x.m.values()[i], expected.m, 3e-7) << c.name << " " << i;
          ASSERT_NEAR(x.v.values()[i], expected.v, 3e-7) << c.name << " " << i;
        }
      }
}

// Cutting the spans anywhere changes no bit, and nothing behind a cut is touched.
TEST(Updates, PartsHaveTheBitsOfTheWhole) {
  constexpr std::size_t kN = 101;
  for (std::size_t cut = 0; cut <= kN; ++cut) {
    Vectors whole(kN);
    Vectors parts(kN);
    kernels::adam(whole.theta.values(), whole.g.values(), whole.m.values(), whole.v.values(),
                  kAdam);
    for (const auto& [first, count] : {std::pair{std::size_t{0}, cut}, {cut, kN - cut}})
      kernels::adam(parts.theta.values().subspan(first, count),
                    parts.g.values().subspan(first, count), parts.m.values().subspan(first, count),
                    parts.v.values().subspan(first, count), kAdam);
    ASSERT_EQ(whole.theta, parts.theta) << cut;
    ASSERT_EQ(whole.m, parts.m) << cut;
    ASSERT_EQ(whole.v, parts.v) << cut;
  }
}

// Without a gradient, what decays ends at 0 and is never subnormal on its way, which processors are
// slow with; what the last lanes of a vector hold neither.
TEST(Updates, WhatDecaysEndsAtZero) {
  constexpr std::size_t kN = 19;
  for (const UpdateCase& c : kUpdates) {
    const Vectors before(kN);
    Vectors x = before;
    std::ranges::fill(x.g.values(), 0.0F);
    for (int step = 0; step < 10'000; ++step) {
      c.kernel(x, {});
      for (const Tensor Vectors::*state : c.remembers)
        for (const float value : (x.*state).values())
          ASSERT_NE(std::fpclassify(value), FP_SUBNORMAL) << c.name << " " << step;
    }
    for (const Tensor Vectors::*state : {&Vectors::m, &Vectors::v}) {
      const bool remembered = std::ranges::find(c.remembers, state) != c.remembers.end();
      EXPECT_EQ(x.*state, remembered ? Tensor({kN}) : before.*state) << c.name;
    }
  }
}

TEST(Updates, LionStandsStillWhereItSeesNoSlope) {
  std::vector<float> theta = {1, 2};
  std::vector<float> m = {0, 0};
  kernels::lion(theta, std::vector<float>{0.0F, -0.0F}, m, kLion);
  EXPECT_EQ(theta, (std::vector<float>{1, 2}));
}

TEST(Updates, SumOfSquaresIsInDouble) {
  for (const std::size_t n : kOddSizes) {
    const Tensor x = uniform_tensor({n}, n);
    double expected = 0;
    for (const float value : x.values()) expected += static_cast<double>(value) * value;
    EXPECT_NEAR(kernels::sum_of_squares(x.values()), expected,
                static_cast<double>(n) * 0x1p-53 * expected);
  }
}

TEST(Updates, RejectSizesThatDoNotFit) {
  std::vector<float> two(2);
  std::vector<float> three(3);
  EXPECT_THROW(kernels::sgd(two, three, 0.1F), ShapeError);
  EXPECT_THROW(kernels::momentum(two, two, three, 0.1F, 0.9F), ShapeError);
  EXPECT_THROW(kernels::nesterov(two, two, three, 0.1F, 0.9F), ShapeError);
  EXPECT_THROW(kernels::scaled(two, two, three, kScaled), ShapeError);
  EXPECT_THROW(kernels::adam(two, two, two, three, kAdam), ShapeError);
  EXPECT_THROW(kernels::lion(two, two, three, kLion), ShapeError);
}

}  // namespace
}  // namespace gradatim
