#include "nn/check/magnitudes.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "gradatim/core/joining.hpp"
#include "nn/check/partial_sums.hpp"
#include "nn/loss_changes.hpp"

namespace gradatim {
namespace {

constexpr std::uint32_t kTurns = 16;

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

// How large errors are at each value that backprop computes and at each entry of the gradient.
struct Errors {
  std::vector<Tensor> values;  // of the gradient by what enters each layer, and by the outputs
  Magnitudes gradient;
  bool outputs_alike = false;  // all outputs of a row are off to the same side
};

void backward(const BasePoint& base, std::size_t layer, const Tensor& dy, Tensor& dx) {
  base.operation(layer).backward(base.parameters(layer), base.x(layer), base.y(layer), dy, dx);
}

std::span<float> part_of(std::span<float> theta, const BasePoint& base, std::size_t layer) {
  return theta.subspan(base.parameter_offset(layer), base.parameters(layer).size());
}

// Of what a layer's backward adds up where dy is as large as `size`: in theta, and returned for dx.
Tensor layer_magnitudes(const BasePoint& base, std::size_t layer, const Tensor& size,
                        std::span<float> theta) {
  const Operation& operation = base.operation(layer);
  const auto part = part_of(theta, base, layer);
  if (!part.empty()) operation.parameter_magnitude(base.x(layer), size, part);
  const auto own = base.parameters(layer);
  Tensor result(base.x(layer).shape());
  operation.magnitude(absolute({own, {own.size()}}).values(), base.x(layer), base.y(layer), size,
                      result);
  return result;
}

// As large as the terms that are added up.
Errors errors_of_terms(const BasePoint& base) {
  Errors errors{.values = std::vector<Tensor>(base.layers()), .gradient = {}};
  errors.gradient.theta.resize(base.parameter_count());
  backward_through(base, loss_gradient(base), [&](std::size_t layer, const Tensor& dy, Tensor& dx) {
    errors.values[layer] = layer_magnitudes(base, layer, absolute(dy), errors.gradient.theta);
    backward(base, layer, dy, dx);
  });
  errors.gradient.inputs = errors.values[0];
  errors.values.push_back(loss_magnitudes(base));
  return errors;
}

// As large as what is lost by adding them up.
Errors errors_of_sums(const BasePoint& base) {
  Errors errors{.values = std::vector<Tensor>(base.layers()), .gradient = {}};
  errors.gradient.theta.resize(base.parameter_count());
  backward_through(base, loss_gradient(base), [&](std::size_t layer, const Tensor& dy, Tensor& dx) {
    const auto part = part_of(errors.gradient.theta, base, layer);
    std::ranges::copy(gradient_sum_errors(base.operation(layer), base.x(layer), dy, part.size()),
                      part.begin());
    errors.values[layer] = value_sum_errors(base.operation(layer), base.parameters(layer),
                                            base.x(layer), base.y(layer), dy);
    backward(base, layer, dy, dx);
  });
  errors.gradient.inputs = errors.values[0];
  const ConstTensorView outputs = base.x(base.layers());
  errors.outputs_alike = std::holds_alternative<SoftmaxCrossEntropy>(base.loss_function());
  errors.values.push_back(errors.outputs_alike ? softmax_sum_errors(outputs, loss_gradient(base))
                                               : Tensor(outputs.shape()));
  return errors;
}

// Of an error of one size at one place of a row, in one turn. What is equal at the same place of
// another row is rounded to the same side, so rows that are alike have errors alike.
float sign_of(std::uint64_t seed, std::size_t place, float size) {
  std::uint64_t z = (seed << 32) ^ (std::uint64_t{place} * 0x9E3779B97F4A7C15) ^
                    std::bit_cast<std::uint32_t>(size);
  // The mixing of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
  // generators", 2014).
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return (z ^ (z >> 31)) >> 63 == 0 ? 1.0F : -1.0F;
}

// += the sizes (rows, values), each with a sign of its own.
void add_errors(const Tensor& sizes, std::uint64_t seed, Tensor& values) {
  const std::size_t width = sizes.view().row_size();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const float size = sizes.values()[i];
    values.values()[i] += size * sign_of(seed, i % width, size);
  }
}

// += the sizes (rows, values), all of a row to the same side, whatever other rows are.
void add_row_errors(const Tensor& sizes, std::uint64_t seed, Tensor& values) {
  const std::size_t width = sizes.view().row_size();
  for (std::size_t i = 0; i < sizes.size(); ++i)
    values.values()[i] += sizes.values()[i] * sign_of(seed, i / width, 0);
}

// What backward makes of errors at every value.
Magnitudes send_errors(const BasePoint& base, const Errors& sizes, std::uint32_t turn) {
  const auto seed = [&](std::size_t value) { return (std::uint64_t{turn} << 16) ^ value; };
  const Tensor& outputs = sizes.values.back();
  Tensor errors(outputs.shape());
  (sizes.outputs_alike ? add_row_errors : add_errors)(outputs, seed(base.layers()), errors);
  Magnitudes result;
  result.theta.resize(base.parameter_count());
  const auto pass = [&](std::size_t layer, const Tensor& dy, Tensor& dx) {
    const auto part = part_of(result.theta, base, layer);
    if (!part.empty()) base.operation(layer).gradient(base.x(layer), dy, part);
    backward(base, layer, dy, dx);
    add_errors(sizes.values[layer], seed(layer), dx);
  };
  result.inputs = backward_through(base, std::move(errors), pass);
  return result;
}

void add_squares(std::span<const float> values, std::span<double> sums) {
  for (std::size_t i = 0; i < values.size(); ++i)
    sums[i] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
}

void add_root_mean_squares(std::span<const double> sums, std::span<float> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] += static_cast<float>(std::sqrt(sums[i] / kTurns));
}

