// The power of the check: every wrong backward pass is found, no right one is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "gradatim/nn/check.hpp"
#include "nn/mutations.hpp"
#include "support/sanitized.hpp"

namespace gradatim {
namespace {

using test::Mutation;
using test::Problem;
using test::problems;
using test::with_mutation;

NetworkCheck check_with(const Problem& problem, const Network& network) {
  return check(network, problem.parameters.theta(), problem.batch(),
               {.loss = problem.loss, .inputs = true, .threads = 1});
}

std::vector<Mutation> mutations_of(const Network& network, std::size_t layer) {
  std::vector<Mutation> all = test::backward_mutations();
  const auto add = [&](const std::vector<Mutation>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  const auto operations = make_operations(network);
  const Shape input = layer == 0 ? network.input : operations[layer - 1]->output();
  if (std::holds_alternative<Dense>(network.layers[layer])) add(test::dense_mutations());
  if (std::holds_alternative<BatchNorm>(network.layers[layer]))
    add({{"off by 1e-3", [](const auto& c) { test::scale(c.dx.values(), 1.001F); }},
         {"one entry off by 1e-3", {}, [](const Operation&, const auto& c) {
            c.d_theta[test::largest(c.d_theta)] *= 1.001F;
          }}});
  if (!operations[layer]->parameters().empty())
    add(test::parameter_mutations());
  else if (input == operations[layer]->output())
    add(test::activation_mutations());
  return all;
}

// Also what rounding hides. Equal values and a derivative that is their own: softmax and relu pass
// what they are given where a mutation happens to change nothing.
bool shows_nothing(const Layer& layer, const Mutation& mutation) {
  const bool passes_on = std::holds_alternative<Dropout>(layer) ||
                         std::holds_alternative<Residual>(layer) ||
                         std::holds_alternative<Flatten>(layer);
  if (passes_on && mutation.name == "missing derivative") return true;
  // Normalising seven rows leaves more rounding than that: 1e-3 takes its place.
  if (std::holds_alternative<BatchNorm>(layer) && mutation.name.ends_with("off by 1e-4"))
    return true;
  return std::holds_alternative<Relu>(layer) && mutation.name == "derivative squared";
}

// Layers to spoil: all of the networks without batch normalisation, and that one in the others (it
// takes some of the mistakes before it away, those of another norm too).
struct Target {
  Problem problem;
  std::size_t layer = 0;
};

std::vector<Target> targets(std::uint64_t seed) {
  std::vector<Target> all;
  for (const Problem& problem : problems(seed))
    for (std::size_t i = 0; i < problem.network.layers.size(); ++i) all.push_back({problem, i});
  for (const Problem& problem : test::batch_problems(seed))
    for (std::size_t i = 0; i < problem.network.layers.size(); ++i)
      if (std::holds_alternative<BatchNorm>(problem.network.layers[i]) &&
          problem.name != "two in a row" && problem.name != "images")
        all.push_back({problem, i});
  return all;
}

TEST(Mutations, EveryLayerAndLossIsSpoilt) {
  std::set<std::string_view> layers;
  std::set<std::string_view> losses;
  for (const auto& [problem, layer] : targets(1)) {
    layers.insert(kind(problem.network.layers[layer]));
    losses.insert(kind(problem.loss));
  }
  EXPECT_EQ(layers.size(), std::variant_size_v<Layer> - 1);  // without Custom
  EXPECT_EQ(losses.size(), std::variant_size_v<Loss>);
}

TEST(Mutations, EveryWrongLayerIsFound) {
  constexpr std::size_t kEach = test::kSanitized ? 7 : 1;
  std::size_t candidates = 0;
  std::size_t tried = 0;
  std::size_t found = 0;
  for (const auto& [problem, i] : targets(21))
    for (const Mutation& mutation : mutations_of(problem.network, i)) {
      if (shows_nothing(problem.network.layers[i], mutation)) continue;
      if (++candidates % kEach != 0) continue;
      const Network network = with_mutation(problem.network, i, mutation);
      const auto report = check_with(problem, network);
      ++tried;
      found += report.passed() ? 0 : 1;
      EXPECT_FALSE(report.passed())
          << problem.name << ", layer " << i + 1 << " " << kind(problem.network.layers[i]) << ": "
          << mutation.name << "\n"
          << report.to_string();
      EXPECT_GT(report.count(&TensorCheck::failed), 0U)
          << problem.name << ", layer " << i + 1 << ": " << mutation.name;
      ASSERT_EQ(report.wrong.size(), 1U) << report.to_string();
      EXPECT_TRUE(report.wrong[0].starts_with(layer_label(network, i))) << report.to_string();
    }
  RecordProperty("tried", static_cast<int>(tried));
  EXPECT_GE(tried, 1'800 / kEach);
  EXPECT_EQ(found, tried);
}

TEST(Mutations, EveryWrongLossIsFound) {
  for (const Problem& problem : problems(22))
    for (const auto& mutation : test::loss_mutations()) {
      const auto d_theta = test::backprop_with(problem, mutation);
      const auto report = check(problem.network, problem.parameters.theta(), problem.batch(),
                                d_theta, {.loss = problem.loss, .threads = 1});
      EXPECT_FALSE(report.passed()) << problem.name << ": " << mutation.name << "\n"
                                    << report.to_string();
    }
}

const test::LossMutation kNothing{"", [](const Problem&, ConstTensorView, TensorView<float>) {}};

// Of each tensor, the entry of which rounding leaves most.
std::vector<CheckedParameter> best_resolved(const NetworkCheck& report) {
  std::vector<CheckedParameter> best;
  const auto relative = [](const CheckedParameter& e) { return e.allowed / std::abs(e.numerical); };
  for (const TensorCheck& tensor : report.tensors)
    if (!tensor.worst.empty())
      best.push_back(*std::ranges::min_element(tensor.worst, {}, relative));
  return best;
}

// One entry of the whole gradient that is off by 1e-6, wherever float32 can hold so little: where
// what rounding is allowed to do is less.
TEST(Mutations, OneEntryOffByOneInAMillionIsFound) {
  std::size_t tried = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    for (const Problem& problem : problems(seed, 1)) {
      const ParameterLayout layout = parameter_layout(problem.network);
      const auto right = test::backprop_with(problem, kNothing);
      const auto check_given = [&](std::span<const float> d_theta) {
        return check(problem.network, problem.parameters.theta(), problem.batch(), d_theta,
                     {.loss = problem.loss, .worst = right.size(), .threads = 1});
      };
      const auto report = check_given(right);
      ASSERT_TRUE(report.passed()) << report.to_string();
      for (const CheckedParameter& entry : best_resolved(report)) {
        const auto tensor = std::ranges::find(layout.tensors, entry.name, &ParameterTensor::name);
        auto wrong = right;
        float& value = wrong[tensor->offset + entry.index];
        value *= 1.000001F;
        if (entry.allowed + entry.error >= std::abs(static_cast<double>(value) - entry.backprop))
          continue;
        const auto caught = check_given(wrong);
        ++tried;
        EXPECT_EQ(caught.count(&TensorCheck::failed), 1U) << caught.to_string();
        EXPECT_EQ(caught.worst().name, entry.name);
        EXPECT_EQ(caught.worst().index, entry.index);
      }
    }
  EXPECT_GE(tried, 100U);
}

// The wrapper, and the gradient by the operations, are no mutation by themselves.
TEST(Mutations, RightOnesPassAtSeeds1To20) {
  for (std::uint64_t seed = 1; seed <= (test::kSanitized ? 3 : 20); ++seed)
    for (const Problem& problem : problems(seed)) {
      const auto plain = check_with(problem, problem.network);
      EXPECT_TRUE(plain.passed()) << problem.name << ", seed " << seed << plain.to_string();
      const auto wrapped = check_with(problem, with_mutation(problem.network, 0, Mutation{}));
      EXPECT_TRUE(wrapped.passed()) << problem.name << ", seed " << seed << wrapped.to_string();
      const auto given =
          check(problem.network, problem.parameters.theta(), problem.batch(),
                test::backprop_with(problem, kNothing), {.loss = problem.loss, .threads = 1});
      EXPECT_TRUE(given.passed()) << problem.name << ", seed " << seed << given.to_string();
    }
}

TEST(Mutations, RightBatchNormsPass) {
  for (const auto& [problem, layer] : targets(21)) {
    if (!std::holds_alternative<BatchNorm>(problem.network.layers[layer])) continue;
    const auto wrapped = check_with(problem, with_mutation(problem.network, layer, Mutation{}));
    // A layer of one's own is not known to take the bias before it away: nothing is proved of that.
    EXPECT_EQ(wrapped.count(&TensorCheck::failed), 0U) << problem.name << wrapped.to_string();
  }
}

}  // namespace
}  // namespace gradatim
