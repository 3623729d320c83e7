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

void Operation::parameter_magnitude(ConstTensorView x, ConstTensorView magnitude_y,
                                    std::span<float> magnitude_theta) const {
  Tensor absolute_x(x.shape());
  std::ranges::transform(x.values(), absolute_x.values().begin(),
                         [](float value) { return std::abs(value); });
  gradient(absolute_x, magnitude_y, magnitude_theta);
  for (float& value : magnitude_theta) value = std::abs(value);
}

}  // namespace gradatim
