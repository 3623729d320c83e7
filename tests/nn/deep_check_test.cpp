// What the check says of networks in which rounding has many layers, and many terms, to add up
// over.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "gradatim/nn/check.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/check/magnitudes.hpp"
#include "nn/check/partial_sums.hpp"
#include "nn/numerical/base_point.hpp"
#include "nn/problems.hpp"
#include "nn/swish.hpp"

namespace gradatim {
namespace {

using test::Problem;
using test::TargetKind;

// As training starts, but for biases off 0, where relu has no derivative.
Problem as_initialised(std::string name, const Network& network, std::size_t rows,
                       std::uint64_t seed) {
  Problem problem = test::make_problem(std::move(name), network, SoftmaxCrossEntropy{}, rows,
                                       TargetKind::labels, seed);
  problem.parameters = initialize(network, seed);
  for (const ParameterTensor& tensor : problem.parameters.layout().tensors)
    if (tensor.name.ends_with(".bias"))
      fill_uniform(problem.parameters.theta().subspan(tensor.offset, tensor.shape.size()),
                   {.seed = seed, .step = tensor.offset}, -0.05F, 0.05F);
  return problem;
}

Conv2d convolution(std::size_t filters) { return {.filters = filters, .kernel = 3, .padding = 1}; }

Network deep_network() {
  std::vector<Layer> layers;
  for (int i = 0; i < 5; ++i) layers.insert(layers.end(), {convolution(8), BatchNorm{}, Relu{}});
  layers.insert(layers.end(), {GlobalAvgPool{}, Flatten{}, Dense{4}});
  return {{1, 6, 6}, layers};
}

std::vector<float> backprop(const Problem& problem) {
  TaskPool pool(1);
  std::vector<float> gradient(problem.parameters.theta().size());
  Program program(problem.network, problem.loss, problem.batch().rows());
  program.gradient(problem.parameters.theta(), problem.batch(), gradient, pool);
  return gradient;
}

NetworkCheck check_of(const Problem& problem, std::span<const float> gradient) {
  return check(problem.network, problem.parameters.theta(), problem.batch(), gradient,
               {.loss = problem.loss, .sample = 8, .threads = 1});
}

const TensorCheck& tensor(const NetworkCheck& report, std::string_view name) {
  return *std::ranges::find(report.tensors, name, &TensorCheck::name);
}

// Sanitizers make the differences twenty times as slow.
#ifdef GRADATIM_SANITIZED
constexpr std::size_t kDeepRows = 2;
constexpr std::uint64_t kDeepSeeds = 1;
#else
constexpr std::size_t kDeepRows = 4;
constexpr std::uint64_t kDeepSeeds = 3;
#endif

// By the sum of all absolute values no entry of the first three layers could be told from noise.
TEST(DeepCheck, NearlyEveryEntryIsResolved) {
  for (std::uint64_t seed = 1; seed <= kDeepSeeds; ++seed) {
    const Problem problem = as_initialised("deep", deep_network(), kDeepRows, seed);
    const NetworkCheck report = check_of(problem, backprop(problem));
    EXPECT_TRUE(report.passed()) << report.to_string();
    for (const TensorCheck& each : report.tensors) {
      if (each.cancelled) continue;
      EXPECT_GE(50 * (each.passed + each.kinks + each.skipped()), 49 * each.count)
          << each.name << ", seed " << seed;
    }
  }
}

TEST(DeepCheck, OneEntryOfTheFirstLayerOffByATenThousandthIsFound) {
  const Problem problem = as_initialised("deep", deep_network(), kDeepRows, 1);
  std::vector<float> gradient = backprop(problem);
  const auto first = std::span(gradient).first(8 * 9);  // conv2d1.weight
  const auto largest =
      std::ranges::max_element(first, {}, [](float value) { return std::abs(value); });
  *largest *= 1.0001F;
  const NetworkCheck report = check_of(problem, gradient);
  EXPECT_FALSE(report.passed());
  const TensorCheck& weight = tensor(report, "conv2d1.weight");
  EXPECT_EQ(weight.failed, 1U);
  EXPECT_EQ(weight.worst.front().index, static_cast<std::size_t>(largest - first.begin()));
}

// Weights of one sign: errors all go the same way, and so do the terms.
TEST(DeepCheck, WeightsOfOneSignAreNoFalseAlarm) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
    Problem problem =
        as_initialised("positive",
                       {{1, 8, 8},
                        {convolution(8), Relu{}, convolution(8), Relu{}, convolution(8), Relu{},
                         AvgPool2d{}, Flatten{}, Dense{24}, Softplus{}, Dense{3}}},
                       5, seed);
    for (float& value : problem.parameters.theta()) value = 0.3F * std::abs(value);
    const NetworkCheck report = check_of(problem, backprop(problem));
    EXPECT_TRUE(report.passed()) << report.to_string();
  }
}

