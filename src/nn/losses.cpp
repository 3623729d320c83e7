#include "gradatim/nn/losses.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim {
namespace detail {

void throw_loss_sizes(std::string_view loss, std::size_t outputs, std::size_t targets) {
  throw ShapeError(fmt::format("{}: {} outputs but {} targets", loss, outputs, targets));
}

void throw_label(std::string_view loss, std::int64_t label, std::size_t classes) {
  throw InvalidArgument(fmt::format("{}: label {} is not a class, expected 0 to {}", loss, label,
                                    static_cast<std::int64_t>(classes) - 1));
}

}  // namespace detail

namespace {

double mean(double sum, std::size_t rows) {
  return rows == 0 ? 0.0 : sum / static_cast<double>(rows);
}

void check_labels(std::string_view loss, std::span<const std::int32_t> labels,
                  std::size_t classes) {
  for (const std::int32_t label : labels)
    if (label < 0 || static_cast<std::size_t>(label) >= classes)
      detail::throw_label(loss, label, classes);
}

void check_rows(std::string_view loss, std::size_t rows, std::size_t targets) {
  if (rows != targets)
    throw ShapeError(fmt::format("{}: {} samples but targets for {}", loss, rows, targets));
}

// The target of output k in row i; labels stand for one-hot rows.
double target_at(const Targets& targets, std::size_t i, std::size_t k) {
  if (targets.labels.empty()) return targets.values(i, k);
  return static_cast<std::size_t>(targets.labels[i]) == k ? 1.0 : 0.0;
}

double cross_entropy_end(ConstTensorView y, ConstTensorView t, float epsilon, float scale,
                         TensorView<float> dy) {
  double loss = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double inside = static_cast<double>(y.values()[i]) + static_cast<double>(epsilon);
    const double target = t.values()[i];
    if (target != 0) loss -= target * std::log(inside);
    dy.values()[i] = static_cast<float>(-static_cast<double>(scale) * target / inside);
  }
  return loss;
}

double cross_entropy_end(ConstTensorView y, std::span<const std::int32_t> labels, float epsilon,
                         float scale, TensorView<float> dy) {
  double loss = 0;
  for (std::size_t i = 0; i < y.rows(); ++i) {
    const auto label = static_cast<std::size_t>(labels[i]);
    const double inside = static_cast<double>(y(i, label)) + static_cast<double>(epsilon);
    loss -= std::log(inside);
    for (float& d : dy.row(i)) d = 0;
    dy(i, label) = static_cast<float>(-static_cast<double>(scale) / inside);
  }
  return loss;
}

struct ValueAndSlope {
  double value, slope;
};

// The sum over rows and outputs of f(y, t) = (loss, derivative by y), times `share`.
template <class F>
double sum_of_each_output(ConstTensorView y, const Targets& targets, float scale, double share,
                          TensorView<float> dy, F f) {
  double loss = 0;
  for (std::size_t i = 0; i < y.rows(); ++i) {
    for (std::size_t k = 0; k < y.row_size(); ++k) {
      const auto [value, slope] = f(static_cast<double>(y(i, k)), target_at(targets, i, k));
      loss += value;
      dy(i, k) = static_cast<float>(static_cast<double>(scale) * share * slope);
    }
  }
  return loss * share;
}

ValueAndSlope binary_cross_entropy_end(double x, double t) {
  const double e = std::exp(-std::abs(x));
  const double probability = x >= 0 ? 1 / (1 + e) : e / (1 + e);
  return {std::max(x, 0.0) - x * t + std::log1p(e), probability - t};
}

ValueAndSlope squared_error_end(double y, double t) { return {(y - t) * (y - t), 2 * (y - t)}; }

ValueAndSlope huber_end(double y, double t, double delta) {
  const double e = y - t;
  if (std::abs(e) <= delta) return {0.5 * e * e, e};
  return {delta * (std::abs(e) - 0.5 * delta), std::copysign(delta, e)};
}

// The end of each loss, chosen by its type.
struct LossEnd {
  ConstTensorView y;
  const Targets& targets;
  float scale = 1;
  TensorView<float> dy;

  double operator()(const SoftmaxCrossEntropy& loss) const {
    return targets.labels.empty()
               ? kernels::softmax_cross_entropy(y, targets.values, scale, dy, loss.label_smoothing)
               : kernels::softmax_cross_entropy(y, targets.labels, scale, dy, loss.label_smoothing);
  }
  double operator()(const CrossEntropy& loss) const {
    return targets.labels.empty() ? cross_entropy_end(y, targets.values, loss.epsilon, scale, dy)
                                  : cross_entropy_end(y, targets.labels, loss.epsilon, scale, dy);
  }
  double operator()(const SumOfSquaredErrors&) const {
    return sum_of_each_output(y, targets, scale, 0.5, dy, squared_error_end);
  }
  double operator()(const BinaryCrossEntropy&) const {
    return sum_of_each_output(y, targets, scale, mean_share(), dy, binary_cross_entropy_end);
  }
  double operator()(const MeanSquaredError&) const {
    return sum_of_each_output(y, targets, scale, mean_share(), dy, squared_error_end);
  }
  double operator()(const Huber& loss) const {
    return sum_of_each_output(y, targets, scale, mean_share(), dy,
                              [delta = static_cast<double>(loss.delta)](double a, double b) {
                                return huber_end(a, b, delta);
                              });
  }

