#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/core/reference.hpp"
#include "gradatim/nn/losses.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/reference_layers.hpp"

/// Whole networks as the formulae are written, for any scalar T: double and long double as the
/// oracle of tests and checks, dual numbers and tape variables to differentiate. One sample at a
/// time; x (inputs) of a layer, y (outputs).
namespace gradatim::reference {

namespace detail {
[[noreturn]] void throw_no_reference(const Layer& layer);
}  // namespace detail

template <class T>
std::vector<T> forward(const Custom& layer, const Shape&, std::span<const T>, std::span<const T>) {
  detail::throw_no_reference(layer);
}

template <class T>
T loss(const SoftmaxCrossEntropy& choice, std::span<const T> outputs, std::span<const T> targets) {
  const T smoothing = T(static_cast<double>(choice.label_smoothing));
  const T classes = T(static_cast<double>(targets.size()));
  std::vector<T> smoothed(targets.begin(), targets.end());
  for (T& t : smoothed) t = (T(1) - smoothing) * t + smoothing / classes;
  return softmax_cross_entropy<T>(outputs, std::span<const T>(smoothed));
}
template <class T>
T loss(const CrossEntropy& choice, std::span<const T> outputs, std::span<const T> targets) {
  return cross_entropy<T>(outputs, targets, static_cast<double>(choice.epsilon));
}
template <class T>
T loss(const SumOfSquaredErrors&, std::span<const T> outputs, std::span<const T> targets) {
  return sum_of_squared_errors<T>(outputs, targets);
}

template <class T>
T loss(const BinaryCrossEntropy&, std::span<const T> outputs, std::span<const T> targets) {
  return binary_cross_entropy<T>(outputs, targets);
}
template <class T>
T loss(const MeanSquaredError&, std::span<const T> outputs, std::span<const T> targets) {
  return mean_squared_error<T>(outputs, targets);
}
template <class T>
T loss(const Huber& choice, std::span<const T> outputs, std::span<const T> targets) {
  return huber<T>(outputs, targets, static_cast<double>(choice.delta));
}

/// A batch in double: labels have become one-hot targets.
struct Samples {
  std::size_t rows = 0;
  std::vector<double> inputs{};   // (rows, inputs)
  std::vector<double> targets{};  // (rows, outputs)
  std::optional<StepKey> step{};

  std::span<const double> input(std::size_t n) const { return row(inputs, n); }
  std::span<const double> target(std::size_t n) const { return row(targets, n); }
  /// What dropout draws from for sample n, if it draws.
  std::optional<StepKey> key(std::size_t n) const {
    return step ? std::optional(StepKey{step->seed, step->step, step->first_row + n}) : step;
  }

 private:
  std::span<const double> row(const std::vector<double>& all, std::size_t n) const {
    const std::size_t width = all.size() / rows;
    return std::span(all).subspan(n * width, width);
  }
};

/// A network with its loss.
class Evaluation {
 public:
  /// Throws as parameter_layout does.
  Evaluation(const Network& network, const Loss& loss_function);

  std::size_t parameters() const { return offsets_.back(); }

  /// Throws ShapeError or InvalidArgument as Program::gradient does.
  Samples samples(const Batch& batch) const;

  /// Whether training depends on the whole batch (BatchNorm): then what is said of one sample here
  /// is prediction, and training is batch_outputs and mean_loss.
  bool over_batch() const;

  /// Of one sample: in prediction, or with its key (Samples::key) in training.
  template <class T>
  std::vector<T> outputs(std::span<const T> theta, std::span<const T> x,
                         const std::optional<StepKey>& key = {}) const {
    std::vector<std::vector<T>> values{{x.begin(), x.end()}};
    for (std::size_t i = 0; i < network_.layers.size(); ++i)
      values.push_back(layer_output(i, theta, values, key));
    return values.back();
  }

  /// Of one sample, whose inputs may be variables too.
  template <class T>
  T loss(std::span<const T> theta, std::span<const T> x, std::span<const double> t,
         const std::optional<StepKey>& key = {}) const {
    const std::vector<T> y = outputs(theta, x, key);
    return output_loss(std::span<const T>(y), t);
  }