// Sums over many rows, in which every addition rounds at the size of what was added up before it.
class PartialSums : public testing::Test {
 protected:
  static constexpr std::size_t kRows = 1'000;
  static constexpr std::size_t kInputs = 100;
  static constexpr std::size_t kUnits = 200;

  // How many entries of a dense layer's gradient are off by more than their terms account for; with
  // what is lost by adding them up, none is.
  std::size_t beyond_terms(const Tensor& x, const Tensor& dy) {
    const auto operation = std::move(make_operations({{kInputs}, {Dense{kUnits}}}).front());
    std::vector<float> gradient((kInputs + 1) * kUnits);
    operation->gradient(x, dy, gradient);
    const auto added = gradient_sum_errors(*operation, x, dy, gradient.size());
    std::size_t beyond = 0;
    std::size_t uncovered = 0;
    for (std::size_t i = 0; i < kInputs; ++i)
      for (std::size_t j = 0; j < kUnits; ++j) {
        double sum = 0;
        double terms = 0;
        for (std::size_t n = 0; n < kRows; ++n) {
          const double term =
              static_cast<double>(x.view()(n, i)) * static_cast<double>(dy.view()(n, j));
          sum += term;
          terms += std::abs(term);
        }
        const std::size_t at = i * kUnits + j;
        const double error = std::abs(static_cast<double>(gradient[at]) - sum);
        const double magnitude = std::max(terms, static_cast<double>(added[at]));
        uncovered += error > 8 * 0x1p-24 * magnitude ? 1 : 0;
        beyond += error > 8 * 0x1p-24 * terms ? 1 : 0;
      }
    EXPECT_EQ(uncovered, 0U);
    return beyond;
  }

  // Values of each row between bounds that its number gives.
  template <class Bounds>
  Tensor rows(std::size_t columns, Bounds bounds) {
    Tensor result({kRows, columns});
    for (std::size_t n = 0; n < kRows; ++n) {
      const auto [low, high] = bounds(n);
      fill_uniform(result.view().row(n), {.seed = n, .step = columns}, low, high);
    }
    return result;
  }
};

using Bounds = std::pair<float, float>;

TEST_F(PartialSums, CoverOneLargeTermBeforeManySmallOnes) {
  const Tensor x = rows(
      kInputs, [](std::size_t n) { return n == 1 ? Bounds(0.05F, 0.06F) : Bounds(1e-5F, 2e-5F); });
  EXPECT_GT(beyond_terms(x, rows(kUnits, [](std::size_t) { return Bounds(-1.0F, 1.0F); })), 10U);
}

TEST_F(PartialSums, CoverTermsOfOneSign) {
  const Tensor x = rows(kInputs, [](std::size_t) { return Bounds(0.2F, 1.0F); });
  EXPECT_GT(beyond_terms(x, rows(kUnits, [](std::size_t) { return Bounds(0.1F, 1.0F); })), 10U);
}

// Which are all rounded to the same side.
TEST_F(PartialSums, CoverEqualTerms) {
  const Tensor x = rows(kInputs, [](std::size_t) { return Bounds(0.7F, 0.7F); });
  Tensor dy({kRows, kUnits});
  const Tensor row = test::uniform_tensor({kUnits}, 1, 0.1F, 1.0F);
  for (std::size_t n = 0; n < kRows; ++n) std::ranges::copy(row.values(), dy.view().row(n).begin());
  EXPECT_GT(beyond_terms(x, dy), 10U);
}

