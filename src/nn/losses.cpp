#include "gradatim/nn/losses.hpp"

#include <fmt/format.h>

#include <type_traits>
#include <vector>

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

double sum_of_squared_errors_end(ConstTensorView y, ConstTensorView t, float scale,
                                 TensorView<float> dy) {
  double loss = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const float difference = y.values()[i] - t.values()[i];
    loss += 0.5 * static_cast<double>(difference) * static_cast<double>(difference);
    dy.values()[i] = scale * difference;
  }
  return loss;
}

// Labels stand for one-hot targets.
double sum_of_squared_errors_end(ConstTensorView y, std::span<const std::int32_t> labels,
                                 float scale, TensorView<float> dy) {
  double loss = 0;
  for (std::size_t i = 0; i < y.rows(); ++i) {
    for (std::size_t k = 0; k < y.row_size(); ++k) {
      const float target = k == static_cast<std::size_t>(labels[i]) ? 1.0F : 0.0F;
      const float difference = y(i, k) - target;
      loss += 0.5 * static_cast<double>(difference) * static_cast<double>(difference);
      dy(i, k) = scale * difference;
    }
  }
  return loss;
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

}  // namespace

double mean_sum_of_squared_errors(ConstTensorView y, ConstTensorView targets) {
  if (y.shape() != targets.shape())
    detail::throw_loss_sizes("sum_of_squared_errors", y.size(), targets.size());
  std::vector<float> unused(y.size());
  return mean(sum_of_squared_errors_end(y, targets, 1, {unused, y.shape()}), y.rows());
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
  const bool by_label = !targets.labels.empty();
  return std::visit(
      [&](const auto& choice) -> double {
        using Choice = std::decay_t<decltype(choice)>;
        if constexpr (std::is_same_v<Choice, SoftmaxCrossEntropy>) {
          return by_label
                     ? kernels::softmax_cross_entropy(outputs, targets.labels, scale, d_outputs)
                     : kernels::softmax_cross_entropy(outputs, targets.values, scale, d_outputs);
        } else if constexpr (std::is_same_v<Choice, CrossEntropy>) {
          return by_label
                     ? cross_entropy_end(outputs, targets.labels, choice.epsilon, scale, d_outputs)
                     : cross_entropy_end(outputs, targets.values, choice.epsilon, scale, d_outputs);
        } else {
          return by_label ? sum_of_squared_errors_end(outputs, targets.labels, scale, d_outputs)
                          : sum_of_squared_errors_end(outputs, targets.values, scale, d_outputs);
        }
      },
      loss);
}

}  // namespace gradatim
