#include "gradatim/optim/optimizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "support/errors.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using Pair = std::array<float, 2>;

struct OptimizerCase {
  Optimizer optimizer;
  // Two steps from (1, -2) with gradients (0.5, -4) and then (1, 1), by hand.
  Pair first;
  Pair second;
  Optimizer descending;  // the same with options that suit the problems below
};

const OptimizerCase kOptimizers[] = {
    {Sgd{0.1F}, {0.95F, -1.6F}, {0.85F, -1.7F}, Sgd{0.1F}},
    // v = (-0.05, 0.4), then 0.9 v - 0.1 g = (-0.145, 0.26)
    {Momentum{0.1F, 0.9F}, {0.95F, -1.6F}, {0.805F, -1.34F}, Momentum{0.05F, 0.9F}},
    {Momentum{0.1F, 0.0F}, {0.95F, -1.6F}, {0.85F, -1.7F}, Momentum{0.1F, 0.0F}},
    // The same v; theta += 0.9 v - 0.1 g = (-0.095, 0.76), then (-0.2305, 0.134)
    {Nesterov{0.1F, 0.9F}, {0.905F, -1.24F}, {0.6745F, -1.106F}, Nesterov{0.05F, 0.9F}},
    // h = (0.25, 16), then (1.25, 17)
    {AdaGrad{0.1F, 0.0F}, {0.9F, -1.9F}, {0.8105573F, -1.9242536F}, AdaGrad{1.0F}},
    // h = (0.0625, 4), then (0.296875, 3.25)
    {RmsProp{0.1F, 0.75F, 0.0F}, {0.8F, -1.8F}, {0.6164674F, -1.8554700F}, RmsProp{0.05F}},
    // m̂ = (0.145 / 0.19, -0.26 / 0.19), v̂ = (0.00124975 / 0.001999, 0.016984 / 0.001999)
    {Adam{0.1F, 0.9F, 0.999F, 0.0F}, {0.9F, -1.9F}, {0.8034818F, -1.8530532F}, Adam{0.05F}},
    // Adam's steps from 0.99 theta
    {AdamW{0.1F, 0.9F, 0.999F, 0.0F, 0.1F},
     {0.89F, -1.88F},
     {0.7845818F, -1.8142532F},
     AdamW{.learning_rate = 0.05F, .weight_decay = 0.0F}},
    // m = (0.005, -0.04), so both signs are + in the second step
    {Lion{0.1F}, {0.9F, -1.9F}, {0.8F, -2.0F}, Lion{0.05F}},
};

TEST(Optimizers, TakeTheStepsDerivedByHand) {
  TaskPool pool(1);
  for (const OptimizerCase& c : kOptimizers) {
    OptimizerState state(c.optimizer, 2);
    std::vector<float> theta = {1, -2};
    state.step(theta, std::vector<float>{0.5F, -4}, pool);
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(theta[i], c.first[i], 1e-6) << kind(c.optimizer);
    state.step(theta, std::vector<float>{1, 1}, pool);
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(theta[i], c.second[i], 1e-6) << kind(c.optimizer);
    EXPECT_EQ(state.steps(), 2U);
  }
}

struct Problem {
  const char* name;
  Pair start, minimum;
  Pair (*gradient)(const Pair& x);
};

const Problem kProblems[] = {
    {"bowl",
     {-3, 4},
     {1, -1},
     [](const Pair& x) {
       return Pair{2 * (x[0] - 1), x[1] + 1};
     }},
    {"oblique valley",
     {4, 5},
     {1, 2},  // (x + y - 3)² + 0.5 (x - y + 1)²
     [](const Pair& x) {
       const float sum = 2 * (x[0] + x[1] - 3);
       const float difference = x[0] - x[1] + 1;
       return Pair{sum + difference, sum - difference};
     }},
    {"log cosh, linear far away",
     {-6, 3},
     {0.5F, -0.25F},
     [](const Pair& x) {
       return Pair{std::tanh(x[0] - 0.5F), 2 * std::tanh(x[1] + 0.25F)};
     }},
};

TEST(Optimizers, ReachKnownMinima) {
  TaskPool pool(1);
  for (const OptimizerCase& c : kOptimizers)
    for (const Problem& problem : kProblems) {
      OptimizerState state({.optimizer = c.descending, .schedule = CosineSchedule{}, .steps = 2000},
                           2);
      Pair x = problem.start;
      for (std::size_t step = 0; step < 2000; ++step) state.step(x, problem.gradient(x), pool);
      for (std::size_t i = 0; i < 2; ++i)
        EXPECT_NEAR(x[i], problem.minimum[i], 2e-4) << kind(c.optimizer) << " on " << problem.name;
    }
}

