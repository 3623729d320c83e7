#include "gradatim/nn/numerical_gradient.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "gradatim/core/error.hpp"
#include "nn/problems.hpp"
#include "nn/swish.hpp"

namespace gradatim {
namespace {

using test::make_problem;
using test::Problem;
using test::problems;
using test::reference_gradient;
using test::relative_distance;
using test::TargetKind;

NumericalGradient numerical(const Problem& problem, NumericalOptions options = {}) {
  options.loss = problem.loss;
  options.threads = 1;
  return numerical_gradient(problem.network, problem.parameters.theta(), problem.batch(), options);
}

// The course's way: the loss evaluated twice a parameter, in double.
std::vector<double> naive_differences(const Problem& problem, double h, bool forward = false) {
  const reference::Evaluation evaluation(problem.network, problem.loss);
  const reference::Samples samples = evaluation.samples(problem.batch());
  const auto start = problem.parameters.theta();
  std::vector<double> theta(start.begin(), start.end());
  std::vector<double> gradient;
  const double before = evaluation.mean_loss<double>(theta, samples);
  for (double& value : theta) {
    const double original = value;
    value = original + h;
    const double above = evaluation.mean_loss<double>(theta, samples);
    value = original - h;
    const double below = forward ? before : evaluation.mean_loss<double>(theta, samples);
    value = original;
    gradient.push_back((above - below) / (forward ? h : 2 * h));
  }
  return gradient;
}

TEST(NumericalGradient, IsTheDerivativeToRounding) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    for (const Problem& problem : problems(seed)) {
      const auto exact = reference_gradient(problem);
      const auto result = numerical(problem, {.step = 1e-5F, .inputs = true});
      EXPECT_LT(relative_distance(result.d_theta, exact.theta), 1e-6) << problem.name;
      EXPECT_LT(relative_distance(result.d_inputs.values(), exact.inputs), 1e-6) << problem.name;
      EXPECT_TRUE(result.evaluated_again.empty());
    }
}

// At a step where a difference is far from the derivative, it is still the difference.
TEST(NumericalGradient, IsTheDifferenceForALargeStep) {
  for (const Problem& problem : problems(6))
    for (const float h : {0.1F, 2.0F}) {
      const auto step = static_cast<double>(h);
      const auto result = numerical(problem, {.step = h});
      EXPECT_LT(relative_distance(result.d_theta, naive_differences(problem, step)), 1e-6)
          << problem.name << ", h = " << h;
      EXPECT_GT(relative_distance(result.d_theta, reference_gradient(problem).theta),
                problem.name == "two linear layers" ? -1.0 : 1e-6)
          << problem.name << ": at such a step the derivative must be missed";
    }
}

TEST(NumericalGradient, ForwardIsTheForwardDifference) {
  for (const Problem& problem : problems(7)) {
    const auto result = numerical(problem, {.method = Difference::forward, .step = 0.05F});
    EXPECT_LT(relative_distance(result.d_theta, naive_differences(problem, 0.05F, true)), 1e-6)
        << problem.name;
  }
}

double error_at(const Problem& problem, Difference method, float step) {
  return relative_distance(numerical(problem, {.method = method, .step = step}).d_theta,
                           reference_gradient(problem).theta);
}

// Halving the step divides the error by 2, 4 and 16.
TEST(NumericalGradient, ErrorsShrinkWithTheOrderOfTheMethod) {
  const Problem problem = problems(8)[1];
  const auto ratio = [&](Difference method, float step) {
    return error_at(problem, method, step) / error_at(problem, method, step / 2);
  };
  EXPECT_NEAR(ratio(Difference::forward, 0.1F), 2, 0.1);
  EXPECT_NEAR(ratio(Difference::central, 0.1F), 4, 0.1);
  EXPECT_NEAR(ratio(Difference::richardson, 0.8F), 16, 1.6);
}

// Where evaluating the loss twice in float32 has nothing left to subtract.
TEST(NumericalGradient, TinyStepsLoseNothing) {
  const Problem problem = problems(9)[1];
  const auto exact = reference_gradient(problem).theta;
  for (const float step : {1e-3F, 1e-6F, 1e-12F, 1e-20F}) {
    const auto result = numerical(problem, {.step = step});
    EXPECT_LT(relative_distance(result.d_theta, exact), 1e-6) << step;
  }
}

TEST(NumericalGradient, LossIsTheMeanLoss) {
  for (const Problem& problem : problems(10)) {
    const reference::Evaluation evaluation(problem.network, problem.loss);
    const auto theta = test::to_double(problem.parameters.theta());
    const double exact = evaluation.mean_loss<double>(theta, evaluation.samples(problem.batch()));
    EXPECT_NEAR(numerical(problem).loss, exact, 1e-6 * std::abs(exact)) << problem.name;
  }
}

// Bytes as images are: few distinct values, most of them zero.
Problem image_problem(BasicTensor<std::uint8_t>& images) {
  Problem problem = make_problem("images", {{300}, {Dense{20}, Sigmoid{}, Dense{10}}},
                                 SoftmaxCrossEntropy{}, 40, TargetKind::labels, 11, 0.1F);
  images = BasicTensor<std::uint8_t>(problem.inputs.shape());
  std::vector<std::uint32_t> drawn(images.size());
  choice(drawn, 400, {.seed = 12});
  for (std::size_t i = 0; i < drawn.size(); ++i)
    images.values()[i] = static_cast<std::uint8_t>(drawn[i] < 256 ? drawn[i] : 0);
  for (std::size_t i = 0; i < drawn.size(); ++i)
    problem.inputs.values()[i] = static_cast<float>(images.values()[i]) * (1.0F / 255);
  return problem;
}

TEST(NumericalGradient, SharesEqualInputsOfBytesAndFloats) {
  BasicTensor<std::uint8_t> images;
  const Problem problem = image_problem(images);
  const auto exact = reference_gradient(problem).theta;
  Batch bytes = problem.batch();
  bytes.inputs = ByteInputs{.bytes = images.view()};
  const auto from_bytes = numerical_gradient(problem.network, problem.parameters.theta(), bytes);
  EXPECT_LT(relative_distance(from_bytes.d_theta, exact), 1e-6);
  EXPECT_LT(relative_distance(numerical(problem).d_theta, exact), 1e-6);
}

// A pixel that is zero in every image: its weights change nothing.
TEST(NumericalGradient, ZeroInputsHaveExactlyZeroGradients) {
  Problem problem = problems(13)[1];
  for (std::size_t n = 0; n < problem.inputs.view().rows(); ++n) problem.inputs.view()(n, 2) = 0;
  const auto result = numerical(problem);
  for (std::size_t j = 0; j < 7; ++j) EXPECT_EQ(result.d_theta[std::size_t{2} * 7 + j], 0.0F);
  EXPECT_NE(result.d_theta[7], 0.0F);
}

TEST(NumericalGradient, SameBitsForAnyNumberOfThreads) {
  const Problem wide =
      make_problem("wide", {{130}, {Dense{150}, Relu{}, Dense{140}, Tanh{}, Dense{10}}},
                   SoftmaxCrossEntropy{}, 37, TargetKind::labels, 14, 0.1F);
  const auto with = [&](std::size_t threads) {
    return numerical_gradient(wide.network, wide.parameters.theta(), wide.batch(),
                              {.step = 1e-9F, .inputs = true, .threads = threads});
  };
  const auto one = with(1);
  for (const std::size_t threads : {2U, 3U, 7U}) {
    const auto more = with(threads);
    EXPECT_EQ(one.d_theta, more.d_theta) << threads;
    EXPECT_EQ(one.d_inputs, more.d_inputs) << threads;
    EXPECT_EQ(one.loss, more.loss) << threads;
  }
  EXPECT_LT(relative_distance(one.d_theta, reference_gradient(wide).theta), 1e-6);
}

// Without a rule of its own a layer is evaluated again, in float32: a few digits, and it says so.
TEST(NumericalGradient, LayersWithoutARuleAreEvaluatedAgain) {
  Problem problem = make_problem(
      "swish",
      {{6}, {Dense{9}, Custom{std::make_shared<test::Swish>(test::Swish::Options{})}, Dense{4}}},
      SoftmaxCrossEntropy{}, 8, TargetKind::labels, 17);
  const auto with_rule = [&](bool rule) {
    problem.network.layers[1] =
        Custom{std::make_shared<test::Swish>(test::Swish::Options{.change_rule = rule})};
    return numerical(problem, {.step = 0.01F, .inputs = true});
  };
  const auto exact = with_rule(true);
  const auto again = with_rule(false);
  EXPECT_TRUE(exact.evaluated_again.empty());
  EXPECT_EQ(again.evaluated_again, std::vector<std::string>{"layer 2 (swish)"});
  const double distance = relative_distance(again.d_theta, test::to_double(exact.d_theta));
  EXPECT_GT(distance, 1e-7);
  EXPECT_LT(distance, 1e-4);
}

TEST(NumericalGradient, SmallerBatchesThanPlanned) {
  const Problem problem = problems(15)[1];
  NumericalProgram program(problem.network, {.loss = problem.loss}, 50);
  TaskPool pool(1);
  std::vector<float> d_theta(problem.parameters.theta().size(), 7.0F);
  for (int repeat = 0; repeat < 2; ++repeat) {
    program.gradient(problem.parameters.theta(), problem.batch(), d_theta, pool);
    EXPECT_LT(relative_distance(d_theta, reference_gradient(problem).theta), 1e-6);
  }
}

TEST(NumericalGradient, RefusesWhatDoesNotFit) {
  const Problem problem = problems(16)[1];
  const auto theta = problem.parameters.theta();
  for (const float step : {0.0F, -1e-4F, INFINITY, NAN})
    EXPECT_THROW(numerical_gradient(problem.network, theta, problem.batch(), {.step = step}),
                 InvalidArgument);
  EXPECT_THROW(numerical_gradient(problem.network, theta.first(3), problem.batch()), ShapeError);
  const std::vector<float> weights(problem.batch().rows(), 2.0F);
  Batch weighted = problem.batch();
  weighted.targets.weights = weights;
  EXPECT_THROW(numerical_gradient(problem.network, theta, weighted), InvalidArgument);
  EXPECT_THROW(numerical_gradient({{8}, {Dense{5}}}, theta, problem.batch()), InvalidArgument);
}

}  // namespace
}  // namespace gradatim
