#include "gradatim/nn/program.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/core/reference.hpp"
#include "gradatim/nn/operation.hpp"
#include "support/errors.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::to_double;
using test::uniform_tensor;

// A forward pass in double, straight from the formulae: the oracle for loss and gradient.
double reference_loss(const Network& network, const Loss& loss, std::span<const double> theta,
                      const std::vector<double>& inputs, std::size_t rows,
                      std::span<const std::int32_t> labels) {
  std::vector<double> x = inputs;
  std::size_t width = network.input.size();
  std::size_t offset = 0;
  for (const Layer& layer : network.layers) {
    if (const auto* dense = std::get_if<Dense>(&layer)) {
      std::vector<double> y(rows * dense->units);
      reference::gemm<double>(kernels::Transpose::no, kernels::Transpose::no, rows, dense->units,
                              width, x, theta.subspan(offset, width * dense->units), y);
      offset += width * dense->units;
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += theta[offset + i % dense->units];
      offset += dense->units;
      width = dense->units;
      x = y;
    } else if (std::holds_alternative<Softmax>(layer)) {
      for (std::size_t i = 0; i < rows; ++i) {
        const std::vector<double> row(x.begin() + static_cast<std::ptrdiff_t>(i * width),
                                      x.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
        reference::softmax<double>(row, std::span(x).subspan(i * width, width));
      }
    } else {
      for (double& v : x) {
        if (std::holds_alternative<Sigmoid>(layer)) v = reference::sigmoid(v);
        if (std::holds_alternative<Relu>(layer)) v = reference::relu(v);
        if (std::holds_alternative<Tanh>(layer)) v = std::tanh(v);
      }
    }
  }
  double sum = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::span<const double> y = std::span(x).subspan(i * width, width);
    const auto label = static_cast<std::size_t>(labels[i]);
    std::vector<double> one_hot(width);
    one_hot[label] = 1;
    if (std::holds_alternative<SoftmaxCrossEntropy>(loss))
      sum += reference::softmax_cross_entropy(y, label);
    else if (std::holds_alternative<CrossEntropy>(loss))
      sum -= std::log(y[label] + static_cast<double>(1e-7F));
    else
      for (std::size_t k = 0; k < width; ++k) sum += 0.5 * std::pow(y[k] - one_hot[k], 2);
  }
  return sum / static_cast<double>(rows);
}

struct Case {
  Network network;
  Loss loss;
};

Dense dense(std::size_t units) { return {units, Gaussian{0.5F}, Gaussian{0.5F}}; }

const Case kCases[] = {
    {{{7}, {dense(3)}}, SoftmaxCrossEntropy{}},
    {{{1}, {dense(1)}}, SumOfSquaredErrors{}},
    {{{7}, {dense(5), Sigmoid{}, dense(3)}}, SoftmaxCrossEntropy{}},
    {{{6}, {dense(17), Tanh{}, dense(4), Sigmoid{}}}, SumOfSquaredErrors{}},
    {{{5}, {dense(9), Relu{}, dense(8), Tanh{}, dense(6)}}, SoftmaxCrossEntropy{}},
    {{{6}, {dense(5), Sigmoid{}, dense(4), Softmax{}}}, CrossEntropy{}},
    {{{4}, {Tanh{}, dense(3), Softmax{}}}, SumOfSquaredErrors{}},
    {{{3}, {dense(4), dense(5), Sigmoid{}, Tanh{}, dense(2)}}, SoftmaxCrossEntropy{}},
};

struct Samples {
  Tensor inputs;
  std::vector<std::int32_t> labels;
  Tensor one_hot;

  Samples(const Network& network, std::size_t rows)
      : inputs(uniform_tensor(network.input.batched(rows), rows)),
        labels(rows),
        one_hot({rows, output_shape(network).size()}) {
    for (std::size_t i = 0; i < rows; ++i) {
      labels[i] = static_cast<std::int32_t>((i * 7) % one_hot.shape()[1]);
      one_hot.view()(i, static_cast<std::size_t>(labels[i])) = 1;
    }
  }
  Batch batch(const Loss& loss) const {
    if (std::holds_alternative<SumOfSquaredErrors>(loss))
      return {.inputs = inputs.view(), .targets = {.values = one_hot.view()}};
    return {.inputs = inputs.view(), .targets = {.labels = labels}};
  }
};

