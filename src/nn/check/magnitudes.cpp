#include "nn/check/magnitudes.hpp"

#include <algorithm>
#include <cmath>

#include "gradatim/core/joining.hpp"
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

// Calls pass(layer, dy, dx) for the layers from the last to the first: dy has what joins the layer
// to others taken in already. Residuals add their dy to the gradient of an earlier value.
template <class Pass>
Tensor backward_through(const BasePoint& base, Tensor dy, Pass pass) {
  std::vector<Tensor> d_values(base.layers() + 1);
  for (std::size_t layer = base.layers(); layer-- > 0;) {
    if (base.joints().added_to(layer)) d_values[layer + 1] = dy;
    base.take_factors(layer, dy);
    Tensor dx(base.x(layer).shape());
    pass(layer, dy, dx);
    for (const std::size_t reader : base.joints().readers(layer))
      kernels::add_to(d_values[reader + 1].values(), dx.values());
    dy = std::move(dx);
  }
  return dy;
}

}  // namespace

Magnitudes magnitudes(const BasePoint& base) {
  Magnitudes result;
  result.theta.resize(base.parameter_count());
  const auto pass = [&](std::size_t layer, const Tensor& v, Tensor& before) {
    const Operation& operation = base.operation(layer);
    const auto theta = base.parameters(layer);
    const auto part = std::span(result.theta).subspan(base.parameter_offset(layer), theta.size());
    if (!part.empty()) operation.parameter_magnitude(base.x(layer), v, part);
    const Tensor absolute_theta = absolute({theta, {theta.size()}});
    operation.magnitude(absolute_theta.values(), base.x(layer), base.y(layer), v, before);
  };
  result.inputs = backward_through(base, loss_magnitudes(base), pass);
  return result;
}

Tensor backprop_inputs(const BasePoint& base) {
  Tensor targets(base.y(base.layers() - 1).shape());
  for (std::size_t n = 0; n < base.rows(); ++n)
    std::ranges::copy(base.targets(n), targets.view().row(n).begin());
  Tensor d(targets.shape());
  loss_and_gradient(base.loss_function(), base.y(base.layers() - 1), {.values = targets.view()},
                    1.0F / static_cast<float>(base.rows()), d);
  return backward_through(base, std::move(d), [&](std::size_t layer, const Tensor& dy, Tensor& dx) {
    base.operation(layer).backward(base.parameters(layer), base.x(layer), base.y(layer), dy, dx);
  });
}

}  // namespace gradatim
