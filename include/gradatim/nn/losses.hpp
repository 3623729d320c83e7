#pragma once

#include <cmath>
#include <cstdint>
#include <span>

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

/// Means over a batch: y (rows, n), targets (rows, n) or labels (rows). Computed in double. Throw
/// ShapeError or InvalidArgument if shapes or labels do not fit; 0 for an empty batch.
double mean_sum_of_squared_errors(ConstTensorView y, ConstTensorView targets);
double mean_cross_entropy(ConstTensorView y, ConstTensorView targets, double epsilon = 1e-7);
double mean_cross_entropy(ConstTensorView y, std::span<const std::int32_t> labels,
                          double epsilon = 1e-7);

// ---- Losses as the end of a network.

/// Throws ShapeError or InvalidArgument unless the targets suit the loss and outputs of shape
/// (rows, output): exactly one kind of target, sizes that agree, labels of existing classes.
void check_targets(const Loss& loss, std::size_t rows, const Shape& output, const Targets& targets);

/// Returns the sum over the rows of the loss of each, and writes scale · its gradient by the
/// outputs to d_outputs (rows, n), which may be the memory of outputs. Targets as check_targets
/// wants them.
double loss_and_gradient(const Loss& loss, ConstTensorView outputs, const Targets& targets,
                         float scale, TensorView<float> d_outputs);

}  // namespace gradatim
