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

/// What is added, and what is dropped in training, is up to the network (nn/reference.hpp).
template <class T>
std::vector<T> forward(const Residual&, const Shape&, std::span<const T>, std::span<const T> x) {
  return {x.begin(), x.end()};
}
template <class T>
std::vector<T> forward(const Dropout&, const Shape&, std::span<const T>, std::span<const T> x) {
  return {x.begin(), x.end()};
}

/// theta = weight (values), bias (values)
template <class T>
std::vector<T> forward(const LayerNorm& layer, const Shape&, std::span<const T> theta,
                       std::span<const T> x) {
  const auto [mean, scale] = row_moments<T>(x, T(static_cast<double>(layer.epsilon)));
  std::vector<T> y(x.begin(), x.end());
  for (std::size_t k = 0; k < y.size(); ++k)
    y[k] = (y[k] - mean) * scale * theta[k] + theta[y.size() + k];
  return y;
}

/// In prediction: theta = weight, bias, running_mean, running_variance, each (channels).
template <class T>
std::vector<T> forward(const BatchNorm& layer, const Shape& input, std::span<const T> theta,
                       std::span<const T> x) {
  using std::sqrt;
  const std::size_t channels = input[0];
  std::vector<T> y(x.begin(), x.end());
  for (std::size_t k = 0; k < y.size(); ++k) {
    const std::size_t c = k / (x.size() / channels);
    const T scale = T(1) / sqrt(theta[3 * channels + c] + T(static_cast<double>(layer.epsilon)));
    y[k] = (y[k] - theta[2 * channels + c]) * scale * theta[c] + theta[channels + c];
  }
  return y;
}

/// In training: x are the samples of a batch, and become y.
template <class T>
void forward_batch(const BatchNorm& layer, const Shape& input, std::span<const T> theta,
                   std::vector<std::vector<T>>& x) {
  const std::size_t channels = input[0];
  const std::size_t area = input.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    std::vector<T> values;
    for (const std::vector<T>& sample : x)
      for (std::size_t i = 0; i < area; ++i) values.push_back(sample[c * area + i]);
    const auto [mean, scale] =
        row_moments<T>(std::span<const T>(values), T(static_cast<double>(layer.epsilon)));
    for (std::vector<T>& sample : x)
      for (std::size_t i = 0; i < area; ++i)
        sample[c * area + i] =
            (sample[c * area + i] - mean) * scale * theta[c] + theta[channels + c];
  }
}

namespace detail {

/// x(c, i - padding, j - padding) of an image of shape (channels, height, width); `outside` where
/// there is none.
template <class T>
T pixel(std::span<const T> x, const Shape& image, std::size_t c, std::size_t i, std::size_t j,
        std::size_t padding, const T& outside) {
  if (i < padding || j < padding || i >= image[1] + padding || j >= image[2] + padding)
    return outside;
  return x[(c * image[1] + i - padding) * image[2] + j - padding];
}

/// y(c, i, j) = f(c, i, j) for `channels` channels and as many windows as fit.
template <class T, class F>
std::vector<T> each_window(const Shape& image, std::size_t channels, std::size_t size,
                           std::size_t stride, std::size_t padding, F f) {
  std::vector<T> y;
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i + size <= image[1] + 2 * padding; i += stride)
      for (std::size_t j = 0; j + size <= image[2] + 2 * padding; j += stride)
        y.push_back(f(c, i, j));
  return y;
}

}  // namespace detail

template <class T>
std::vector<T> forward(const Conv2d& layer, const Shape& input, std::span<const T> theta,
                       std::span<const T> x) {
  const std::size_t k = layer.kernel;
  const std::size_t channels = input[0] / layer.groups;
  const std::size_t filters = layer.filters / layer.groups;
  const std::span<const T> bias = theta.last(layer.filters);
  return detail::each_window<T>(input, layer.filters, k, layer.stride, layer.padding,
                                [&](std::size_t f, std::size_t i, std::size_t j) {
                                  T sum = bias[f];
                                  for (std::size_t c = 0; c < channels; ++c)
                                    for (std::size_t u = 0; u < k; ++u)
                                      for (std::size_t v = 0; v < k; ++v)
                                        sum = sum + theta[((f * channels + c) * k + u) * k + v] *
                                                        detail::pixel(
                                                            x, input, f / filters * channels + c,
                                                            i + u, j + v, layer.padding, T(0));
                                  return sum;
                                });
}

template <class T>
std::vector<T> forward(const MaxPool2d& layer, const Shape& input, std::span<const T>,
                       std::span<const T> x) {
  return detail::each_window<T>(input, input[0], layer.size, layer.stride, layer.padding,
                                [&](std::size_t c, std::size_t i, std::size_t j) {
                                  T largest = T(-HUGE_VAL);
                                  for (std::size_t u = 0; u < layer.size; ++u)
                                    for (std::size_t v = 0; v < layer.size; ++v) {
                                      const T value = detail::pixel(x, input, c, i + u, j + v,
                                                                    layer.padding, T(-HUGE_VAL));
                                      largest = larger(largest, value);
                                    }
                                  return largest;
                                });
}

template <class T>
std::vector<T> forward(const AvgPool2d& layer, const Shape& input, std::span<const T>,
                       std::span<const T> x) {
  return detail::each_window<T>(input, input[0], layer.size, layer.stride, layer.padding,
                                [&](std::size_t c, std::size_t i, std::size_t j) {
                                  T sum = T(0);
                                  for (std::size_t u = 0; u < layer.size; ++u)
                                    for (std::size_t v = 0; v < layer.size; ++v)
                                      sum = sum + detail::pixel(x, input, c, i + u, j + v,
                                                                layer.padding, T(0));
                                  return sum / T(static_cast<double>(layer.size * layer.size));
                                });
}

template <class T>
std::vector<T> forward(const GlobalAvgPool&, const Shape& input, std::span<const T>,
                       std::span<const T> x) {
  const std::size_t area = input[1] * input[2];
  std::vector<T> y(input[0], T(0));
  for (std::size_t i = 0; i < x.size(); ++i) y[i / area] = y[i / area] + x[i];
  for (T& sum : y) sum = sum / T(static_cast<double>(area));
  return y;
}

}  // namespace gradatim::reference
