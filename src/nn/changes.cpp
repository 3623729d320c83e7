// What an Operation without a change rule of its own does: evaluate again and subtract.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "gradatim/nn/operation.hpp"

namespace gradatim {

void Operation::change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                       ConstTensorView dx, TensorView<float> dy) const {
  Tensor moved(x.shape());
  Tensor result(y.shape());
  for (std::size_t first = 0; first < dx.rows(); first += x.rows()) {
    const auto amount = dx.slice(first, x.rows()).values();
    std::ranges::transform(x.values(), amount, moved.values().begin(), std::plus<>());
    forward(theta, moved, result);
    std::ranges::transform(result.values(), y.values(), dy.slice(first, x.rows()).values().begin(),
                           std::minus<>());
  }
}

void Operation::unit_change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                            std::span<const std::uint32_t> units, std::span<const float> amounts,
                            TensorView<float> dy) const {
  Tensor dx({units.size(), x.row_size()});
  for (std::size_t i = 0; i < units.size(); ++i) dx.view()(i, units[i]) = amounts[i];
  change(theta, x, y, dx, dy);
}

float Operation::parameter_change(std::span<const float> theta, ConstTensorView x,
                                  ConstTensorView y, std::size_t parameter, float step,
                                  TensorView<float> dy) const {
  std::vector<float> moved(theta.begin(), theta.end());
  moved[parameter] += step;
  forward(moved, x, dy);
  std::ranges::transform(dy.values(), y.values(), dy.values().begin(), std::minus<>());
  return moved[parameter] - theta[parameter];
}

void Operation::crossings(ConstTensorView, ConstTensorView, TensorView<std::uint8_t>) const {}

void Operation::magnitude(std::span<const float> absolute_theta, ConstTensorView x,
                          ConstTensorView y, ConstTensorView magnitude_y,
                          TensorView<float> magnitude_x) const {
  backward(absolute_theta, x, y, magnitude_y, magnitude_x);
  for (float& value : magnitude_x.values()) value = std::abs(value);
}

// Next to the sum of n terms stands what n additions are likely to round off where few of the terms
// are large, and every later addition rounds at their size: a unit in the last place is off by 0.29
// in the mean square, so n of them by less than a quarter of root(n) of what the terms add up to in
// the mean square. Where terms are alike, the sum is larger.
void Operation::parameter_magnitude(ConstTensorView x, ConstTensorView magnitude_y,
                                    std::span<float> magnitude_theta) const {
  const auto sum_of = [&](auto function) {
    Tensor of_x(x.shape());
    Tensor of_y(magnitude_y.shape());
    std::ranges::transform(x.values(), of_x.values().begin(), function);
    std::ranges::transform(magnitude_y.values(), of_y.values().begin(), function);
    std::vector<float> sum(magnitude_theta.size());
    gradient(of_x, of_y, sum);
    return sum;
  };
  const auto terms = sum_of([](float value) { return std::abs(value); });
  const auto squares = sum_of([](float value) { return value * value; });
  const auto counts = sum_of([](float value) { return value == 0.0F ? 0.0F : 1.0F; });
  for (std::size_t i = 0; i < terms.size(); ++i)
    magnitude_theta[i] = std::max(std::abs(terms[i]), 0.25F * std::sqrt(counts[i] * squares[i]));
}

}  // namespace gradatim
