#include "gradatim/optim/optimizer.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "gradatim/core/error.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

struct OptimizerCase {
  Optimizer optimizer;
  // Two steps from (1, -2) with gradients (0.5, -4) and then (1, 1), by hand.
  float first[2];
  float second[2];
  std::size_t steps_to_minimum;
};

const OptimizerCase kOptimizers[] = {
    {Sgd{0.1F}, {0.95F, -1.6F}, {0.85F, -1.7F}, 100},
    // v = (-0.05, 0.4), then 0.9 v - 0.1 g = (-0.145, 0.26)
    {Momentum{0.1F, 0.9F}, {0.95F, -1.6F}, {0.805F, -1.34F}, 400},
    // Without momentum it is Sgd.
    {Momentum{0.1F, 0.0F}, {0.95F, -1.6F}, {0.85F, -1.7F}, 100},
};

TEST(Optimizers, TakeTheStepsDerivedByHand) {
  TaskPool pool(1);
  for (const OptimizerCase& c : kOptimizers) {
    OptimizerState state(c.optimizer, 2);
    std::vector<float> theta = {1, -2};
    state.step(theta, std::vector<float>{0.5F, -4}, pool);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(theta[i], c.first[i], 1e-6);
    state.step(theta, std::vector<float>{1, 1}, pool);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(theta[i], c.second[i], 1e-6);
  }
}

// f = sum_i c_i (x_i - m_i)² has its minimum at m.
TEST(Optimizers, ReachTheMinimumOfABowl) {
  TaskPool pool(1);
  for (const OptimizerCase& c : kOptimizers) {
    OptimizerState state(c.optimizer, 3);
    std::vector<float> theta = {-3, 4, 10};
    const float curvature[] = {1, 0.5F, 2};
    const float minimum[] = {1, -1, 3};
    std::vector<float> gradient(3);
    for (std::size_t step = 0; step < c.steps_to_minimum; ++step) {
      for (std::size_t i = 0; i < 3; ++i) gradient[i] = 2 * curvature[i] * (theta[i] - minimum[i]);
      state.step(theta, gradient, pool);
    }
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_NEAR(theta[i], minimum[i], 1e-3) << kind(c.optimizer);
  }
}

TEST(Optimizers, BitsDoNotDependOnThreads) {
  const std::size_t n = 200'003;  // several tasks, the last one short
  for (const OptimizerCase& c : kOptimizers) {
    const Tensor gradient = testing::uniform_tensor({n}, 1);
    Tensor first;
    for (const std::size_t threads : {1U, 2U, 3U, 7U}) {
      TaskPool pool(threads);
      OptimizerState state(c.optimizer, n);
      Tensor theta = testing::uniform_tensor({n}, 2);
      for (int step = 0; step < 3; ++step) state.step(theta.values(), gradient.values(), pool);
      if (threads == 1) first = theta;
      EXPECT_EQ(theta, first);
    }
  }
}

TEST(Optimizers, RejectOptionsOutOfRangeAndWrongSizes) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const float rate : {0.0F, -0.1F, kNan, std::numeric_limits<float>::infinity()}) {
    EXPECT_THROW(OptimizerState(Sgd{rate}, 1), InvalidArgument);
    EXPECT_THROW(OptimizerState(Momentum{rate}, 1), InvalidArgument);
  }
  for (const float momentum : {-0.1F, 1.0F, kNan})
    EXPECT_THROW(OptimizerState(Momentum{0.1F, momentum}, 1), InvalidArgument);
  TaskPool pool(1);
  OptimizerState state(Sgd{}, 3);
  std::vector<float> theta(2);
  EXPECT_THROW(state.step(theta, theta, pool), ShapeError);
}

}  // namespace
}  // namespace gradatim
