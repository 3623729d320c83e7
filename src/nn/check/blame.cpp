#include "nn/check/blame.hpp"

#include <fmt/format.h>

#include <cmath>

#include "gradatim/core/joining.hpp"

namespace gradatim {
namespace {

// Whether values differ from what the slopes say, in norm, branches that were crossed left out.
bool differ(std::span<const float> values, const Slopes& slopes, std::size_t offset,
            double tolerance) {
  double distance = 0;
  double norm = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (slopes.crossed[offset + i] != 0) continue;
    const double expected = slopes.middle(offset + i);
    distance += std::pow(static_cast<double>(values[i]) - expected, 2);
    norm += expected * expected;
  }
  return !(std::sqrt(distance) <= tolerance * std::sqrt(norm));
}

Tensor middles(const Slopes& slopes, const Shape& shape) {
  Tensor result(shape);
  for (std::size_t i = 0; i < result.size(); ++i)
    result.values()[i] = static_cast<float>(slopes.middle(i));
  return result;
}

std::vector<float> parameter_gradient(const BasePoint& base, std::size_t layer, const Tensor& dy) {
  std::vector<float> d_theta(base.parameters(layer).size());
  base.operation(layer).gradient(base.x(layer), dy, d_theta);
  return d_theta;
}

}  // namespace

std::vector<std::string> blame(DifferenceEngine& engine, const DifferenceQuotient& quotient,
                               const Slopes& parameters, double tolerance, TaskPool& pool) {
  const BasePoint& base = engine.base();
  std::vector<std::string> wrong;
  const auto slopes_of = [&](std::size_t layer) {
    Slopes slopes(base.rows() * base.width(layer));
    engine.values(layer, quotient, slopes.sums(), pool);
    return slopes;
  };
  Slopes after = slopes_of(base.layers());
  if (differ(loss_gradient(base).values(), after, 0, tolerance))
    wrong.push_back(fmt::format("the loss {}", kind(base.loss_function())));
  std::vector<Tensor> d_values(base.layers() + 1);  // what residuals add to the gradient
  for (std::size_t layer = base.layers(); layer-- > 0;) {
    const std::string label = layer_label(base.network(), layer);
    Tensor dy = middles(after, base.y(layer).shape());
    if (base.joints().added_to(layer)) d_values[layer + 1] = dy;
    base.take_factors(layer, dy);
    if (differ(parameter_gradient(base, layer, dy), parameters, base.parameter_offset(layer),
               tolerance))
      wrong.push_back(fmt::format("{}: the gradient of its parameters", label));
    Slopes before = slopes_of(layer);
    Tensor dx(base.x(layer).shape());
    base.operation(layer).backward(base.parameters(layer), base.x(layer), base.y(layer), dy, dx);
    for (const std::size_t reader : base.joints().readers(layer))
      kernels::add_to(d_values[reader + 1].values(), dx.values());
    if (differ(dx.values(), before, 0, tolerance))
      wrong.push_back(fmt::format("{}: its backward", label));
    after = std::move(before);
  }
  return wrong;
}

}  // namespace gradatim
