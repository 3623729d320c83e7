#include "nn/loss_changes.hpp"

#include <algorithm>
#include <vector>

#include "gradatim/core/changes.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/reference_changes.hpp"

namespace gradatim {
namespace {

bool is_softmax(const Loss& loss) { return std::holds_alternative<SoftmaxCrossEntropy>(loss); }

std::vector<double> widen(std::span<const float> x) { return {x.begin(), x.end()}; }

double plain_change(const CrossEntropy& loss, std::span<const double> y, std::span<const double> t,
                    std::span<const double> dy) {
  return reference::cross_entropy_change<double>(y, t, dy, static_cast<double>(loss.epsilon));
}

double plain_change(const SumOfSquaredErrors&, std::span<const double> y, std::span<const double> t,
                    std::span<const double> dy) {
  return reference::sum_of_squared_errors_change<double>(y, t, dy);
}

}  // namespace

void loss_point(const Loss& loss, ConstTensorView outputs, TensorView<float> point) {
  if (is_softmax(loss))
    kernels::softmax(outputs, point);
  else
    std::ranges::copy(outputs.values(), point.values().begin());
}

void loss_change(const Loss& loss, std::span<const float> point, std::span<const float> t,
                 ConstTensorView d_outputs, std::span<float> change) {
  if (is_softmax(loss)) return kernels::softmax_cross_entropy_change(point, t, d_outputs, change);
  const std::vector<double> y = widen(point);
  const std::vector<double> targets = widen(t);
  for (std::size_t i = 0; i < change.size(); ++i) {
    const std::vector<double> dy = widen(d_outputs.row(i));
    change[i] =
        static_cast<float>(std::holds_alternative<CrossEntropy>(loss)
                               ? plain_change(std::get<CrossEntropy>(loss), y, targets, dy)
                               : plain_change(std::get<SumOfSquaredErrors>(loss), y, targets, dy));
  }
}

bool has_lines(const Loss& loss) { return !std::holds_alternative<CrossEntropy>(loss); }

void loss_lines(const Loss& loss, std::span<const float> point, std::span<const float> t,
                ConstTensorView slopes, TensorView<float> lines) {
  if (is_softmax(loss))
    kernels::softmax_cross_entropy_lines(point, t, slopes, lines);
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

}  // namespace gradatim