// The control of the test above: a step with the wrong sign finds no minimum.
TEST(Optimizers, ClimbingFindsNoMinimum) {
  TaskPool pool(1);
  for (const OptimizerCase& c : kOptimizers) {
    OptimizerState state(c.descending, 2);
    Pair x = kProblems[0].start;
    for (std::size_t step = 0; step < 200; ++step) {
      Pair g = kProblems[0].gradient(x);
      for (float& v : g) v = -v;
      state.step(x, g, pool);
    }
    EXPECT_GT(std::abs(x[0] - kProblems[0].minimum[0]), 4.5F) << kind(c.optimizer);
  }
}

TEST(Optimizers, BitsDoNotDependOnThreads) {
  const std::size_t n = 200'003;  // several tasks, the last one short
  std::set<std::string_view> kinds;
  for (const OptimizerCase& c : kOptimizers)
    for (const Clipping& clipping :
         {Clipping(NoClipping{}), Clipping(ClipByValue{0.5F}), Clipping(ClipByGlobalNorm{3.0F})}) {
      kinds.insert(kind(c.optimizer));
      const Tensor gradient = test::uniform_tensor({n}, 1);
      Tensor first;
      for (const std::size_t threads : {1U, 2U, 3U, 7U}) {
        TaskPool pool(threads);
        OptimizerState state({.optimizer = c.optimizer, .clipping = clipping}, n);
        Tensor theta = test::uniform_tensor({n}, 2);
        for (int step = 0; step < 3; ++step) state.step(theta.values(), gradient.values(), pool);
        if (threads == 1) first = theta;
        EXPECT_EQ(theta, first);
      }
    }
  EXPECT_EQ(kinds.size(), std::variant_size_v<Optimizer>);  // the table has them all
}

// A parameter that gets a gradient once: what is remembered of it ends at exactly 0, with the
// defaults of each optimizer, and the parameter comes to rest. AdaGrad alone forgets nothing.
TEST(Optimizers, ForgetOneGradientAltogether) {
  constexpr std::size_t kN = 19;
  constexpr int kSteps = 120'000;  // 0.999^120,000 = 1e-52
  TaskPool pool(1);
  for (const Optimizer& optimizer : {Optimizer(Sgd{}), Optimizer(Momentum{}), Optimizer(Nesterov{}),
                                     Optimizer(AdaGrad{}), Optimizer(RmsProp{}), Optimizer(Adam{}),
                                     Optimizer(AdamW{.weight_decay = 0}), Optimizer(Lion{})}) {
    OptimizerState state(optimizer, kN);
    std::vector<float> theta(kN, 1.0F);
    std::vector<float> gradient(kN);
    for (std::size_t i = 0; i < kN; ++i) gradient[i] = static_cast<float>(i + 1) * 0.01F;
    state.step(theta, gradient, pool);
    for (const auto memory : state.memory())
      for (const float value : memory) EXPECT_NE(value, 0.0F) << kind(optimizer);
    std::ranges::fill(gradient, 0.0F);
    for (int step = 0; step < kSteps; ++step) state.step(theta, gradient, pool);
    const std::vector<float> rest = theta;
    state.step(theta, gradient, pool);
    EXPECT_EQ(theta, rest) << kind(optimizer);
    for (const auto memory : state.memory())
      for (const float value : memory)
        EXPECT_EQ(value != 0.0F, std::holds_alternative<AdaGrad>(optimizer)) << kind(optimizer);
  }
}

Pair one_step(const Descent& descent, const Pair& start, const Pair& gradient,
              std::vector<ParameterRange> decaying = {{0, 2}}) {
  TaskPool pool(1);
  OptimizerState state(descent, 2, decaying);
  Pair theta = start;
  state.step(theta, gradient, pool);
  return theta;
}

TEST(Clipping, BoundsValuesOrTheNorm) {
  const Sgd sgd{1.0F};
  const Pair by_value = one_step({.optimizer = sgd, .clipping = ClipByValue{2}}, {0, 0}, {-3, 1});
  EXPECT_EQ(by_value, (Pair{2, -1}));
  // |(-3, 4)| = 5, scaled to 2.5
  const Pair long_one =
      one_step({.optimizer = sgd, .clipping = ClipByGlobalNorm{2.5F}}, {0, 0}, {-3, 4});
  EXPECT_EQ(long_one, (Pair{1.5F, -2}));
  const Pair short_one =
      one_step({.optimizer = sgd, .clipping = ClipByGlobalNorm{5.5F}}, {0, 0}, {-3, 4});
  EXPECT_EQ(short_one, (Pair{3, -4}));
}

TEST(Clipping, HidesNoNan) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Clipping& clipping : {Clipping(ClipByValue{2}), Clipping(ClipByGlobalNorm{2})})
    EXPECT_TRUE(std::isnan(one_step({.clipping = clipping}, {0, 0}, {1, kNan})[1]));
}