// Every parameter of every network against central differences of the double reference.
TEST(Program, LossAndEveryGradientMatchTheReference) {
  TaskPool pool(1);
  for (const Case& c : kCases)
    for (const std::size_t rows : {1U, 2U, 5U, 33U}) {
      Program program(c.network, c.loss, rows);
      const Parameters parameters = initialize(c.network, 3);
      const Samples samples(c.network, rows);
      std::vector<float> gradient(program.layout().size, 99.0F);
      const double loss =
          program.gradient(parameters.theta(), samples.batch(c.loss), gradient, pool);

      auto theta = to_double(parameters.theta());
      const auto inputs = to_double(samples.inputs.values());
      const auto at = [&] {
        return reference_loss(c.network, c.loss, theta, inputs, rows, samples.labels);
      };
      EXPECT_NEAR(loss, at(), 2e-6 * (1 + at()));
      EXPECT_NEAR(program.loss(parameters.theta(), samples.batch(c.loss), pool), loss, 0.0);
      for (std::size_t i = 0; i < theta.size(); ++i) {
        constexpr double kStep = 1e-5;
        const double before = theta[i];
        theta[i] = before + kStep;
        const double above = at();
        theta[i] = before - kStep;
        const double below = at();
        theta[i] = before;
        ASSERT_NEAR(gradient[i], (above - below) / (2 * kStep), 3e-6)
            << "parameter " << i << " of\n"
            << to_string(c.network);
      }
    }
}

TEST(Program, BitsDoNotDependOnThreads) {
  const Network network({300},
                        {Dense{200, He{}}, Relu{}, Dense{100, Xavier{}}, Sigmoid{}, Dense{7}});
  constexpr std::size_t kRows = 128;
  const Samples samples(network, kRows);
  const Parameters parameters = initialize(network, 1);
  ByteTensor bytes({kRows, 300});
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes.values()[i] = static_cast<std::uint8_t>((i * i) % 7 == 0 ? i % 256 : 0);
  for (const bool as_bytes : {false, true}) {
    Batch batch = samples.batch(SoftmaxCrossEntropy{});
    if (as_bytes) batch.inputs = ByteInputs{bytes.view()};
    std::vector<float> first;
    double first_loss = 0;
    for (const std::size_t threads : {1U, 2U, 3U, 7U}) {
      TaskPool pool(threads);
      Program program(network, SoftmaxCrossEntropy{}, kRows);
      std::vector<float> gradient(program.layout().size);
      const double loss = program.gradient(parameters.theta(), batch, gradient, pool);
      if (threads == 1) {
        first = gradient;
        first_loss = loss;
      }
      EXPECT_EQ(gradient, first) << threads << " threads";
      EXPECT_EQ(loss, first_loss);
    }
  }
}

// relu before a pool is computed behind it, in blocks of rows: the gradient is that of the layers
// one by one.
TEST(Program, ReluAndPoolingKeepTheirGradient) {
  const Network network({1, 30, 30}, {Conv2d{40, 3, 1, 0, 1, Gaussian{0.5F}, Gaussian{0.5F}},
                                      Relu{}, MaxPool2d{}, Flatten{}, Dense{5, Gaussian{0.1F}}});
  constexpr std::size_t kRows = 70;
  const Samples samples(network, kRows);
  const Parameters parameters = initialize(network, 1);
  TaskPool pool(3);
  Program program(network, SoftmaxCrossEntropy{}, kRows);
  std::vector<float> gradient(program.layout().size);
  program.gradient(parameters.theta(), samples.batch(SoftmaxCrossEntropy{}), gradient, pool);

  const auto operations = make_operations(network);
  std::vector<Tensor> values{samples.inputs};
  values.front() = Tensor({kRows, 900});
  std::ranges::copy(samples.inputs.values(), values.front().values().begin());
  const auto theta = [&](std::size_t layer) {
    return layer == 0   ? parameters.theta().first(400)
           : layer == 4 ? parameters.theta().subspan(400)
                        : parameters.theta().first(0);
  };
  for (std::size_t i = 0; i < operations.size(); ++i) {
    Tensor y({kRows, operations[i]->output().size()});
    operations[i]->forward(theta(i), values.back(), y);
    values.push_back(y);
  }
  Tensor d(values.back().shape());
  kernels::softmax_cross_entropy(values.back(), samples.labels, 1.0F / kRows, d);
  for (std::size_t i = operations.size(); i-- > 1;) {
    Tensor dx(values[i].shape());
    operations[i]->backward(theta(i), values[i], values[i + 1], d, dx);
    d = dx;
  }
  std::vector<float> expected(400);
  operations[0]->add_gradient(values[0], d, expected);
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(gradient[i], expected[i], 2e-6) << i;
}

