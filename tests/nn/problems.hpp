#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/random.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/diff/tape.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/reference.hpp"
#include "support/numbers.hpp"

/// Small networks with batches of random data, and their derivatives in double.
namespace gradatim::test {

struct Problem {
  std::string name;
  Network network;
  Loss loss;
  Tensor inputs;
  std::vector<std::int32_t> labels;
  Tensor targets;  // used where labels are empty
  Parameters parameters;

  Batch batch() const {
    Batch batch{.inputs = inputs.view(), .key = StepKey{.seed = 5, .step = 3}};
    if (labels.empty())
      batch.targets.values = targets.view();
    else
      batch.targets.labels = labels;
    return batch;
  }
};

enum class TargetKind { labels, distributions };

inline Problem make_problem(std::string name, const Network& network, const Loss& loss,
                            std::size_t rows, TargetKind kind, std::uint64_t seed,
                            float scale = 0.7F) {
  const std::size_t outputs = output_shape(network).size();
  Problem problem{std::move(name),
                  network,
                  loss,
                  uniform_tensor({rows, network.input.size()}, seed + 100, -1.0F, 1.0F),
                  {},
                  {},
                  Parameters(parameter_layout(network))};
  fill_uniform(problem.parameters.theta(), {.seed = seed + 200}, -scale, scale);
  for (std::size_t i = 0; i < problem.inputs.size(); i += 3) problem.inputs.values()[i] = 0.0F;
  std::vector<std::uint32_t> drawn(rows);
  choice(drawn, static_cast<std::uint32_t>(outputs), {.seed = seed + 300});
  if (kind == TargetKind::labels) {
    problem.labels.assign(drawn.begin(), drawn.end());
  } else {
    problem.targets = uniform_tensor({rows, outputs}, seed + 400, 0.1F, 1.0F);
    for (std::size_t n = 0; n < rows; ++n) {
      float sum = 0;
      for (const float value : problem.targets.view().row(n)) sum += value;
      for (float& value : problem.targets.view().row(n)) value /= sum;
    }
  }
  return problem;
}

/// All layers and losses, networks of one to four weight layers.
inline std::vector<Problem> problems(std::uint64_t seed, std::size_t rows = 7) {
  const auto labels = TargetKind::labels;
  const auto soft = TargetKind::distributions;
  std::vector<Problem> all;
  const auto add = [&](std::string name, const Network& network, const Loss& loss,
                       TargetKind kind) {
    all.push_back(make_problem(std::move(name), network, loss, rows, kind, seed));
  };
  add("one layer", {{6}, {Dense{4}}}, SoftmaxCrossEntropy{}, labels);
  add("the chapter's", {{9}, {Dense{7}, Sigmoid{}, Dense{5}}}, SoftmaxCrossEntropy{}, labels);
  add("the chapter's, soft targets", {{9}, {Dense{7}, Sigmoid{}, Dense{5}}}, SoftmaxCrossEntropy{},
      soft);
  add("tanh, squared errors", {{5}, {Dense{17}, Tanh{}, Dense{3}}}, SumOfSquaredErrors{}, soft);
  add("relu", {{8}, {Dense{16}, Relu{}, Dense{4}}}, SoftmaxCrossEntropy{}, labels);
  add("three deep", {{6}, {Dense{11}, Relu{}, Dense{9}, Tanh{}, Dense{4}}}, SoftmaxCrossEntropy{},
      labels);
  add("four deep", {{4}, {Dense{5}, Sigmoid{}, Dense{6}, Relu{}, Dense{7}, Tanh{}, Dense{3}}},
      SumOfSquaredErrors{}, soft);
  add("softmax layer", {{6}, {Dense{8}, Tanh{}, Dense{5}, Softmax{}}}, CrossEntropy{}, labels);
  add("softmax layer, soft targets", {{6}, {Dense{5}, Softmax{}}}, CrossEntropy{}, soft);
  add("softmax inside", {{6}, {Dense{5}, Softmax{}, Dense{4}}}, SoftmaxCrossEntropy{}, labels);
  add("two linear layers", {{5}, {Dense{4}, Dense{3}}}, SumOfSquaredErrors{}, soft);
  add("activation first", {{6}, {Tanh{}, Dense{4}, Sigmoid{}}}, SumOfSquaredErrors{}, soft);
  add("activations in a row", {{6}, {Dense{8}, Tanh{}, Sigmoid{}, Dense{3}}}, SoftmaxCrossEntropy{},
      labels);
  add("dropout", {{9}, {Dropout{0.2F}, Dense{12}, Tanh{}, Dropout{0.4F}, Dense{5}}},
      SoftmaxCrossEntropy{}, labels);
  add("layer norm", {{6}, {Dense{9}, LayerNorm{}, Tanh{}, Dense{4}}}, SoftmaxCrossEntropy{},
      labels);
  add("residual", {{5}, {Dense{5}, Tanh{}, Residual{2}, Sigmoid{}, Dense{3}}}, SumOfSquaredErrors{},
      soft);
  add("residuals in one another",
      {{4},
       {Dense{6}, Sigmoid{}, Dense{6}, Residual{1}, Tanh{}, Dropout{0.3F}, Residual{5}, LayerNorm{},
        Residual{3}, Dense{3}}},
      SoftmaxCrossEntropy{}, labels);
  add("rectifiers",
      {{6}, {Dense{8}, LeakyRelu{0.1F}, Dense{7}, Silu{}, Dense{6}, Gelu{}, Dense{5}, Softplus{}}},
      SumOfSquaredErrors{}, soft);
  add("convolution", {{2, 5, 6}, {Conv2d{3, 3, 1, 1}, Relu{}, MaxPool2d{}, Flatten{}, Dense{3}}},
      SoftmaxCrossEntropy{}, labels);
  add("groups and strides",
      {{4, 5, 5},
       {Conv2d{6, 3, 2, 1, 2}, Silu{}, AvgPool2d{2, 1, 0}, Conv2d{3, 1}, GlobalAvgPool{}}},
      SoftmaxCrossEntropy{}, labels);
  add("overlapping pools",
      {{2, 5, 4},
       {Conv2d{2, 3, 1, 1}, MaxPool2d{3, 1, 1}, Conv2d{2, 2, 1, 2}, Softplus{}, Flatten{},
        Dense{3}}},
      SoftmaxCrossEntropy{}, labels);
  add("smoothed labels", {{6}, {Dense{5}, Tanh{}, Dense{4}}}, SoftmaxCrossEntropy{0.2F}, labels);
  add("binary cross-entropy", {{6}, {Dense{5}, Tanh{}, Dense{4}}}, BinaryCrossEntropy{}, soft);
  add("mean squared error", {{6}, {Dense{5}, Tanh{}, Dense{4}}}, MeanSquaredError{}, soft);
  add("huber", {{6}, {Dense{5}, Tanh{}, Dense{4}}}, Huber{0.5F}, soft);
  return all;
}

/// Networks with batch normalisation: statistics at the start, in the middle, one after the other,
/// across residuals and dropout.
inline std::vector<Problem> batch_problems(std::uint64_t seed, std::size_t rows = 7) {
  std::vector<Problem> all;
  const auto add = [&](std::string name, const Network& network, const Loss& loss) {
    all.push_back(make_problem(std::move(name), network, loss, rows, TargetKind::labels, seed));
  };
  add("features", {{6}, {Dense{9}, BatchNorm{}, Tanh{}, Dense{4}}}, SoftmaxCrossEntropy{});
  add("at the start", {{5}, {BatchNorm{1e-3F}, Dense{3}}}, SoftmaxCrossEntropy{});
  add("at the end", {{5}, {Dense{7}, Sigmoid{}, Dense{3}, BatchNorm{}}}, SoftmaxCrossEntropy{});
  add("two in a row", {{5}, {Dense{7}, BatchNorm{}, BatchNorm{}, Tanh{}, Dense{3}}},
      SoftmaxCrossEntropy{});
  add("residual",
      {{6},
       {Dense{6}, BatchNorm{}, Relu{}, Dense{6}, BatchNorm{}, Residual{5}, Relu{}, Dropout{0.25F},
        Dense{3}}},
      SoftmaxCrossEntropy{});
  add("images", {{2, 4, 5}, {BatchNorm{}, Silu{}, AvgPool2d{}, BatchNorm{}, Flatten{}, Dense{3}}},
      SoftmaxCrossEntropy{});
  const Conv2d conv{.filters = 3, .kernel = 3, .padding = 1, .weight = Gaussian{0.5F}};
  add("convolutions",
      {{1, 6, 5},
       {conv, BatchNorm{}, Relu{}, conv, BatchNorm{}, Residual{2}, Relu{}, MaxPool2d{}, Flatten{},
        Dense{3}}},
      SoftmaxCrossEntropy{});
  return all;
}

struct ReferenceGradient {
  std::vector<double> theta;   // (parameters)
  std::vector<double> inputs;  // (rows, inputs)
};

inline ReferenceGradient batch_reference_gradient(const Problem& problem) {
  using Scalar = Variable<double>;
  const reference::Evaluation evaluation(problem.network, problem.loss);
  const reference::Samples samples = evaluation.samples(problem.batch());
  const auto theta = problem.parameters.theta();
  Recording<double> recording;
  const Scalar loss = record(recording, [&](Recording<double>& tape) {
    std::vector<Scalar> variables;
    std::vector<std::vector<Scalar>> x(samples.rows);
    for (const float value : theta) variables.push_back(tape.input(value));
    for (std::size_t n = 0; n < samples.rows; ++n)
      for (const double value : samples.input(n)) x[n].push_back(tape.input(value));
    return evaluation.mean_loss(std::span<const Scalar>(variables), std::move(x), samples);
  });
  const auto gradient = recording.gradient(loss);
  const auto middle = gradient.begin() + static_cast<std::ptrdiff_t>(theta.size());
  return {{gradient.begin(), middle}, {middle, gradient.end()}};
}

/// By reverse mode in double.
inline ReferenceGradient reference_gradient(const Problem& problem) {
  using Scalar = Variable<double>;
  const reference::Evaluation evaluation(problem.network, problem.loss);
  if (evaluation.over_batch()) return batch_reference_gradient(problem);
  const reference::Samples samples = evaluation.samples(problem.batch());
  const auto theta = problem.parameters.theta();
  ReferenceGradient sum{std::vector<double>(theta.size()), {}};
  for (std::size_t n = 0; n < samples.rows; ++n) {
    Recording<double> recording;
    const Scalar loss = record(recording, [&](Recording<double>& tape) {
      std::vector<Scalar> variables;
      std::vector<Scalar> x;
      for (const float value : theta) variables.push_back(tape.input(value));
      for (const double value : samples.input(n)) x.push_back(tape.input(value));
      return evaluation.loss(std::span<const Scalar>(variables), std::span<const Scalar>(x),
                             samples.target(n), samples.key(n));
    });
    const auto gradient = recording.gradient(loss);
    for (std::size_t p = 0; p < gradient.size(); ++p) {
      const double value = gradient[p] / static_cast<double>(samples.rows);
      if (p < theta.size())
        sum.theta[p] += value;
      else
        sum.inputs.push_back(value);
    }
  }
  return sum;
}

inline double relative_distance(std::span<const float> a, std::span<const double> b) {
  double distance = 0;
  double norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    distance += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += b[i] * b[i];
  }
  return std::sqrt(distance / norm);
}

}  // namespace gradatim::test