// Where each error has the sign that does most harm: backprop with all signs taken away.
Magnitudes largest_magnitudes(const BasePoint& base) {
  Magnitudes result;
  result.theta.resize(base.parameter_count());
  const auto pass = [&](std::size_t layer, const Tensor& v, Tensor& before) {
    before = layer_magnitudes(base, layer, v, result.theta);
  };
  result.inputs = backward_through(base, loss_magnitudes(base), pass);
  return result;
}

// Of errors of random signs, as rounding makes them. Through wide layers these are far less.
Magnitudes likely_magnitudes(const BasePoint& base, Errors errors) {
  std::vector<double> theta(base.parameter_count());
  std::vector<double> inputs(base.x(0).size());
  for (std::uint32_t turn = 0; turn < kTurns; ++turn) {
    const Magnitudes arrived = send_errors(base, errors, turn);
    add_squares(arrived.theta, theta);
    add_squares(arrived.inputs.values(), inputs);
  }
  add_root_mean_squares(theta, errors.gradient.theta);
  add_root_mean_squares(inputs, errors.gradient.inputs.values());
  return std::move(errors.gradient);
}

// a and b become choose(a, b), entry by entry.
template <class Choose>
Magnitudes chosen(Magnitudes a, const Magnitudes& b, Choose choose) {
  std::ranges::transform(a.theta, b.theta, a.theta.begin(), choose);
  std::ranges::transform(a.inputs.values(), b.inputs.values(), a.inputs.values().begin(), choose);
  return a;
}

}  // namespace

Magnitudes magnitudes(const BasePoint& base) {
  const auto smaller = [](float a, float b) { return std::min(a, b); };
  const auto larger = [](float a, float b) { return std::max(a, b); };
  const Magnitudes likely = likely_magnitudes(base, errors_of_terms(base));
  const Magnitudes summed = likely_magnitudes(base, errors_of_sums(base));
  return chosen(chosen(largest_magnitudes(base), likely, smaller), summed, larger);
}

Tensor backprop_inputs(const BasePoint& base) {
  return backward_through(
      base, loss_gradient(base),
      [&](std::size_t layer, const Tensor& dy, Tensor& dx) { backward(base, layer, dy, dx); });
}

}  // namespace gradatim