  // By the shape, which says how many outputs a sample has even where there is none.
  double mean_share() const { return 1.0 / static_cast<double>(y.shape().sample().size()); }
};

double weighted_rows(const Loss& loss, ConstTensorView outputs, const Targets& targets, float scale,
                     TensorView<float> d_outputs) {
  double sum = 0;
  for (std::size_t i = 0; i < outputs.rows(); ++i) {
    Targets own;
    if (targets.labels.empty())
      own.values = targets.values.slice(i, 1);
    else
      own.labels = targets.labels.subspan(i, 1);
    const float weight = targets.weights[i];
    sum += static_cast<double>(weight) *
           loss_and_gradient(loss, outputs.slice(i, 1), own, scale * weight, d_outputs.slice(i, 1));
  }
  return sum;
}

}  // namespace

void check_loss(const Loss& loss) {
  if (const auto* softmax = std::get_if<SoftmaxCrossEntropy>(&loss))
    if (!(softmax->label_smoothing >= 0 && softmax->label_smoothing < 1))
      throw InvalidArgument(
          fmt::format("softmax_cross_entropy: label_smoothing must be in [0, 1), got {}",
                      softmax->label_smoothing));
  if (const auto* cross_entropy = std::get_if<CrossEntropy>(&loss))
    if (!(cross_entropy->epsilon >= 0 && cross_entropy->epsilon < 1))
      throw InvalidArgument(
          fmt::format("cross_entropy: epsilon must be in [0, 1), got {}", cross_entropy->epsilon));
  if (const auto* huber = std::get_if<Huber>(&loss))
    if (!(huber->delta > 0) || !std::isfinite(huber->delta))
      throw InvalidArgument(
          fmt::format("huber: delta must be positive and finite, got {}", huber->delta));
}

double mean_sum_of_squared_errors(ConstTensorView y, ConstTensorView targets) {
  if (y.shape() != targets.shape())
    detail::throw_loss_sizes("sum_of_squared_errors", y.size(), targets.size());
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double difference =
        static_cast<double>(y.values()[i]) - static_cast<double>(targets.values()[i]);
    sum += 0.5 * difference * difference;
  }
  return mean(sum, y.rows());
}

double mean_cross_entropy(ConstTensorView y, ConstTensorView targets, double epsilon) {
  if (y.shape() != targets.shape())
    detail::throw_loss_sizes("cross_entropy", y.size(), targets.size());
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    if (targets.values()[i] != 0.0F)
      sum -= static_cast<double>(targets.values()[i]) *
             std::log(static_cast<double>(y.values()[i]) + epsilon);
  return mean(sum, y.rows());
}

double mean_cross_entropy(ConstTensorView y, std::span<const std::int32_t> labels, double epsilon) {
  check_rows("cross_entropy", y.rows(), labels.size());
  check_labels("cross_entropy", labels, y.row_size());
  double sum = 0;
  for (std::size_t i = 0; i < y.rows(); ++i)
    sum -= std::log(static_cast<double>(y(i, static_cast<std::size_t>(labels[i]))) + epsilon);
  return mean(sum, y.rows());
}

void check_targets(const Loss& loss, std::size_t rows, const Shape& output,
                   const Targets& targets) {
  const std::string_view name = kind(loss);
  const bool by_label = !targets.labels.empty();
  if (std::holds_alternative<SoftmaxCrossEntropy>(loss) && output.size() < 2)
    throw InvalidArgument(
        fmt::format("{}: expected 2 outputs or more, got {}: the softmax of one is always 1", name,
                    output.size()));
  if (!targets.weights.empty()) check_rows(name, rows, targets.weights.size());
  if (by_label && targets.values.size() != 0)
    throw InvalidArgument(fmt::format("{}: both labels and target values were given", name));
  if (by_label) {
    check_rows(name, rows, targets.labels.size());
    check_labels(name, targets.labels, output.size());
  } else if (targets.values.shape() != output.batched(rows)) {
    throw ShapeError(fmt::format("{}: expected targets of shape {}, got {}", name,
                                 output.batched(rows).to_string(),
                                 targets.values.shape().to_string()));
  }
}

double loss_and_gradient(const Loss& loss, ConstTensorView outputs, const Targets& targets,
                         float scale, TensorView<float> d_outputs) {
  if (!targets.weights.empty()) return weighted_rows(loss, outputs, targets, scale, d_outputs);
  return std::visit(LossEnd{outputs, targets, scale, d_outputs}, loss);
}

}  // namespace gradatim
