#pragma once

#include <span>
#include <vector>

#include "gradatim/core/reference.hpp"
#include "gradatim/nn/network.hpp"

/// Layers as their formulae are written, for any scalar T and one sample: `input` is the shape of
/// x, theta holds the layer's tensors in order. The oracle of the conformance tests and the text to
/// read.
namespace gradatim::reference {

namespace detail {

template <class T, class F>
std::vector<T> each(std::span<const T> x, F f) {
  std::vector<T> y;
  y.reserve(x.size());
  for (const T& value : x) y.push_back(f(value));
  return y;
}

}  // namespace detail

/// y = x W + b, with theta = W (inputs, units), b (units)
template <class T>
std::vector<T> forward(const Dense& layer, const Shape&, std::span<const T> theta,
                       std::span<const T> x) {
  const std::size_t units = layer.units;
  std::vector<T> y(theta.end() - static_cast<std::ptrdiff_t>(units), theta.end());
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < units; ++j) y[j] = y[j] + x[i] * theta[i * units + j];
  return y;
}

template <class T>
std::vector<T> forward(const Sigmoid&, const Shape&, std::span<const T>, std::span<const T> x) {
  return detail::each(x, [](const T& v) { return sigmoid(v); });
}

template <class T>
std::vector<T> forward(const Relu&, const Shape&, std::span<const T>, std::span<const T> x) {
  return detail::each(x, [](const T& v) { return relu(v); });
}

template <class T>
std::vector<T> forward(const Tanh&, const Shape&, std::span<const T>, std::span<const T> x) {
  using std::tanh;
  return detail::each(x, [](const T& v) { return tanh(v); });
}

template <class T>
std::vector<T> forward(const Softmax&, const Shape&, std::span<const T>, std::span<const T> x) {
  std::vector<T> y(x.size());
  softmax<T>(x, y);
  return y;
}

template <class T>
std::vector<T> forward(const LeakyRelu& layer, const Shape&, std::span<const T>,
                       std::span<const T> x) {
  return detail::each(x, [&](const T& v) { return leaky_relu(v, layer.slope); });
}

template <class T>
std::vector<T> forward(const Gelu&, const Shape&, std::span<const T>, std::span<const T> x) {
  return detail::each(x, [](const T& v) { return gelu(v); });
}

template <class T>
std::vector<T> forward(const Silu&, const Shape&, std::span<const T>, std::span<const T> x) {
  return detail::each(x, [](const T& v) { return silu(v); });
}

template <class T>
std::vector<T> forward(const Softplus&, const Shape&, std::span<const T>, std::span<const T> x) {
  return detail::each(x, [](const T& v) { return softplus(v); });
}

template <class T>
std::vector<T> forward(const Flatten&, const Shape&, std::span<const T>, std::span<const T> x) {
  return {x.begin(), x.end()};
}

}  // namespace gradatim::reference
