// What the check says of deep networks, how much of an error it sees, and how far it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "gradatim/nn/check.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "nn/check_problems.hpp"
#include "nn/swish.hpp"
#include "support/sanitized.hpp"

namespace gradatim {
namespace {

using test::as_initialised;
using test::backprop;
using test::check_of;
using test::convolution;
using test::Problem;
using test::TargetKind;
using test::tensor;

Network deep_network() {
  std::vector<Layer> layers;
  for (int i = 0; i < 5; ++i) layers.insert(layers.end(), {convolution(8), BatchNorm{}, Relu{}});
  layers.insert(layers.end(), {GlobalAvgPool{}, Flatten{}, Dense{4}});
  return {{1, 6, 6}, layers};
}

constexpr std::size_t kDeepRows = test::kSanitized ? 2 : 4;
constexpr std::uint64_t kDeepSeeds = test::kSanitized ? 1 : 3;

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
  const auto first = std::span(gradient).first(std::size_t{8} * 9);  // conv2d1.weight
  const auto largest =
      std::ranges::max_element(first, {}, [](float value) { return std::abs(value); });
  *largest *= 1.0001F;
  const NetworkCheck report = check_of(problem, gradient);
  EXPECT_FALSE(report.passed());
  const TensorCheck& weight = tensor(report, "conv2d1.weight");
  EXPECT_EQ(weight.failed, 1U);
  EXPECT_EQ(weight.worst.front().index, static_cast<std::size_t>(largest - first.begin()));
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

// As where a batch normalisation standardises the inputs.
TEST(DeepCheck, ABiasThatABatchNormBehindADenseLayerTakesAwayIsNamed) {
  const Problem problem =
      as_initialised("", {{6}, {BatchNorm{}, Dense{9}, BatchNorm{}, Relu{}, Dense{3}}}, 16, 1);
  const NetworkCheck report = check_of(problem, backprop(problem));
  EXPECT_TRUE(tensor(report, "batch_norm1.bias").cancelled);
  EXPECT_FALSE(tensor(report, "batch_norm2.bias").cancelled);
  EXPECT_TRUE(report.passed()) << report.to_string();
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
  for (const Network& network : {Network{{40}, {Dense{30}, Relu{}, Dense{3}}}, swish_network(true),
                                 deep_network(), swish_network(false)}) {
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