// A plan for many rows serves fewer, and remembers nothing of the batch before.
TEST(Program, SmallerBatchesAfterLargerOnes) {
  const Case& c = kCases[4];
  TaskPool pool(1);
  Program large(c.network, c.loss, 100);
  Program small(c.network, c.loss, 3);
  const Parameters parameters = initialize(c.network, 3);
  std::vector<float> used(large.layout().size);
  std::vector<float> fresh(large.layout().size);
  large.gradient(parameters.theta(), Samples(c.network, 100).batch(c.loss), used, pool);
  const Samples three(c.network, 3);
  const double a = large.gradient(parameters.theta(), three.batch(c.loss), used, pool);
  const double b = small.gradient(parameters.theta(), three.batch(c.loss), fresh, pool);
  EXPECT_NEAR(a, b, 1e-6);
  for (std::size_t i = 0; i < used.size(); ++i) EXPECT_NEAR(used[i], fresh[i], 1e-7);
}

TEST(Program, NamesWhereAValueStopsBeingFinite) {
  const Network network({3}, {Dense{4}, Sigmoid{}, Dense{2}});
  TaskPool pool(1);
  Program program(network, SoftmaxCrossEntropy{}, 2);
  const Samples samples(network, 2);
  const Batch batch = samples.batch(SoftmaxCrossEntropy{});
  Parameters parameters = initialize(network, 1);
  EXPECT_EQ(program.first_non_finite(parameters.theta(), batch), std::nullopt);
  parameters["dense2.weight"](1, 1) = NAN;
  EXPECT_EQ(program.first_non_finite(parameters.theta(), batch), "dense2.weight");
  parameters["dense2.weight"](1, 1) = 3e38F;
  for (float& w : parameters["dense2.weight"].values()) w = 3e38F;
  EXPECT_EQ(program.first_non_finite(parameters.theta(), batch), "layer 3 (dense)");
  Tensor bad = samples.inputs;
  bad.values()[0] = INFINITY;
  EXPECT_EQ(program.first_non_finite(parameters.theta(),
                                     {.inputs = bad.view(), .targets = batch.targets}),
            "the inputs");
}

// Beyond 64 units zeros may not pay: batches with few of them may be kept as floats.
TEST(Program, PlansMemoryForTheFloatsOfBytes) {
  const auto bytes = [](std::size_t units) {
    return Program({{784}, {Dense{units}}}, SoftmaxCrossEntropy{}, 100).workspace_bytes();
  };
  EXPECT_GE(bytes(65), bytes(64) + 100 * 784 * sizeof(float));
}

// Gradients of values share memory by lifetime: of twelve equal layers at most three live at once,
// and a residual keeps one longer.
TEST(Program, GradientsShareMemoryByLifetime) {
  const auto gradient_floats = [](std::vector<Layer> layers) {
    const Network network({64}, std::move(layers));
    const Program program(network, SumOfSquaredErrors{}, 10);
    std::size_t outputs = 0;
    std::vector<std::size_t> seen;
    for (const PlannedLayer& layer : program.planned_layers()) {
      EXPECT_TRUE(layer.shared_gradient);
      if (std::ranges::find(seen, layer.buffer) == seen.end()) outputs += layer.buffer_bytes;
      seen.push_back(layer.buffer);
    }
    return (program.workspace_bytes() - outputs) / sizeof(float);
  };
  const std::vector<Layer> plain(12, Silu{});
  EXPECT_EQ(gradient_floats(plain), 2 * 640U);
  std::vector<Layer> residual = plain;
  residual.push_back(Residual{11});
  EXPECT_EQ(gradient_floats(residual), 3 * 640U);
}

TEST(Program, PlannedLayersSayWhatTheyTake) {
  const Network network({1, 8, 8}, {Conv2d{4}, Tanh{}, Flatten{}, Dense{5}, Relu{}});
  const auto layers = Program(network, SumOfSquaredErrors{}, 10).planned_layers();
  ASSERT_EQ(layers.size(), 5U);
  EXPECT_EQ(layers[0].name, "layer 1 (conv2d)");
  EXPECT_EQ(layers[0].output, (Shape{4, 6, 6}));
  EXPECT_EQ(layers[0].parameters, 40U);
  EXPECT_EQ(layers[0].operations, 2 * 144 * 9U);
  EXPECT_EQ(layers[1].buffer, layers[0].buffer);  // in place
  EXPECT_EQ(layers[2].buffer, layers[1].buffer);
  EXPECT_NE(layers[3].buffer, layers[2].buffer);
  EXPECT_EQ(layers[3].buffer_bytes, std::size_t{10} * 5 * sizeof(float));
  EXPECT_FALSE(layers[3].shared_gradient);  // the last round reads it
}

