// Wide dense layers behind convolutions take more rows at a time than these (docs/architecture.md):
// the same gradient as where all rows are one task, and the same bits for any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "support/numbers.hpp"
#include "support/sanitized.hpp"

namespace gradatim {
namespace {

using test::uniform_tensor;

constexpr std::size_t kMostRows = 96;

struct Result {
  double loss;
  std::vector<float> gradient;
  friend bool operator==(const Result&, const Result&) = default;
};

// What is added up over the batch, by a layer whose own gradient is added up row by row.
class Centring final : public Operation, public BatchRule {
 public:
  explicit Centring(const Shape& shape) : shape_(shape) {}

  Shape output() const override { return shape_; }
  std::vector<ParameterSpec> parameters() const override { return {{"shift", {1}, Zeros{}}}; }
  bool adds_gradient_by_rows() const override { return true; }
  void add_gradient(ConstTensorView, ConstTensorView dy, std::span<float> d_theta) const override {
    for (const float d : dy.values()) d_theta[0] += d;
  }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    std::ranges::copy(x.values(), y.values().begin());
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    std::ranges::copy(dy.values(), dx.values().begin());
  }
  const BatchRule* over_batch() const override { return this; }
  std::size_t sums() const override { return 1; }
  std::size_t statistics() const override { return 1; }
  std::size_t slopes() const override { return 1; }
  void add_sums(ConstTensorView x, std::span<double> sums) const override { sums[0] += sum(x); }
  void find_statistics(std::size_t rows, std::span<const double> sums,
                       std::span<float> statistics) const override {
    statistics[0] = mean(sums[0], rows);
  }
  // y = x - mean of x + shift
  void forward_rows(std::span<const float> theta, std::span<const float> statistics,
                    ConstTensorView x, TensorView<float> y) const override {
    for (std::size_t i = 0; i < x.size(); ++i)
      y.values()[i] = x.values()[i] - statistics[0] + theta[0];
  }
  void add_backward_sums(std::span<const float>, ConstTensorView, ConstTensorView dy,
                         std::span<double> sums) const override {
    sums[0] += sum(dy);
  }
  void find_slopes(std::span<const float>, std::size_t rows, std::span<const float>,
                   std::span<const double> sums, std::span<float> slopes) const override {
    slopes[0] = mean(sums[0], rows);
  }
  void backward_rows(std::span<const float> slopes, ConstTensorView, ConstTensorView dy,
                     TensorView<float> dx) const override {
    for (std::size_t i = 0; i < dy.size(); ++i) dx.values()[i] = dy.values()[i] - slopes[0];
  }
  void sums_gradient(std::span<const float>, std::span<const double> sums,
                     std::span<float> d_theta) const override {
    d_theta[0] = static_cast<float>(sums[0]);
  }
  void move_running(std::size_t, std::span<const float>, std::span<float>) const override {}

 private:
  static double sum(ConstTensorView x) {
    return std::accumulate(x.values().begin(), x.values().end(), 0.0);
  }
  float mean(double sum, std::size_t rows) const {
    return static_cast<float>(sum / static_cast<double>(rows * shape_.size()));
  }

  Shape shape_;
};

class CentringLayer final : public CustomLayer {
 public:
  std::string_view kind() const override { return "centring"; }
  std::unique_ptr<const Operation> make_operation(const Shape& input,
                                                  const std::string&) const override {
    return std::make_unique<Centring>(input);
  }
};

const Conv2d kConvolution{.filters = 40, .padding = 1};
const Network kNetworks[] = {
    {{1, 14, 14}, {kConvolution, Relu{}, MaxPool2d{}, Flatten{}, Dense{150}, Relu{}, Dense{10}}},
    {{1, 14, 14},
     {kConvolution, BatchNorm{}, Relu{}, MaxPool2d{}, Flatten{}, Dense{40}, Dense{7000},
      BatchNorm{}, Tanh{}, Dense{10}}},
    // A wide layer behind what is added up over the batch.
    {{2, 18, 18},
     {kConvolution, LayerNorm{}, AvgPool2d{6, 4, 1}, Flatten{}, Dense{640}, Relu{}, Residual{2},
      BatchNorm{}, Dropout{0.2F}, Dense{420}, Relu{}, Dense{10}}},
    // Added to across the cut.
    {{1, 14, 14},
     {Conv2d{.filters = 12, .padding = 1}, MaxPool2d{}, Flatten{}, Gelu{}, Dense{588}, Gelu{},
      Silu{}, Residual{4}, Dense{10}}},
    // In blocks of fewer rows than a task has.
    {{4, 12, 12},
     {Gelu{}, BatchNorm{}, Conv2d{160}, Gelu{}, MaxPool2d{}, Flatten{}, Dense{80}, Silu{}, Silu{},
      Dense{30}, BatchNorm{}, Dropout{0.2F}, Dense{10}}},
    // Added to across what is added up over the batch, in blocks.
    {{1, 40, 40},
     {Conv2d{.filters = 12, .padding = 1}, Gelu{}, BatchNorm{}, Gelu{},
      Conv2d{.filters = 12, .padding = 1}, Gelu{}, Silu{}, Residual{5}, Gelu{}, AvgPool2d{4},
      Flatten{}, Dense{300}, Gelu{}, Dense{10}}},
    {{1024},
     {Dense{16}, Custom{std::make_shared<CentringLayer>()}, Relu{}, Dense{20000}, Relu{},
      Dense{10}}},
};

class Stages : public testing::TestWithParam<std::size_t> {
 protected:
  static const Network& network() { return kNetworks[GetParam()]; }

