// Wide dense layers behind convolutions take more rows at a time than these (docs/architecture.md):
// the same gradient as where all rows are one task, and the same bits for any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::uniform_tensor;

constexpr std::size_t kMostRows = 96;

struct Result {
  double loss;
  std::vector<float> gradient;
  friend bool operator==(const Result&, const Result&) = default;
};

const Conv2d kConvolution{.filters = 40, .padding = 1};
const Network kNetworks[] = {
    {{1, 14, 14}, {kConvolution, Relu{}, MaxPool2d{}, Flatten{}, Dense{150}, Relu{}, Dense{10}}},
    {{1, 14, 14},
     {kConvolution, BatchNorm{}, Relu{}, MaxPool2d{}, Flatten{}, Dense{40}, Dense{7000},
      BatchNorm{}, Tanh{}, Dense{10}}},
    // Added to across the cut, and a wide layer behind what is added up over the batch.
    {{2, 18, 18},
     {kConvolution, AvgPool2d{6, 4, 1}, LayerNorm{}, Flatten{}, Dense{640}, Relu{}, Residual{2},
      BatchNorm{}, Dropout{0.2F}, Dense{420}, Relu{}, Dense{10}}},
};

class Stages : public testing::TestWithParam<std::size_t> {
 protected:
  static const Network& network() { return kNetworks[GetParam()]; }
  // The gradient of `rows` samples by a plan for `most_rows`, which had another batch before.
  static Result gradient(std::size_t rows, std::size_t most_rows, std::size_t threads) {
    Program program(network(), SoftmaxCrossEntropy{}, most_rows);
    TaskPool pool(threads);
    const Parameters parameters = initialize(network(), 3);
    Result result{0, std::vector<float>(program.layout().size)};
    for (const std::size_t count : {most_rows, rows}) {
      const Tensor inputs = uniform_tensor(network().input.batched(count), count);
      std::vector<std::int32_t> labels(count);
      for (std::size_t i = 0; i < count; ++i) labels[i] = static_cast<std::int32_t>(i * 7 % 10);
      const Batch batch{.inputs = inputs.view(),
                        .targets = {.labels = labels},
                        .key = StepKey{.seed = 1, .step = 2}};
      result.loss = program.gradient(parameters.theta(), batch, result.gradient, pool);
    }
    return result;
  }
};

// A gradient that other tasks read than write has memory of its own.
TEST_P(Stages, HaveTasksOfTheirOwn) {
  const auto shared = [](std::size_t most_rows) {
    return std::ranges::count_if(
        Program(network(), SoftmaxCrossEntropy{}, most_rows).planned_layers(),
        &PlannedLayer::shared_gradient);
  };
  EXPECT_LT(shared(kMostRows), shared(11));
}

TEST_P(Stages, GiveTheGradientOfASingleTask) {
  ASSERT_EQ(Program(network(), SoftmaxCrossEntropy{}, 11).row_tasks(), 1U);
  const Result whole = gradient(11, 11, 1);
  const Result cut = gradient(11, kMostRows, 3);
  EXPECT_NEAR(cut.loss, whole.loss, 1e-6);
  const float largest = std::ranges::max(whole.gradient, {}, [](float g) { return std::abs(g); });
  for (std::size_t i = 0; i < whole.gradient.size(); ++i)
    ASSERT_NEAR(cut.gradient[i], whole.gradient[i], 1e-5 * std::abs(largest)) << i;
}

TEST_P(Stages, ChangeNoBitWithThreads) {
  for (const std::size_t rows : {kMostRows, std::size_t{37}, std::size_t{5}}) {
    const Result first = gradient(rows, kMostRows, 1);
    for (const std::size_t threads : {2U, 3U, 7U})
      EXPECT_TRUE(gradient(rows, kMostRows, threads) == first) << rows << " rows, " << threads;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Stages, testing::Range(std::size_t{0}, std::size(kNetworks)));

}  // namespace
}  // namespace gradatim