TEST(WeightDecay, L2ReachesTheStateAndDecoupledDoesNot) {
  // g = 0.5 + 0.1 · 2
  EXPECT_NEAR(
      one_step({.optimizer = Sgd{1.0F}, .weight_decay = L2Decay{0.1F}}, {2, 0}, {0.5F, 0})[0], 1.3,
      1e-6);
  // Adam divides the L2 term away: a gradient of any size makes a step of learning_rate.
  const Adam adam{.learning_rate = 0.1F, .epsilon = 0};
  EXPECT_NEAR(one_step({.optimizer = adam, .weight_decay = L2Decay{10}}, {2, 1}, {0.5F, 1})[0], 1.9,
              1e-6);
  EXPECT_NEAR(
      one_step({.optimizer = adam, .weight_decay = DecoupledDecay{1}}, {2, 1}, {0.5F, 1})[0],
      0.9 * 2 - 0.1, 1e-6);
}

TEST(WeightDecay, AdamWIsAdamWithDecoupledDecay) {
  const Pair a = one_step({.optimizer = AdamW{.weight_decay = 0.3F}}, {2, -1}, {0.5F, 1});
  const Pair b =
      one_step({.optimizer = Adam{}, .weight_decay = DecoupledDecay{0.3F}}, {2, -1}, {0.5F, 1});
  EXPECT_EQ(a, b);
}

TEST(WeightDecay, LeavesAloneWhatDoesNotDecay) {
  for (const WeightDecay& decay : {WeightDecay(L2Decay{0.5F}), WeightDecay(DecoupledDecay{0.5F})}) {
    const Descent descent{.optimizer = Sgd{0.5F}, .weight_decay = decay};
    EXPECT_EQ(one_step(descent, {2, 2}, {0, 0}, {{1, 1}}), (Pair{2, 1.5F}));
    EXPECT_EQ(one_step(descent, {2, 2}, {0, 0}, {}), (Pair{2, 2}));
  }
  EXPECT_THROW(OptimizerState(Descent{}, 2, std::array{ParameterRange{1, 2}}), InvalidArgument);
}

// Ranges that begin and end inside tasks, in a vector of several tasks.
TEST(WeightDecay, RangesMayLieAnywhere) {
  const std::size_t n = 150'001;
  const std::array<ParameterRange, 3> decaying{{{0, 7}, {65'530, 20}, {131'072, 18'929}}};
  TaskPool pool(1);
  OptimizerState state({.optimizer = Sgd{1.0F}, .weight_decay = DecoupledDecay{0.5F}}, n, decaying);
  std::vector<float> theta(n, 2.0F);
  state.step(theta, std::vector<float>(n), pool);
  for (std::size_t i = 0; i < n; ++i) {
    const bool decays = i < 7 || (i >= 65'530 && i < 65'550) || i >= 131'072;
    ASSERT_EQ(theta[i], decays ? 1.0F : 2.0F) << i;
  }
}

TEST(Optimizers, FollowTheScheduleOfTheLearningRate) {
  const Descent descent{.optimizer = Sgd{1.0F}, .schedule = StepSchedule{2, 0.5F}, .warmup = 2};
  TaskPool pool(1);
  OptimizerState state(descent, 1);
  std::vector<float> theta = {0};
  std::vector<float> seen;
  for (int step = 0; step < 6; ++step) {
    state.step(theta, std::vector<float>{-1}, pool);
    seen.push_back(theta[0]);
  }
  EXPECT_EQ(seen, (std::vector<float>{0.5F, 1.5F, 2.5F, 3.5F, 4.0F, 4.5F}));
}

TEST(Optimizers, RejectOptionsOutOfRangeAndWrongSizes) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const float rate : {0.0F, -0.1F, kNan, std::numeric_limits<float>::infinity()}) {
    for (OptimizerCase c : kOptimizers) {
      std::visit([&](auto& rule) { rule.learning_rate = rate; }, c.optimizer);
      EXPECT_THROW(OptimizerState(c.optimizer, 1), InvalidArgument);
    }
    EXPECT_THROW(OptimizerState(Descent{.clipping = ClipByValue{rate}}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(Descent{.clipping = ClipByGlobalNorm{rate}}, 1), InvalidArgument);
  }
  for (const float fraction : {-0.1F, 1.0F, kNan}) {
    EXPECT_THROW(OptimizerState(Momentum{0.1F, fraction}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(Nesterov{0.1F, fraction}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(RmsProp{0.1F, fraction}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(Adam{0.1F, fraction}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(AdamW{0.1F, 0.9F, fraction}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(Lion{0.1F, fraction}, 1), InvalidArgument);
  }
  for (const float negative : {-1.0F, kNan}) {
    EXPECT_THROW(OptimizerState(AdaGrad{0.1F, negative}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(AdamW{.weight_decay = negative}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(Descent{.weight_decay = L2Decay{negative}}, 1), InvalidArgument);
  }
  EXPECT_EQ(test::message_of([] { OptimizerState(Adam{.beta2 = 1.0F}, 1); }),
            "adam: beta2 must be in [0, 1), got 1");
  TaskPool pool(1);
  OptimizerState state(Sgd{}, 3);
  std::vector<float> theta(2);
  EXPECT_THROW(state.step(theta, theta, pool), ShapeError);
}

}  // namespace
}  // namespace gradatim
