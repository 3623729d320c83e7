// Right gradients whose rounding is more than that of independent terms: nothing may fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "gradatim/nn/check.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "nn/check/magnitudes.hpp"
#include "nn/check/partial_sums.hpp"
#include "nn/check_problems.hpp"
#include "nn/numerical/base_point.hpp"
#include "support/sanitized.hpp"

namespace gradatim {
namespace {

using test::as_initialised;
using test::backprop;
using test::check_of;
using test::convolution;
using test::Problem;
using test::TargetKind;

constexpr std::size_t kShare = test::kSanitized ? 10 : 1;  // of the rows of large batches

// Weights of one sign: errors all go the same way, and so do the terms.
TEST(CheckRounding, WeightsOfOneSignAreNoFalseAlarm) {
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
    std::vector<float> magnitude(gradient.size());
    operation->parameter_magnitude(x, absolute(dy), magnitude);
    const auto added = gradient_sum_errors(*operation, x, dy, gradient.size());
    std::size_t beyond = 0;
    std::size_t uncovered = 0;
    std::size_t too_small = 0;
    for (std::size_t i = 0; i < kInputs; ++i)
      for (std::size_t j = 0; j < kUnits; ++j) {
        double sum = 0;
        double terms = 0;
        for (std::size_t n = 0; n < x.shape()[0]; ++n) {
          const double term =
              static_cast<double>(x.view()(n, i)) * static_cast<double>(dy.view()(n, j));
          sum += term;
          terms += std::abs(term);
        }
        const std::size_t at = i * kUnits + j;
        const double error = std::abs(static_cast<double>(gradient[at]) - sum);
        const auto of_terms = static_cast<double>(magnitude[at]);
        const double covered = std::max(of_terms, static_cast<double>(added[at]));
        uncovered += error > 8 * 0x1p-24 * covered ? 1 : 0;
        too_small += of_terms < 0.99 * terms ? 1 : 0;
        beyond += error > 8 * 0x1p-24 * terms ? 1 : 0;
      }
    EXPECT_EQ(uncovered, 0U);
    EXPECT_EQ(too_small, 0U);
    return beyond;
  }

  static Tensor absolute(const Tensor& values) {
    Tensor result(values.shape());
    std::ranges::transform(values.values(), result.values().begin(),
                           [](float value) { return std::abs(value); });
    return result;
  }

  // Values of each row between bounds that its number gives.
  template <class Bounds>
  Tensor rows(std::size_t columns, Bounds bounds, std::size_t count = kRows) {
    Tensor result({count, columns});
    for (std::size_t n = 0; n < count; ++n) {
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

TEST_F(PartialSums, CoverOneLargeTermBeforeOthersThatAddUpToMore) {
  constexpr std::size_t kFewer = 400;
  const Tensor x = rows(
      kInputs, [](std::size_t n) { return n == 1 ? Bounds(0.05F, 0.06F) : Bounds(2e-4F, 3e-4F); },
      kFewer);
  const Tensor dy = test::uniform_tensor({kFewer, kUnits}, 1, -1.0F, 1.0F);
  EXPECT_GT(beyond_terms(x, dy), 10U);
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
TEST(CheckRounding, LargeBatchesAreNoFalseAlarm) {
  for (const bool sorted : {false, true}) {
    Problem problem =
        as_initialised("large", {{60}, {Dense{30}, Sigmoid{}, Dense{5}}}, 4'000 / kShare, 1);
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

// To a network that tells nothing apart yet, samples of a class are alike: terms of so few kinds
// are rounded to the same side again and again, which no random walk is off by.
TEST(CheckRounding, TermsOfFewKindsAreNoFalseAlarm) {
  Problem problem =
      as_initialised("alike", {{20}, {Dense{6}, Sigmoid{}, Dense{3}}}, 40'000 / kShare, 1);
  for (float& w : problem.parameters.theta()) w *= 0.3F;
  for (float& value : problem.inputs.values()) value = value > 0.8F ? 0.0F : 254.0F / 255.0F;
  std::vector<float> gradient = backprop(problem);
  const NetworkCheck report = check_of(problem, gradient);
  EXPECT_TRUE(report.passed()) << report.to_string();
  *std::ranges::max_element(gradient) *= 1.0005F;
  EXPECT_EQ(check_of(problem, gradient).count(&TensorCheck::failed), 1U);
}

// A layer of many units all of whose gradients have one sign adds them up for each value before it.
TEST(CheckRounding, WideLayersOfOneSignAreNoFalseAlarm) {
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
TEST(CheckRounding, WideLayersOfOneSignAndThenTheOtherAreNoFalseAlarm) {
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
TEST(CheckRounding, ManyClassesAreNoFalseAlarm) {
  Problem problem = as_initialised("classes", {{4}, {Dense{4}, Tanh{}, Dense{10'000}}}, 3, 1);
  const NetworkCheck report = check_of(problem, backprop(problem));
  EXPECT_EQ(report.count(&TensorCheck::failed), 0U) << report.to_string();
}

// What an entry is added up from is at least as large as the entry, whatever the loss does to the
// targets: smoothed ones are not 0.
TEST(CheckRounding, MagnitudesAreAtLeastTheGradient) {
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

// What all rows have in common is off for all of them to the same side if it is rounded.
TEST(CheckRounding, BatchNormOfGradientsOfOneSignIsNoFalseAlarm) {
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

// Four layers of tanh as they start, and 64 rows.
Problem tanh_problem(std::uint64_t seed) {
  std::vector<Layer> layers;
  for (int i = 0; i < 4; ++i) layers.insert(layers.end(), {Dense{48}, Tanh{}});
  layers.push_back(Dense{1});
  Problem problem = test::make_problem("tanh", {{10}, layers}, MeanSquaredError{}, 64,
                                       TargetKind::distributions, seed);
  problem.parameters = initialize(problem.network, seed);
  return problem;
}

// Small weights, as they start, leave all rows alike, and what is alike is rounded to the same
// side. (Of the weights, whose rows cancel here to a ten thousandth of themselves, one in some
// thousand still fails, by the numerical gradient's own rounding.)
TEST(CheckRounding, RowsThatAreAlikeAreNoFalseAlarm) {
  for (std::uint64_t seed = 1; seed <= (test::kSanitized ? 1 : 4); ++seed) {
    Problem problem = tanh_problem(seed);
    std::ranges::fill(problem.targets.values(), 101.0F);
    const NetworkCheck report = check_of(problem, backprop(problem));
    for (const TensorCheck& each : report.tensors) {
      if (!each.name.ends_with(".bias")) continue;
      EXPECT_EQ(each.failed, 0U) << report.to_string();
      EXPECT_GT(2 * each.passed, each.count) << report.to_string();
    }
  }
}

// Two evaluations in double of a loss of 10,000 agree in all but four digits of what a small
// gradient changes it by.
TEST(CheckRounding, RoundingOfEvaluationsInDoubleIsNotBlamedOnChangeRules) {
  for (std::uint64_t seed = 1; seed <= (test::kSanitized ? 1 : 4); ++seed) {
    Problem problem = tanh_problem(seed);
    problem.targets = test::uniform_tensor(problem.targets.shape(), seed, 90.0F, 110.0F);
    const NetworkCheck report = check(problem.network, problem.parameters.theta(), problem.batch(),
                                      {.loss = problem.loss, .threads = 2});
    EXPECT_TRUE(report.passed()) << report.to_string();
  }
}

}  // namespace
}  // namespace gradatim