  struct Samples {
    Tensor inputs;
    std::vector<std::int32_t> labels;

    explicit Samples(std::size_t rows)
        : inputs(uniform_tensor(network().input.batched(rows), rows)), labels(rows) {
      for (std::size_t i = 0; i < rows; ++i) labels[i] = static_cast<std::int32_t>(i * 7 % 10);
    }
    // The first samples again and again, not in their order.
    Samples copies(std::size_t rows) const {
      Samples many(rows);
      for (std::size_t i = 0; i < rows; ++i) {
        const std::size_t from = i * 5 % labels.size();
        std::ranges::copy(inputs.view().row(from), many.inputs.view().row(i).begin());
        many.labels[i] = labels[from];
      }
      return many;
    }
    Batch batch() const {
      return {.inputs = inputs.view(),
              .targets = {.labels = labels},
              .key = StepKey{.seed = 1, .step = 2}};
    }
  };

  // The gradient of `rows` samples by a plan for `most_rows`, which had another batch before.
  static Result gradient(std::size_t rows, std::size_t most_rows, std::size_t threads) {
    Program program(network(), SoftmaxCrossEntropy{}, most_rows);
    TaskPool pool(threads);
    const Parameters parameters = initialize(network(), 3);
    Result result{0, std::vector<float>(program.layout().size)};
    for (const std::size_t count : {most_rows, rows})
      result.loss =
          program.gradient(parameters.theta(), Samples(count).batch(), result.gradient, pool);
    return result;
  }

  static Result gradient_of_copies(std::size_t samples, std::size_t rows) {
    const Network all_kept = without_dropout();
    Program program(all_kept, SoftmaxCrossEntropy{}, rows);
    TaskPool pool(2);
    Result result{0, std::vector<float>(program.layout().size)};
    result.loss = program.gradient(initialize(all_kept, 3).theta(),
                                   Samples(samples).copies(rows).batch(), result.gradient, pool);
    return result;
  }

  static Network without_dropout() {
    Network network = Stages::network();
    for (Layer& layer : network.layers)
      if (auto* dropout = std::get_if<Dropout>(&layer)) dropout->rate = 0;
    return network;
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

// Where a task has more rows than a block. Copies of a few samples have the gradient of these,
// sums over the batch included, but for what is dropped of each row.
TEST_P(Stages, GiveTheGradientOfAFewRowsForManyCopies) {
  constexpr std::size_t kFew = 8;
  const Result whole = gradient_of_copies(kFew, kFew);
  const Result cut = gradient_of_copies(kFew, kMostRows);
  EXPECT_NEAR(cut.loss, whole.loss, 1e-6);
  for (const ParameterTensor& tensor : parameter_layout(network()).tensors) {
    const auto part = [&](const Result& of) {
      return std::span(of.gradient).subspan(tensor.offset, tensor.shape.size());
    };
    const float largest =
        std::abs(std::ranges::max(part(whole), {}, [](float g) { return std::abs(g); }));
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      ASSERT_NEAR(part(cut)[i], part(whole)[i], 1e-4 * largest + 1e-6) << tensor.name << " " << i;
  }
}

TEST_P(Stages, ChangeNoBitWithThreads) {
  for (const std::size_t rows : {kMostRows, std::size_t{37}, std::size_t{5}}) {
    const Result first = gradient(rows, kMostRows, 1);
    for (const std::size_t threads : {2U, 3U, 7U}) {
      if (test::kSanitized && threads != 3) continue;
      EXPECT_TRUE(gradient(rows, kMostRows, threads) == first) << rows << " rows, " << threads;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Stages, testing::Range(std::size_t{0}, std::size(kNetworks)));

}  // namespace
}  // namespace gradatim