TEST(Program, RejectsWhatDoesNotFit) {
  const Network network({3}, {Dense{4}, Sigmoid{}, Dense{2}});
  EXPECT_THROW(Program(network, SoftmaxCrossEntropy{}, 0), InvalidArgument);
  EXPECT_THROW(Program({{3}, {Dense{2}, Softmax{}}}, SoftmaxCrossEntropy{}, 1), InvalidArgument);
  TaskPool pool(1);
  Program program(network, SoftmaxCrossEntropy{}, 2);
  std::vector<float> theta(program.layout().size);
  std::vector<float> gradient(program.layout().size);
  const Samples three(network, 3);
  EXPECT_THROW(program.gradient(theta, three.batch(SoftmaxCrossEntropy{}), gradient, pool),
               ShapeError);
  const Samples wide(Network({4}, {Dense{2}}), 2);
  EXPECT_THROW(program.gradient(theta, wide.batch(SoftmaxCrossEntropy{}), gradient, pool),
               ShapeError);
  const Samples two(network, 2);
  std::vector<float> short_theta(5);
  EXPECT_THROW(program.gradient(short_theta, two.batch(SoftmaxCrossEntropy{}), gradient, pool),
               ShapeError);
  Program no_bytes({{3}, {Sigmoid{}, Dense{2}}}, SoftmaxCrossEntropy{}, 2);
  const ByteTensor bytes({2, 3});
  EXPECT_FALSE(no_bytes.accepts_bytes());
  EXPECT_THROW(
      no_bytes.loss(std::vector<float>(8),
                    {.inputs = ByteInputs{bytes.view()}, .targets = {.labels = two.labels}}, pool),
      InvalidArgument);
}

TEST(Program, RefusesALogarithmOfNegativeNumbers) {
  const auto refusal = [](const Network& network) {
    return test::message_of<InvalidArgument>([&] { Program(network, CrossEntropy{}, 1); });
  };
  EXPECT_EQ(refusal({{7}, {Relu{}, dense(3)}}),
            "layer 2 (dense): the loss cross_entropy is of probabilities, and this layer gives "
            "negative numbers too; put softmax or sigmoid at the end, or use the loss "
            "softmax_cross_entropy");
  EXPECT_CONTAINS(refusal({{7}, {dense(3), LeakyRelu{}}}), "layer 1 (dense)");
  EXPECT_CONTAINS(refusal({{1, 4, 4}, {Conv2d{3, 1}, MaxPool2d{4}, Flatten{}}}),
                  "layer 1 (conv2d)");
  const std::vector<Network> right{{{7}, {dense(3), Softmax{}, Dropout{0.5F}}},
                                   {{7}, {dense(3), Softplus{}}},
                                   {{7}, {dense(3), LeakyRelu{0}}},
                                   {{7}, {dense(3), Sigmoid{}, Flatten{}}}};
  for (const Network& network : right) EXPECT_NO_THROW(Program(network, CrossEntropy{}, 1));
  EXPECT_THROW(Program({{4}, {}}, CrossEntropy{}, 1), ShapeError);
}

TEST(Program, RunsEachTaskAsideOnceAndChangesNothingByIt) {
  const Network network({7}, {dense(5), Sigmoid{}, dense(3)});
  const Parameters parameters = initialize(network, 1);
  const Tensor x = uniform_tensor({6, 7}, 1, -1, 1);
  const std::vector<std::int32_t> labels{0, 1, 2, 0, 1, 2};
  const Batch batch{.inputs = ConstTensorView(x), .targets = {.labels = labels}};
  Program program(network, SoftmaxCrossEntropy{}, 6);
  std::vector<float> alone(program.layout().size);
  std::vector<float> beside(program.layout().size);
  for (const std::size_t threads : {1U, 2U, 3U}) {
    TaskPool pool(threads);
    const double loss = program.gradient(parameters.theta(), batch, alone, pool);
    std::array<std::atomic<int>, 5> runs{};
    const Aside aside{runs.size(), [&runs](std::size_t i) { ++runs.at(i); }};
    EXPECT_EQ(program.gradient(parameters.theta(), batch, beside, pool, aside), loss);
    EXPECT_EQ(beside, alone);
    for (const auto& count : runs) EXPECT_EQ(count, 1) << threads;
  }
}

}  // namespace
}  // namespace gradatim