  template <class T>
    requires(!std::is_same_v<T, double>)
  T loss(std::span<const T> theta, std::span<const double> x, std::span<const double> t,
         const std::optional<StepKey>& key = {}) const {
    const std::vector<T> inputs(x.begin(), x.end());
    return loss(theta, std::span<const T>(inputs), t, key);
  }

  /// Of all samples of a batch in training, layer by layer: inputs (rows, inputs).
  template <class T>
  std::vector<std::vector<T>> batch_outputs(std::span<const T> theta,
                                            std::vector<std::vector<T>> inputs,
                                            const Samples& samples) const {
    std::vector<std::vector<std::vector<T>>> values(inputs.size());  // of each sample
    for (std::size_t n = 0; n < inputs.size(); ++n) values[n].push_back(std::move(inputs[n]));
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      std::vector<std::vector<T>> y;
      y.reserve(values.size());
      const auto* norm = std::get_if<BatchNorm>(&network_.layers[i]);
      for (std::size_t n = 0; n < values.size(); ++n)
        y.push_back(norm != nullptr ? values[n].back()
                                    : layer_output(i, theta, values[n], samples.key(n)));
      if (norm != nullptr) forward_batch<T>(*norm, shapes_[i], own(i, theta), y);
      for (std::size_t n = 0; n < values.size(); ++n) values[n].push_back(std::move(y[n]));
    }
    std::vector<std::vector<T>> outputs;
    outputs.reserve(values.size());
    for (auto& sample : values) outputs.push_back(std::move(sample.back()));
    return outputs;
  }

  /// Over a batch, whose inputs may be variables too.
  template <class T>
  T mean_loss(std::span<const T> theta, std::vector<std::vector<T>> inputs,
              const Samples& samples) const {
    const auto outputs = batch_outputs(theta, std::move(inputs), samples);
    T sum = T(0);
    for (std::size_t n = 0; n < samples.rows; ++n)
      sum = sum + output_loss(std::span<const T>(outputs[n]), samples.target(n));
    return sum / T(static_cast<double>(samples.rows));
  }

  /// Over a batch.
  template <class T>
  T mean_loss(std::span<const T> theta, const Samples& samples) const {
    if (over_batch()) {
      std::vector<std::vector<T>> inputs;
      for (std::size_t n = 0; n < samples.rows; ++n)
        inputs.emplace_back(samples.input(n).begin(), samples.input(n).end());
      return mean_loss(theta, std::move(inputs), samples);
    }
    T sum = T(0);
    for (std::size_t n = 0; n < samples.rows; ++n)
      sum = sum + loss(theta, samples.input(n), samples.target(n), samples.key(n));
    return sum / T(static_cast<double>(samples.rows));
  }

 private:
  template <class T>
  std::span<const T> own(std::size_t layer, std::span<const T> theta) const {
    return theta.subspan(offsets_[layer], offsets_[layer + 1] - offsets_[layer]);
  }

  template <class T>
  T output_loss(std::span<const T> y, std::span<const double> t) const {
    const std::vector<T> targets(t.begin(), t.end());
    return std::visit(
        [&](const auto& choice) { return reference::loss(choice, y, std::span<const T>(targets)); },
        loss_);
  }

  /// From values[i], what enters each layer up to this one.
  template <class T>
  std::vector<T> layer_output(std::size_t i, std::span<const T> theta,
                              const std::vector<std::vector<T>>& values,
                              const std::optional<StepKey>& key) const {
    std::vector<T> y = std::visit(
        [&](const auto& layer) {
          return forward(layer, shapes_[i], own(i, theta), std::span<const T>(values[i]));
        },
        network_.layers[i]);
    if (const auto* residual = std::get_if<Residual>(&network_.layers[i]))
      for (std::size_t k = 0; k < y.size(); ++k) y[k] = y[k] + values[i - residual->over][k];
    if (const auto* dropout = std::get_if<Dropout>(&network_.layers[i]); dropout != nullptr && key)
      for (std::size_t k = 0; k < y.size(); ++k)
        y[k] = y[k] *
               dropout_factor<T>(dropout->rate, dropout_key(*key, i), key->first_row, k, y.size());
    return y;
  }

  Network network_;
  Loss loss_;
  std::vector<Shape> shapes_;         // of each layer's input
  std::vector<std::size_t> offsets_;  // of each layer's parameters, and the total behind them
};

}  // namespace gradatim::reference
