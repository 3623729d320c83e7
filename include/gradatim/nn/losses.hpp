#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "gradatim/core/batch.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

// ---- Losses as plain functions, for any scalar T: float, double, dual numbers, tape variables.
// y are the outputs (or probabilities) of one sample, t its targets, both (n).

namespace detail {
[[noreturn]] void throw_loss_sizes(std::string_view loss, std::size_t outputs, std::size_t targets);
[[noreturn]] void throw_label(std::string_view loss, std::int64_t label, std::size_t classes);
}  // namespace detail

/// 0.5 sum_k (y_k - t_k)². Throws ShapeError if the sizes differ.
template <class T>
T sum_of_squared_errors(std::span<const T> y, std::span<const T> t) {
  if (y.size() != t.size()) detail::throw_loss_sizes("sum_of_squared_errors", y.size(), t.size());
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) sum = sum + (y[k] - t[k]) * (y[k] - t[k]);
  return T(0.5) * sum;
}

/// -sum_k t_k log(y_k + epsilon), one-hot or soft targets. Throws ShapeError if the sizes differ.
template <class T>
T cross_entropy(std::span<const T> y, std::span<const T> t, double epsilon = 1e-7) {
  using std::log;
  if (y.size() != t.size()) detail::throw_loss_sizes("cross_entropy", y.size(), t.size());
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) sum = sum - t[k] * log(y[k] + T(epsilon));
  return sum;
}

/// -log(y_label + epsilon). Throws InvalidArgument if there is no such class.
template <class T>
T cross_entropy(std::span<const T> y, std::size_t label, double epsilon = 1e-7) {
  using std::log;
  if (label >= y.size())
    detail::throw_label("cross_entropy", static_cast<std::int64_t>(label), y.size());
  return -log(y[label] + T(epsilon));
}

/// The mean over k of max(x_k, 0) - x_k t_k + log(1 + exp(-|x_k|)), for logits x. Throws ShapeError
/// if the sizes differ.
template <class T>
T binary_cross_entropy(std::span<const T> x, std::span<const T> t) {
  using std::exp;
  using std::log1p;
  if (x.size() != t.size()) detail::throw_loss_sizes("binary_cross_entropy", x.size(), t.size());
  T sum = T(0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    const T magnitude = x[k] < T(0) ? -x[k] : x[k];
    const T positive = x[k] < T(0) ? T(0) : x[k];
    sum = sum + positive - x[k] * t[k] + log1p(exp(-magnitude));
  }
  return sum / T(static_cast<double>(x.size()));
}

/// The mean over k of (y_k - t_k)². Throws ShapeError if the sizes differ.
template <class T>
T mean_squared_error(std::span<const T> y, std::span<const T> t) {
  if (y.size() != t.size()) detail::throw_loss_sizes("mean_squared_error", y.size(), t.size());
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) sum = sum + (y[k] - t[k]) * (y[k] - t[k]);
  return sum / T(static_cast<double>(y.size()));
}

/// The mean over k of 0.5 e² where |e| = |y_k - t_k| is at most delta, delta (|e| - 0.5 delta)
/// beyond. Throws ShapeError if the sizes differ.
template <class T>
T huber(std::span<const T> y, std::span<const T> t, double delta = 1.0) {
  if (y.size() != t.size()) detail::throw_loss_sizes("huber", y.size(), t.size());
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) {
    const T e = y[k] < t[k] ? t[k] - y[k] : y[k] - t[k];
    sum = sum + (e <= T(delta) ? T(0.5) * e * e : T(delta) * (e - T(0.5 * delta)));
  }
  return sum / T(static_cast<double>(y.size()));
}

/// Means over a batch: y (rows, n), targets (rows, n) or labels (rows). Computed in double. Throw
/// ShapeError or InvalidArgument if shapes or labels do not fit; 0 for an empty batch.
double mean_sum_of_squared_errors(ConstTensorView y, ConstTensorView targets);
double mean_cross_entropy(ConstTensorView y, ConstTensorView targets, double epsilon = 1e-7);
double mean_cross_entropy(ConstTensorView y, std::span<const std::int32_t> labels,
                          double epsilon = 1e-7);

// ---- Losses as the end of a network.

/// Throws InvalidArgument unless the options of the loss are in their ranges.
void check_loss(const Loss& loss);

/// Throws ShapeError or InvalidArgument unless the targets suit the loss and outputs of shape
/// (rows, output): exactly one kind of target, labels for the cross-entropies of classes only,
/// sizes that agree, labels of existing classes.
void check_targets(const Loss& loss, std::size_t rows, const Shape& output, const Targets& targets);

/// Returns the sum over the rows of the (weighted) loss of each, and writes scale · its gradient by
/// the outputs to d_outputs (rows, n), which may be the memory of outputs. Targets as check_targets
/// wants them.
double loss_and_gradient(const Loss& loss, ConstTensorView outputs, const Targets& targets,
                         float scale, TensorView<float> d_outputs);

}  // namespace gradatim
