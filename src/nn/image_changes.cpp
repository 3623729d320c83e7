#include "nn/image_changes.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "gradatim/core/pooling.hpp"
#include "gradatim/core/reference.hpp"

namespace gradatim {
namespace {

using kernels::ImageShape;
using kernels::Window;

std::size_t place(const ImageShape& image, std::size_t c, std::size_t i, std::size_t j) {
  return (c * image.height + i) * image.width + j;
}

// Which of `count` windows has a position at its offset u: i · stride + u - padding = position.
std::optional<std::size_t> window_at(std::size_t position, std::size_t u, const Window& window,
                                     std::size_t count) {
  const std::size_t shifted = position + window.padding;
  if (shifted < u || (shifted - u) % window.stride != 0) return std::nullopt;
  const std::size_t i = (shifted - u) / window.stride;
  return i < count ? std::optional(i) : std::nullopt;
}

// Where window i has its offset u, inside an extent.
std::optional<std::size_t> position_of(std::size_t i, std::size_t u, const Window& window,
                                       std::size_t extent) {
  const std::size_t shifted = i * window.stride + u;
  if (shifted < window.padding || shifted - window.padding >= extent) return std::nullopt;
  return shifted - window.padding;
}

// use(k) for each place of the image in window (c, i, j), in order.
template <class Use>
void each_place(const ImageShape& image, const Window& window, std::size_t c, std::size_t i,
                std::size_t j, Use use) {
  for (std::size_t u = 0; u < window.size; ++u)
    for (std::size_t v = 0; v < window.size; ++v) {
      const auto row = position_of(i, u, window, image.height);
      const auto column = position_of(j, v, window, image.width);
      if (row && column) use(place(image, c, *row, *column));
    }
}

// use(window, its number among all of y) for each window of an image.
template <class Use>
void each_window(const ImageShape& y, Use use) {
  std::size_t number = 0;
  for (std::size_t c = 0; c < y.channels; ++c)
    for (std::size_t i = 0; i < y.height; ++i)
      for (std::size_t j = 0; j < y.width; ++j) use(c, i, j, number++);
}

}  // namespace

void convolution_unit_change(const ConvolutionShape& shape, std::span<const float> w,
                             std::span<const std::uint32_t> units, std::span<const float> amounts,
                             TensorView<float> dy) {
  const auto& [image, window, output, groups] = shape;
  const std::size_t area = image.height * image.width;
  const std::size_t channels = image.channels / groups;
  const std::size_t filters = output.channels / groups;
  std::ranges::fill(dy.values(), 0.0F);
  for (std::size_t n = 0; n < units.size(); ++n) {
    const std::size_t c = units[n] / area;
    const std::size_t row = units[n] % area / image.width;
    const std::size_t column = units[n] % image.width;
    for (std::size_t u = 0; u < window.size; ++u)
      for (std::size_t v = 0; v < window.size; ++v) {
        const auto i = window_at(row, u, window, output.height);
        const auto j = window_at(column, v, window, output.width);
        if (!i || !j) continue;
        for (std::size_t k = 0; k < filters; ++k) {
          const std::size_t f = c / channels * filters + k;
          const std::size_t at =
              ((f * channels + c % channels) * window.size + u) * window.size + v;
          dy(n, place(output, f, *i, *j)) = amounts[n] * w[at];
        }
      }
  }
}

void convolution_parameter_change(const ConvolutionShape& shape, ConstTensorView x,
                                  std::size_t parameter, float step, TensorView<float> dy) {
  const auto& [image, window, output, groups] = shape;
  const std::size_t channels = image.channels / groups;
  const std::size_t area = window.size * window.size;
  const std::size_t weights = output.channels * channels * area;
  const bool bias = parameter >= weights;
  const std::size_t f = bias ? parameter - weights : parameter / (channels * area);
  const std::size_t c = f / (output.channels / groups) * channels + parameter / area % channels;
  const std::size_t u = parameter % area / window.size;
  const std::size_t v = parameter % window.size;
  std::ranges::fill(dy.values(), 0.0F);
  for (std::size_t n = 0; n < x.rows(); ++n)
    for (std::size_t i = 0; i < output.height; ++i)
      for (std::size_t j = 0; j < output.width; ++j) {
        const auto row = position_of(i, u, window, image.height);
        const auto column = position_of(j, v, window, image.width);
        float& change = dy(n, place(output, f, i, j));
        if (bias)
          change = step;
        else if (row && column)
          change = step * x(n, place(image, c, *row, *column));
      }
}

void max_pool_change(const ImageShape& image, const Window& window, ConstTensorView x,
                     ConstTensorView y, ConstTensorView dx, TensorView<float> dy) {
  for (std::size_t m = 0; m < dx.rows(); ++m) {
    const std::size_t n = m % x.rows();
    each_window(kernels::pooled(image, window), [&](std::size_t c, std::size_t i, std::size_t j,
                                                    std::size_t number) {
      double largest = -HUGE_VAL;
      each_place(image, window, c, i, j, [&](std::size_t k) {
        const double below = static_cast<double>(x(n, k)) - static_cast<double>(y(n, number));
        largest = reference::larger(largest, below + static_cast<double>(dx(m, k)));
      });
      dy(m, number) = static_cast<float>(largest);
    });
  }
}

void max_pool_crossings(const ImageShape& image, const Window& window, ConstTensorView x,
                        ConstTensorView dx, TensorView<std::uint8_t> crossed) {
  for (std::size_t m = 0; m < dx.rows(); ++m) {
    const std::size_t n = m % x.rows();
    each_window(kernels::pooled(image, window),
                [&](std::size_t c, std::size_t i, std::size_t j, std::size_t) {
                  double before = -HUGE_VAL;
                  double after = -HUGE_VAL;
                  std::size_t first = 0;
                  std::size_t later = 0;
                  each_place(image, window, c, i, j, [&](std::size_t k) {
                    const auto value = static_cast<double>(x(n, k));
                    const double moved = value + static_cast<double>(dx(m, k));
                    if (value > before) {
                      before = value;
                      first = k;
                    }
                    if (moved > after) {
                      after = moved;
                      later = k;
                    }
                  });
                  if (first != later) crossed(m, later) = 1;
                });
  }
}

}  // namespace gradatim
