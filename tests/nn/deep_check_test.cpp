// What the check says of networks in which rounding has many layers, and many terms, to add up
// over.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "gradatim/nn/check.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/check/magnitudes.hpp"
#include "nn/numerical/base_point.hpp"
#include "nn/problems.hpp"

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

// One large term early in a sum of many small ones: every later addition rounds at its size.
TEST(ParameterMagnitude, CoversSumsInWhichOneTermIsLarge) {
  constexpr std::size_t kRows = 400;
  constexpr std::size_t kInputs = 100;
  constexpr std::size_t kUnits = 200;
  const auto operation = std::move(make_operations({{kInputs}, {Dense{kUnits}}}).front());
  Tensor x({kRows, kInputs});
  for (std::size_t n = 0; n < kRows; ++n)
    fill_uniform(x.view().row(n), {.seed = n}, n == 1 ? 0.05F : 2e-4F, n == 1 ? 0.06F : 3e-4F);
  const Tensor dy = test::uniform_tensor({kRows, kUnits}, 1, -1.0F, 1.0F);
  std::vector<float> gradient((kInputs + 1) * kUnits);
  std::vector<float> magnitude(gradient.size());
  operation->gradient(x, dy, gradient);
  operation->parameter_magnitude(x, dy, magnitude);
  std::size_t beyond_terms = 0;
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
      const double error = std::abs(static_cast<double>(gradient[i * kUnits + j]) - sum);
      EXPECT_LE(error, 8 * 0x1p-24 * static_cast<double>(std::abs(magnitude[i * kUnits + j])));
      EXPECT_GE(static_cast<double>(std::abs(magnitude[i * kUnits + j])), 0.99 * terms);
      beyond_terms += error > 8 * 0x1p-24 * terms ? 1 : 0;
    }
  EXPECT_GT(beyond_terms, 10U) << "or the sum of the terms were estimate enough";
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
  EXPECT_FALSE(cancelled({Relu{}}));
}

TEST(DeepCheck, TellsHowMuchIsDone) {
  for (const bool over_batch : {false, true}) {
    const Network network =
        over_batch ? deep_network() : Network{{40}, {Dense{30}, Relu{}, Dense{3}}};
    const Problem problem = as_initialised("", network, 4, 1);
    std::vector<double> shares;
    check(problem.network, problem.parameters.theta(), problem.batch(),
          {.loss = problem.loss, .threads = 2, .on_progress = [&](double share) {
             shares.push_back(share);
           }});
    ASSERT_FALSE(shares.empty());
    EXPECT_GT(shares.front(), 0);
    EXPECT_EQ(shares.back(), 1);
    EXPECT_TRUE(std::ranges::is_sorted(shares));
  }
}

TEST(CheckOperations, GrowWithWhatAParameterTouches) {
  const Conv2d conv = convolution(8);
  const double one = check_operations({{1, 8, 8}, {conv, Relu{}, Flatten{}, Dense{3}}});
  const double two =
      check_operations({{1, 8, 8}, {conv, Relu{}, conv, Relu{}, Flatten{}, Dense{3}}});
  const double dense = check_operations({{64}, {Dense{8}, Relu{}, Dense{3}}});
  EXPECT_GT(one, 0);
  EXPECT_GT(two, 10 * one);
  EXPECT_LT(dense, one);
}

}  // namespace
}  // namespace gradatim
