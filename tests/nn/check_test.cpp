#include "gradatim/nn/check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "gradatim/core/error.hpp"
#include "nn/problems.hpp"
#include "nn/swish.hpp"

namespace gradatim {
namespace {

using test::make_problem;
using test::Problem;
using test::problems;
using test::Swish;
using test::TargetKind;

NetworkCheck check_of(const Problem& problem, NetworkCheckOptions options = {}) {
  options.loss = problem.loss;
  options.threads = 1;
  return check(problem.network, problem.parameters.theta(), problem.batch(), options);
}

const TensorCheck& tensor(const NetworkCheck& report, std::string_view name) {
  return *std::ranges::find(report.tensors, name, &TensorCheck::name);
}

bool mentions(const NetworkCheck& report, std::string_view text) {
  return std::ranges::any_of(report.objections(), [&](const std::string& objection) {
    return objection.find(text) != std::string::npos;
  });
}

TEST(Check, CountsEveryEntry) {
  for (const Problem& problem : problems(31)) {
    const auto report = check_of(problem, {.inputs = true});
    EXPECT_TRUE(report.passed()) << problem.name << report.to_string();
    EXPECT_EQ(report.parameters(), problem.parameters.theta().size() + problem.inputs.size());
    for (const TensorCheck& each : report.tensors)
      EXPECT_EQ(each.count,
                each.passed + each.failed + each.kinks + each.unresolved + each.skipped());
    EXPECT_LT(report.sample.backprop_error, 1e-6);
    EXPECT_LT(report.sample.numerical_error, 1e-6);
    EXPECT_LT(report.sample.shortcut_error, 2e-5);  // of which double leaves 1e-6 at such a step
    EXPECT_GT(report.sample.count, 0U);
  }
}

// Backprop takes relu's slope at 0 as 0; the function has none.
TEST(Check, KinksAreNamedAndBackpropLiesBetweenTheSlopes) {
  Problem problem = problems(32)[4];  // relu
  for (std::size_t i = 0; i < 8; ++i) problem.parameters["dense1.weight"](i, 3) = 0;
  problem.parameters.theta()[8 * 16 + 3] = 0;  // the bias: unit 3 is at 0 for every sample
  const auto report = check_of(problem);
  EXPECT_TRUE(report.passed()) << report.to_string();
  EXPECT_EQ(tensor(report, "dense1.bias").kinks, 1U);
  EXPECT_GT(tensor(report, "dense1.weight").kinks, 0U);
  EXPECT_LE(tensor(report, "dense1.weight").kinks, 8U);
}

TEST(Check, AValueOutsideTheSlopesOfAKinkFails) {
  Problem problem = problems(32)[4];
  problem.parameters.theta()[8 * 16 + 3] = 0;
  for (std::size_t i = 0; i < 8; ++i) problem.parameters["dense1.weight"](i, 3) = 0;
  const std::size_t bias = 8 * 16 + 3;
  std::vector<float> d_theta(problem.parameters.theta().size());
  const auto slopes = check_of(problem, {.worst = d_theta.size()});
  const auto entries = tensor(slopes, "dense1.bias").worst;
  const auto kink = std::ranges::find(entries, Verdict::kKink, &CheckedParameter::verdict);
  ASSERT_NE(kink, entries.end());
  const auto kinks_with = [&](double value) {
    for (const TensorCheck& each : slopes.tensors)
      for (const CheckedParameter& entry : each.worst) {
        const auto all = parameter_layout(problem.network).tensors;
        const auto at = std::ranges::find(all, entry.name, &ParameterTensor::name);
        d_theta[at->offset + entry.index] = static_cast<float>(entry.backprop);
      }
    d_theta[bias] = static_cast<float>(value);
    const auto report = check(problem.network, problem.parameters.theta(), problem.batch(), d_theta,
                              {.loss = problem.loss, .threads = 1});
    return tensor(report, "dense1.bias").kinks;
  };
  const double width = kink->upper - kink->lower;
  EXPECT_GT(width, 1e-3);
  EXPECT_EQ(kinks_with(kink->lower + 0.3 * width), 1U);
  EXPECT_EQ(kinks_with(kink->upper + 0.1 * width), 0U);
  EXPECT_EQ(kinks_with(kink->lower - 0.1 * width), 0U);
}

TEST(Check, DeadUnitsAndStructuralZerosAreNamedAndPassNothing) {
  Problem problem = problems(33)[4];              // relu
  problem.parameters.theta()[8 * 16 + 5] = -100;  // the bias of a unit that never fires
  for (std::size_t n = 0; n < problem.inputs.view().rows(); ++n) problem.inputs.view()(n, 2) = 0;
  const auto report = check_of(problem);
  EXPECT_TRUE(report.passed()) << report.to_string();
  const TensorCheck& weight = tensor(report, "dense1.weight");
  EXPECT_GE(weight.dead_units, 1U);
  EXPECT_EQ(weight.dead, 8 * weight.dead_units);
  EXPECT_GE(weight.structural, 16 - weight.dead_units);
  EXPECT_EQ(tensor(report, "dense1.bias").dead, weight.dead_units);
  EXPECT_EQ(weight.count, weight.passed + weight.unresolved + weight.skipped());
  EXPECT_NE(report.to_string().find("dead units"), std::string::npos);
}

TEST(Check, ForgottenGradientsAreNamed) {
  const Problem problem = problems(34)[1];
  const std::vector<float> nothing(problem.parameters.theta().size());
  const auto report = check(problem.network, problem.parameters.theta(), problem.batch(), nothing,
                            {.loss = problem.loss, .threads = 1});
  EXPECT_FALSE(report.passed());
  for (const TensorCheck& each : report.tensors) EXPECT_TRUE(each.forgotten) << each.name;
  EXPECT_TRUE(mentions(report, "backprop is zero everywhere"));
  EXPECT_TRUE(report.wrong.empty());
}

// Both are zero throughout, and agree: that proves nothing.
TEST(Check, ZeroAgainstZeroIsNoPass) {
  Problem problem = problems(35)[4];
  std::ranges::fill(problem.parameters.theta(), 0.0F);
  for (std::size_t j = 0; j < 16; ++j) problem.parameters.theta()[std::size_t{8} * 16 + j] = -1;
  const auto report = check_of(problem);
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.count(&TensorCheck::failed), 0U);
  EXPECT_TRUE(mentions(report, "dense1.weight: nothing passed"));
}

TEST(Check, NonFiniteParametersAreNoPass) {
  Problem problem = problems(36)[1];
  problem.parameters.theta()[4] = std::numeric_limits<float>::quiet_NaN();
  const auto report = check_of(problem);
  EXPECT_FALSE(report.passed());
  EXPECT_TRUE(mentions(report, "the loss is nan"));
}

TEST(Check, SaysTheSameForAnyNumberOfThreads) {
  const Problem problem =
      make_problem("wide", {{90}, {Dense{140}, Relu{}, Dense{130}, Tanh{}, Dense{10}}},
                   SoftmaxCrossEntropy{}, 19, TargetKind::labels, 37, 0.1F);
  const auto with = [&](std::size_t threads) {
    auto report =
        check(problem.network, problem.parameters.theta(), problem.batch(), {.threads = threads});
    report.seconds = 0;
    return report.to_string();
  };
  const std::string one = with(1);
  for (const std::size_t threads : {2U, 3U, 7U}) EXPECT_EQ(with(threads), one);
  EXPECT_NE(one.find("passed"), std::string::npos);
}

TEST(Check, RefusesAGradientOfAnotherSize) {
  const Problem problem = problems(38)[1];
  const std::vector<float> d_theta(3);
  EXPECT_THROW(check(problem.network, problem.parameters.theta(), problem.batch(), d_theta),
               ShapeError);
}

// ---- Layers of the user's own.

Problem swish_problem(const Swish::Options& swish) {
  return make_problem("swish", {{6}, {Dense{9}, Custom{std::make_shared<Swish>(swish)}, Dense{4}}},
                      SoftmaxCrossEntropy{}, 8, TargetKind::labels, 39);
}

TEST(CheckOwnLayer, WithAChangeRuleIsCheckedToRounding) {
  const auto report = check_of(swish_problem({.change_rule = true}), {.inputs = true});
  EXPECT_TRUE(report.passed()) << report.to_string();
  EXPECT_TRUE(report.evaluated_again.empty());
  EXPECT_LT(report.sample.shortcut_error, 1e-3);
}

TEST(CheckOwnLayer, WithoutARuleIsEvaluatedAgainAndSaysSo) {
  const auto report = check_of(swish_problem({}), {.inputs = true});
  EXPECT_TRUE(report.passed()) << report.to_string();
  EXPECT_EQ(report.evaluated_again, std::vector<std::string>{"layer 2 (swish)"});
  EXPECT_NE(report.to_string().find("layer 2 (swish) has no change rule"), std::string::npos);
}

TEST(CheckOwnLayer, AWrongBackwardIsFoundAndNamed) {
  for (const bool rule : {true, false}) {
    const auto report = check_of(swish_problem({.change_rule = rule, .wrong_backward = true}));
    EXPECT_FALSE(report.passed());
    EXPECT_GT(tensor(report, "dense1.weight").failed, 0U);
    EXPECT_EQ(tensor(report, "dense2.weight").failed, 0U);
    EXPECT_EQ(report.wrong, std::vector<std::string>{"layer 2 (swish): its backward"});
  }
}

TEST(CheckOwnLayer, AWrongChangeRuleIsFoundByTheSample) {
  const auto report = check_of(swish_problem({.change_rule = true, .wrong_rule = true}));
  EXPECT_FALSE(report.passed());
  EXPECT_TRUE(mentions(report, "the sample evaluated in full disagrees"));
}

TEST(CheckOwnLayer, ARandomBackwardIsFound) {
  const auto report = check_of(swish_problem({.change_rule = true, .random = true}));
  EXPECT_FALSE(report.passed());
  EXPECT_TRUE(mentions(report, "two evaluations of backprop differ"));
}

TEST(CheckOwnLayer, NoLayerAtAllIsRefused) {
  EXPECT_THROW(parameter_layout({{3}, {Custom{}}}), InvalidArgument);
}

}  // namespace
}  // namespace gradatim
