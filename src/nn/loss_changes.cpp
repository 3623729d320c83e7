#include "nn/loss_changes.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "gradatim/core/changes.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/reference_changes.hpp"
#include "gradatim/nn/reference.hpp"

namespace gradatim {
namespace {

bool is_softmax(const Loss& loss) { return std::holds_alternative<SoftmaxCrossEntropy>(loss); }

std::vector<double> widen(std::span<const float> x) { return {x.begin(), x.end()}; }

// One loss for the rows of changes: how it changes, and how large the terms of its gradient are.
template <class T>
T plain_change(const CrossEntropy& loss, std::span<const T> y, std::span<const T> t,
               std::span<const T> dy) {
  return reference::cross_entropy_change<T>(y, t, dy, static_cast<T>(loss.epsilon));
}
template <class T>
T plain_change(const SumOfSquaredErrors&, std::span<const T> y, std::span<const T> t,
               std::span<const T> dy) {
  return reference::sum_of_squared_errors_change<T>(y, t, dy);
}

template <class T>
T plain_change(const BinaryCrossEntropy&, std::span<const T> y, std::span<const T> t,
               std::span<const T> dy) {
  return reference::binary_cross_entropy_change<T>(y, t, dy);
}
template <class T>
T plain_change(const MeanSquaredError&, std::span<const T> y, std::span<const T> t,
               std::span<const T> dy) {
  return reference::mean_squared_error_change<T>(y, t, dy);
}
template <class T>
T plain_change(const Huber& loss, std::span<const T> y, std::span<const T> t,
               std::span<const T> dy) {
  return reference::huber_change<T>(y, t, dy, static_cast<T>(loss.delta));
}

// Targets with the label smoothing of the loss, if it has any.
std::vector<float> smoothed(const Loss& loss, std::span<const float> t) {
  std::vector<float> targets(t.begin(), t.end());
  if (const auto* softmax = std::get_if<SoftmaxCrossEntropy>(&loss))
    for (float& target : targets)
      target = (1 - softmax->label_smoothing) * target +
               softmax->label_smoothing / static_cast<float>(t.size());
  return targets;
}

float term(const SoftmaxCrossEntropy&, float p, float t) { return p + std::abs(t); }
float term(const CrossEntropy& loss, float y, float t) { return std::abs(t) / (y + loss.epsilon); }
float term(const SumOfSquaredErrors&, float y, float t) { return std::abs(y - t); }
float term(const BinaryCrossEntropy&, float y, float t) {
  return reference::sigmoid(y) + std::abs(t);
}
float term(const MeanSquaredError&, float y, float t) { return 2 * std::abs(y - t); }
float term(const Huber& loss, float y, float t) { return std::min(loss.delta, std::abs(y - t)); }

}  // namespace

void loss_point(const Loss& loss, ConstTensorView outputs, TensorView<float> point) {
  if (is_softmax(loss))
    kernels::softmax(outputs, point);
  else
    std::ranges::copy(outputs.values(), point.values().begin());
}

void loss_change(const Loss& loss, std::span<const float> point, std::span<const float> t,
                 ConstTensorView d_outputs, std::span<float> change) {
  std::visit(
      [&](const auto& choice) {
        if constexpr (std::is_same_v<std::decay_t<decltype(choice)>, SoftmaxCrossEntropy>) {
          kernels::softmax_cross_entropy_change(point, smoothed(loss, t), d_outputs, change);
        } else {
          const std::vector<double> y = widen(point);
          const std::vector<double> targets = widen(t);
          for (std::size_t i = 0; i < change.size(); ++i)
            change[i] = static_cast<float>(
                plain_change<double>(choice, y, targets, widen(d_outputs.row(i))));
        }
      },
      loss);
}

bool has_lines(const Loss& loss) {
  return is_softmax(loss) || std::holds_alternative<SumOfSquaredErrors>(loss);
}

void loss_lines(const Loss& loss, std::span<const float> point, std::span<const float> t,
                ConstTensorView slopes, TensorView<float> lines) {
  if (is_softmax(loss))
    kernels::softmax_cross_entropy_lines(point, smoothed(loss, t), slopes, lines);
  else
    kernels::squared_error_lines(point, t, slopes, lines);
}

void loss_along(const Loss& loss, std::span<const float> point, ConstTensorView lines,
                ConstTensorView a, TensorView<float> change) {
  if (is_softmax(loss))
    kernels::softmax_cross_entropy_along(point, lines, a, change);
  else
    kernels::squared_error_along(lines, a, change);
}

void loss_magnitude(const Loss& loss, std::span<const float> point, std::span<const float> t,
                    std::span<float> magnitude) {
  std::visit(
      [&](const auto& choice) {
        const auto targets = smoothed(loss, t);
        for (std::size_t k = 0; k < point.size(); ++k)
          magnitude[k] = term(choice, point[k], targets[k]);
      },
      loss);
}

}  // namespace gradatim
