#include "nn/check/magnitudes.hpp"

#include <algorithm>
#include <cmath>

#include "gradatim/nn/losses.hpp"
#include "nn/loss_changes.hpp"

namespace gradatim {
namespace {

Tensor absolute(ConstTensorView x) {
  Tensor result(x.shape());
  std::ranges::transform(x.values(), result.values().begin(),
                         [](float value) { return std::abs(value); });
  return result;
}

Tensor loss_magnitudes(const BasePoint& base) {
  Tensor v(base.x(base.layers()).shape());
  for (std::size_t n = 0; n < base.rows(); ++n) {
    loss_magnitude(base.loss_function(), base.loss_point(n), base.targets(n), v.view().row(n));
    for (float& value : v.view().row(n)) value /= static_cast<float>(base.rows());
  }
  return v;
}

// The terms of one layer's parameters are products of |x| and v.
void add_parameters(const BasePoint& base, std::size_t layer, const Tensor& v,
                    std::span<float> all) {
  const auto part = all.subspan(base.parameter_offset(layer), base.parameters(layer).size());
  if (part.empty()) return;
  const Tensor x = absolute(base.x(layer));
  const Operation& operation = base.operation(layer);
  for (std::size_t task = 0; task < operation.gradient_tasks(base.rows()); ++task)
    operation.parameter_gradient(task, x, v, part);
  for (float& value : part) value = std::abs(value);
}

}  // namespace

Magnitudes magnitudes(const BasePoint& base) {
  Magnitudes result;
  result.theta.resize(base.parameter_count());
  Tensor v = loss_magnitudes(base);
  for (std::size_t layer = base.layers(); layer-- > 0;) {
    add_parameters(base, layer, v, result.theta);
    const auto theta = base.parameters(layer);
    const Tensor absolute_theta = absolute({theta, {theta.size()}});
    Tensor before(base.x(layer).shape());
    base.operation(layer).magnitude(absolute_theta.values(), base.x(layer), base.y(layer), v,
                                    before);
    v = std::move(before);
  }
  result.inputs = std::move(v);
  return result;
}

Tensor backprop_inputs(const BasePoint& base) {
  Tensor targets(base.y(base.layers() - 1).shape());
  for (std::size_t n = 0; n < base.rows(); ++n)
    std::ranges::copy(base.targets(n), targets.view().row(n).begin());
  Tensor d(targets.shape());
  loss_and_gradient(base.loss_function(), base.y(base.layers() - 1), {.values = targets.view()},
                    1.0F / static_cast<float>(base.rows()), d);
  for (std::size_t layer = base.layers(); layer-- > 0;) {
    Tensor before(base.x(layer).shape());
    base.operation(layer).backward(base.parameters(layer), base.x(layer), base.y(layer), d, before);
    d = std::move(before);
  }
  return d;
}

}  // namespace gradatim
