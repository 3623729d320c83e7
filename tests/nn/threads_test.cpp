// 1, 2, 3 or 7 threads train to the same bits (docs/principles.md, P4), where the rows of a batch
// really are cut into several tasks.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/layer_cases.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::uniform_tensor;

struct Descent {
  std::vector<float> theta;
  std::vector<double> losses;
  friend bool operator==(const Descent&, const Descent&) = default;
};

// A training of some steps, each with a batch of as many rows as `batches` says.
struct Training {
  Network network;
  Loss loss = SoftmaxCrossEntropy{};
  std::vector<std::size_t> batches = {64, 37, 5, 64};  // 5: some of eight tasks have no rows

  std::size_t most_rows() const { return *std::ranges::max_element(batches); }
  std::size_t row_tasks() const { return Program(network, loss, most_rows()).row_tasks(); }

  Descent run(std::size_t threads) const {
    const Tensor inputs = uniform_tensor(network.input.batched(most_rows()), 1);
    const Tensor values = uniform_tensor(output_shape(network).batched(most_rows()), 2, 0, 1);
    std::vector<std::int32_t> labels(most_rows());
    for (std::size_t i = 0; i < labels.size(); ++i)
      labels[i] = static_cast<std::int32_t>(i * 7 % output_shape(network).size());
    const bool by_label = std::holds_alternative<SoftmaxCrossEntropy>(loss);

    Program program(network, loss, most_rows());
    TaskPool pool(threads);
    Parameters parameters = initialize(network, 3);
    std::vector<float> gradient(parameters.theta().size());
    Descent descent;
    for (std::size_t step = 0; step < batches.size(); ++step) {
      const std::size_t rows = batches[step];
      const Tensor x = first_rows(inputs, rows);
      const Tensor t = first_rows(values, rows);
      Batch batch{.inputs = x.view(), .key = StepKey{.seed = 1, .step = step}};
      if (by_label)
        batch.targets.labels = std::span(labels).first(rows);
      else
        batch.targets.values = t.view();
      descent.losses.push_back(program.gradient(parameters.theta(), batch, gradient, pool));
      program.update_statistics(parameters.theta());
      for (std::size_t p = 0; p < gradient.size(); ++p)
        parameters.theta()[p] -= 0.01F * gradient[p];
    }
    descent.theta.assign(parameters.theta().begin(), parameters.theta().end());
    return descent;
  }

 private:
  static Tensor first_rows(const Tensor& all, std::size_t rows) {
    Tensor some(all.shape().sample().batched(rows));
    std::copy_n(all.values().begin(), some.size(), some.values().begin());
    return some;
  }
};

void expect_equal_bits(const Training& training) {
  const std::string name = to_string(training.network);
  const Descent first = training.run(1);
  ASSERT_TRUE(kernels::all_finite(first.theta)) << name;
  EXPECT_FALSE(std::ranges::equal(first.theta, initialize(training.network, 3).theta())) << name;
  for (const std::size_t threads : {2U, 3U, 7U})
    EXPECT_TRUE(training.run(threads) == first) << threads << " threads\n" << name;
}

TEST(Threads, ChangeNoBitOfImages) {
  std::set<std::string_view> kinds;
  for (const Network& network : test::networks_of_images()) {
    for (const Layer& layer : network.layers) kinds.insert(kind(layer));
    const Training training{network};
    ASSERT_EQ(training.row_tasks(), 8U) << to_string(network);
    expect_equal_bits(training);
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<Layer> - 1);  // all but Custom
}

TEST(Threads, ChangeNoBitOfDenseLayers) {
  for (const Layer& layer : {Layer(Relu{}), Layer(BatchNorm{}), Layer(LayerNorm{}),
                             Layer(Dropout{0.5F}), Layer(Residual{1})}) {
    const Training training{.network = {{300}, {Dense{300}, Tanh{}, Dense{300}, layer, Dense{10}}},
                            .batches = {192, 101, 3, 192}};
    ASSERT_EQ(training.row_tasks(), 8U) << to_string(training.network);
    expect_equal_bits(training);
  }
}

// Wide enough to skip what relu and dropout leave zero.
TEST(Threads, ChangeNoBitOfWhatSkipsZeros) {
  const Training training{
      .network = {{300},
                  {Dense{300}, Relu{}, Dropout{0.3F}, Dense{300}, Relu{}, Dense{100}, Dense{10}}},
      .batches = {192, 101, 3, 192}};
  ASSERT_GT(training.row_tasks(), 1U);
  expect_equal_bits(training);
}

TEST(Threads, ChangeNoBitOfAnyLoss) {
  const Network logits({300}, {Dense{200}, Relu{}, Dense{17}});
  const Network probabilities({300}, {Dense{200}, Relu{}, Dense{17}, Softmax{}});
  std::set<std::string_view> kinds;
  for (const Loss& loss :
       {Loss(SoftmaxCrossEntropy{}), Loss(SoftmaxCrossEntropy{0.1F}), Loss(CrossEntropy{}),
        Loss(SumOfSquaredErrors{}), Loss(BinaryCrossEntropy{}), Loss(MeanSquaredError{}),
        Loss(Huber{0.2F})}) {
    kinds.insert(kind(loss));
    const bool wants_probabilities = std::holds_alternative<CrossEntropy>(loss);
    const Training training{wants_probabilities ? probabilities : logits, loss, {128, 77, 3, 128}};
    ASSERT_GT(training.row_tasks(), 1U);
    SCOPED_TRACE(kind(loss));
    expect_equal_bits(training);
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<Loss>);
}

// Small ones and odd shapes: one task of rows, and what memory layers share.
TEST(Threads, ChangeNoBitOfAnySmallCase) {
  for (const test::LayerCase& c : test::training_cases())
    expect_equal_bits({.network = {c.input, {Tanh{}, c.layer, Flatten{}, Dense{3, Gaussian{0.5F}}}},
                       .batches = {64}});
}

}  // namespace
}  // namespace gradatim