// As in a batch that is sorted by class: what the one half adds up, the other takes away.
TEST_F(PartialSums, CoverTermsOfOneSignAndThenTheOther) {
  const Tensor x = rows(kInputs, [](std::size_t) { return Bounds(0.2F, 1.0F); });
  const Tensor dy = rows(kUnits, [](std::size_t n) {
    return n < kRows / 2 ? Bounds(0.1F, 1.0F) : Bounds(-1.0F, -0.1F);
  });
  EXPECT_GT(beyond_terms(x, dy), 10U);
}

// Inputs of one sign, and labels in order: by the terms of each entry alone, hundreds of right
// entries would be called wrong.
TEST(DeepCheck, LargeBatchesAreNoFalseAlarm) {
  for (const bool sorted : {false, true}) {
    Problem problem = as_initialised("large", {{60}, {Dense{30}, Sigmoid{}, Dense{5}}}, 4'000, 1);
    for (float& value : problem.inputs.values()) value = 0.5F + 0.5F * std::abs(value);
    if (sorted) std::ranges::sort(problem.labels);
    std::vector<float> gradient = backprop(problem);
    const NetworkCheck report = check_of(problem, gradient);
    EXPECT_TRUE(report.passed()) << report.to_string();
    EXPECT_GE(100 * report.count(&TensorCheck::passed), 99 * gradient.size());
    *std::ranges::max_element(gradient) *= 1.0001F;
    EXPECT_EQ(check_of(problem, gradient).count(&TensorCheck::failed), 1U) << "sorted " << sorted;
  }
}

// A layer of many units all of whose gradients have one sign adds them up for each value before it.
TEST(DeepCheck, WideLayersOfOneSignAreNoFalseAlarm) {
  for (const std::size_t units : {500U, 2'000U}) {
    const Network network{{20}, {Dense{10}, Softplus{}, Dense{units}, Softplus{}, Dense{1}}};
    Problem problem =
        test::make_problem("wide", network, MeanSquaredError{}, 1, TargetKind::distributions, 3);
    for (float& value : problem.parameters.theta()) value = 0.1F * std::abs(value);
    for (float& value : problem.inputs.values()) value = 0.5F + 0.5F * std::abs(value);
    for (float& value : problem.targets.values()) value += 1000;
    std::vector<float> gradient = backprop(problem);
    const NetworkCheck report = check_of(problem, gradient);
    EXPECT_TRUE(report.passed()) << report.to_string();
    gradient[3] *= 1.0001F;
    EXPECT_EQ(check_of(problem, gradient).count(&TensorCheck::failed), 1U);
  }
}

// As above, but what one half of the units adds up the other takes away.
TEST(DeepCheck, WideLayersOfOneSignAndThenTheOtherAreNoFalseAlarm) {
  const Network network{{20}, {Dense{8}, Dense{6}, Softplus{}, Dense{4'000}, Softplus{}, Dense{1}}};
  for (const std::size_t rows : {1U, 4U}) {
    Problem problem =
        test::make_problem("", network, MeanSquaredError{}, rows, TargetKind::distributions, 3);
    for (float& value : problem.parameters.theta()) value = 0.1F * std::abs(value);
    for (float& value : problem.inputs.values()) value = 0.5F + 0.5F * std::abs(value);
    for (float& value : problem.targets.values()) value += 1000;
    const auto last = problem.parameters["dense4.weight"].values();
    for (std::size_t i = 2'000; i < last.size(); ++i) last[i] = -last[i];
    const NetworkCheck report = check_of(problem, backprop(problem));
    EXPECT_EQ(report.count(&TensorCheck::failed), 0U) << report.to_string();
  }
}

// What a softmax divides by is a sum over the classes.
TEST(DeepCheck, ManyClassesAreNoFalseAlarm) {
  Problem problem = as_initialised("classes", {{4}, {Dense{4}, Tanh{}, Dense{10'000}}}, 3, 1);
  const NetworkCheck report = check_of(problem, backprop(problem));
  EXPECT_EQ(report.count(&TensorCheck::failed), 0U) << report.to_string();
}

// What an entry is added up from is at least as large as the entry, whatever the loss does to the
// targets: smoothed ones are not 0.
TEST(DeepCheck, MagnitudesAreAtLeastTheGradient) {
  const std::vector<Loss> losses{
      SoftmaxCrossEntropy{}, SoftmaxCrossEntropy{.label_smoothing = 0.3F},
      BinaryCrossEntropy{},  MeanSquaredError{},
      SumOfSquaredErrors{},  Huber{}};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const Network network{{6}, {Dense{7}, Relu{}, Dense{8}}};
    const Problem problem =
        test::make_problem("", network, losses[i], 3, TargetKind::distributions, 1, 2.0F);
    BasePoint base(network, losses[i], 3);
    TaskPool pool(1);
    base.evaluate(problem.parameters.theta(), problem.batch(), pool);
    const Magnitudes magnitude = magnitudes(base);
    const std::vector<float> gradient = backprop(problem);
    for (std::size_t p = 0; p < gradient.size(); ++p)
      EXPECT_GE(magnitude.theta[p], 0.999F * std::abs(gradient[p])) << p << ", loss " << i;
  }
}

TEST(DeepCheck, ABiasThatABatchNormBehindPoolsTakesAwayIsNamed) {
  const auto cancelled = [](std::vector<Layer> between) {
    std::vector<Layer> layers{convolution(3)};
    layers.insert(layers.end(), between.begin(), between.end());
    layers.insert(layers.end(), {BatchNorm{}, Relu{}, Flatten{}, Dense{3}});
    const Problem problem = as_initialised("pooled", {{2, 8, 8}, layers}, 4, 1);
    const NetworkCheck report = check_of(problem, backprop(problem));
    EXPECT_EQ(report.passed(),
              tensor(report, "conv2d1.bias").cancelled || tensor(report, "conv2d1.bias").passed > 0)
        << report.to_string();
    return tensor(report, "conv2d1.bias").cancelled;
  };
  EXPECT_TRUE(cancelled({}));
  EXPECT_TRUE(cancelled({MaxPool2d{}}));
  EXPECT_TRUE(cancelled({AvgPool2d{}, MaxPool2d{}}));
  EXPECT_FALSE(cancelled({AvgPool2d{.size = 2, .stride = 2, .padding = 1}}));
  EXPECT_TRUE(cancelled({Conv2d{.filters = 4, .kernel = 3}}));
  EXPECT_FALSE(cancelled({convolution(4)}));  // whose padding is not shifted
  EXPECT_FALSE(cancelled({Relu{}}));
}

// What all rows have in common is off for all of them to the same side if it is rounded.
TEST(DeepCheck, BatchNormOfGradientsOfOneSignIsNoFalseAlarm) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const Network network{
        {2, 6, 6}, {convolution(6), BatchNorm{}, Softplus{}, GlobalAvgPool{}, Flatten{}, Dense{3}}};
    Problem problem = test::make_problem("one sign", network, MeanSquaredError{}, 32,
                                         TargetKind::distributions, seed);
    problem.parameters = initialize(network, seed);
    for (float& value : problem.inputs.values()) value = 0.5F + 0.5F * std::abs(value);
    for (float& value : problem.targets.values()) value += 10;
    for (float& value : problem.parameters["dense1.weight"].values()) value = std::abs(value);
    const NetworkCheck report = check_of(problem, backprop(problem));
    EXPECT_TRUE(report.passed()) << report.to_string();
  }
}

// As where a batch normalisation standardises the inputs.
TEST(DeepCheck, ABiasThatABatchNormBehindADenseLayerTakesAwayIsNamed) {
  const Problem problem =
      as_initialised("", {{6}, {BatchNorm{}, Dense{9}, BatchNorm{}, Relu{}, Dense{3}}}, 16, 1);
  const NetworkCheck report = check_of(problem, backprop(problem));
  EXPECT_TRUE(tensor(report, "batch_norm1.bias").cancelled);
  EXPECT_FALSE(tensor(report, "batch_norm2.bias").cancelled);
  EXPECT_TRUE(report.passed()) << report.to_string();
}

// Two evaluations in double of a loss of 10,000 agree in all but four digits of what a small
// gradient changes it by.
TEST(DeepCheck, RoundingOfEvaluationsInDoubleIsNotBlamedOnChangeRules) {
  std::vector<Layer> layers;
  for (int i = 0; i < 4; ++i) layers.insert(layers.end(), {Dense{48}, Tanh{}});
  layers.push_back(Dense{1});
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    Problem problem = test::make_problem("", {{10}, layers}, MeanSquaredError{}, 64,
                                         TargetKind::distributions, seed);
    problem.parameters = initialize(problem.network, seed);
    problem.targets = test::uniform_tensor(problem.targets.shape(), seed, 90.0F, 110.0F);
    const NetworkCheck report = check(problem.network, problem.parameters.theta(), problem.batch(),
                                      {.loss = problem.loss, .threads = 2});
    EXPECT_TRUE(report.passed()) << report.to_string();
  }
}

// An entry off by as much as it says fails, and those that it does not count may pass.
TEST(SeenErrors, AreThoseThatWouldHaveFailed) {
  const Problem problem = as_initialised("", {{12}, {Dense{9}, Sigmoid{}, Dense{4}}}, 6, 1);
  const std::vector<float> gradient = backprop(problem);
  const NetworkCheck right = check_of(problem, gradient);
  for (std::size_t i = 0; i < SeenErrors::kRelative.size(); ++i) {
    const auto wrong_by = [&](double relative) {
      std::vector<float> wrong = gradient;
      for (float& value : wrong)
        value = static_cast<float>(static_cast<double>(value) * (1 + relative));
      return check_of(problem, wrong).count(&TensorCheck::failed);
    };
    const double relative = SeenErrors::kRelative[i];
    EXPECT_GE(wrong_by(relative), right.seen().entries[i]);
    EXPECT_GE(wrong_by(-relative), right.seen().entries[i]);
    EXPECT_LE(wrong_by(0.3 * relative), right.seen().entries[i]);
  }
  EXPECT_LT(right.seen().entries[0], gradient.size() / 2);
  EXPECT_GE(10 * right.seen().entries[3], 9 * right.count(&TensorCheck::passed));
}

std::vector<double> shares_told(const Network& network) {
  const Problem problem = as_initialised("", network, 4, 1);
  std::vector<double> shares;
  check(problem.network, problem.parameters.theta(), problem.batch(),
        {.loss = problem.loss, .threads = 2, .on_progress = [&](double share) {
           shares.push_back(share);
         }});
  return shares;
}

Network swish_network(bool change_rule) {
  const test::Swish::Options options{.change_rule = change_rule};
  return {{40}, {Dense{30}, Custom{std::make_shared<test::Swish>(options)}, Dense{3}}};
}

TEST(DeepCheck, TellsHowMuchIsDone) {
  for (const Network& network : {swish_network(true), deep_network(), swish_network(false)}) {
    const std::vector<double> shares = shares_told(network);
    ASSERT_FALSE(shares.empty());
    EXPECT_GT(shares.front(), 0);
    EXPECT_EQ(shares.back(), 1);
    EXPECT_EQ(std::ranges::count(shares, 1.0), 1);
    EXPECT_TRUE(std::ranges::is_sorted(shares));
  }
}

// Without a change rule all is done twice.
TEST(DeepCheck, TellsOfBothPasses) {
  EXPECT_EQ(shares_told(swish_network(false)).size(), 2 * shares_told(swish_network(true)).size());
}

// Operations behind a change, twice for each parameter: a parameter moves one channel or unit, and
// a layer that mixes them gives its change to all.
TEST(CheckOperations, AreThoseBehindAChange) {
  const auto dense = [](std::size_t inputs, std::size_t units) {
    return static_cast<double>(2 * inputs * units);
  };
  const double relu = 3;
  EXPECT_EQ(check_operations({{4}, {Dense{3}}}), 0);
  EXPECT_NEAR(check_operations({{4}, {Dense{3}, Relu{}, Dense{2}}}),
              2 * 15 * (relu + dense(3, 2)) / 3, 1e-9);
  EXPECT_NEAR(check_operations({{4}, {Dense{3}, Dense{5}, Dense{2}}}),
              2 * (15 * (dense(3, 5) / 3 + dense(5, 2)) + 20 * dense(5, 2) / 5), 1e-9);
}

}  // namespace
}  // namespace gradatim
