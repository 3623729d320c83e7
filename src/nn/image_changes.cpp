#include "nn/image_changes.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

#include "gradatim/core/pooling.hpp"
#include "gradatim/core/reference.hpp"

namespace gradatim {
namespace {

using kernels::ImageShape;
using kernels::part;
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

// The positions of window i inside an extent.
struct Range {
  std::size_t first, last;
};
Range range_of(std::size_t i, const Window& window, std::size_t extent) {
  const std::size_t begin = i * window.stride;
  const std::size_t end = begin + window.size;
  return {begin > window.padding ? begin - window.padding : 0,
          std::min(extent, end > window.padding ? end - window.padding : 0)};
}

// use(number of the window among all of y, its rows, its columns) for each window of channel c.
template <class Use>
void each_window(const ImageShape& image, const Window& window, std::size_t c, Use use) {
  const ImageShape y = kernels::pooled(image, window);
  std::size_t number = c * y.height * y.width;
  for (std::size_t i = 0; i < y.height; ++i) {
    const Range rows = range_of(i, window, image.height);
    for (std::size_t j = 0; j < y.width; ++j) use(number++, rows, range_of(j, window, image.width));
  }
}

// use(k) for each place of the image in a window of channel c, in order.
template <class Use>
void each_place(const ImageShape& image, std::size_t c, const Range& rows, const Range& columns,
                Use use) {
  for (std::size_t i = rows.first; i < rows.last; ++i)
    for (std::size_t j = columns.first; j < columns.last; ++j) use(place(image, c, i, j));
}

// Without a branch, so that it runs a vector at a time.
bool is_zero(std::span<const float> values) {
  std::uint32_t bits = 0;
  for (const float value : values) bits |= std::bit_cast<std::uint32_t>(value);
  return bits << 1U == 0;  // -0 is zero
}

constexpr std::size_t kNone = SIZE_MAX;
constexpr std::size_t kSeveral = SIZE_MAX - 1;

// The channel of a row that is not zero everywhere, if there is one.
std::size_t only_channel(std::span<const float> row, std::size_t channels) {
  std::size_t only = kNone;
  for (std::size_t c = 0; c < channels; ++c) {
    if (is_zero(part(row, c, channels))) continue;
    if (only != kNone) return kSeveral;
    only = c;
  }
  return only;
}

// use(row, channel) where changes (rows, image) are not zero everywhere.
template <class Use>
void each_changed_plane(const ImageShape& image, ConstTensorView dx, Use use) {
  for (std::size_t m = 0; m < dx.rows(); ++m)
    for (std::size_t c = 0; c < image.channels; ++c)
      if (!is_zero(part(dx.row(m), c, image.channels))) use(m, c);
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

ConvolutionChange::ConvolutionChange(const ConvolutionShape& shape)
    : shape_(shape),
      one_({1, shape.image.height, shape.image.width}, shape.window, shape.output.channels, 1) {}

void ConvolutionChange::operator()(const kernels::Convolution& all, std::span<const float> w,
                                   ConstTensorView dx, TensorView<float> dy) const {
  const std::vector<float> no_bias(shape_.output.channels);
  const std::size_t channels = shape_.image.channels;
  std::vector<std::size_t> touched(dx.rows());
  for (std::size_t i = 0; i < touched.size(); ++i) touched[i] = only_channel(dx.row(i), channels);
  std::size_t last = 0;
  for (std::size_t first = 0; first < dx.rows(); first = last) {
    const std::size_t only = touched[first];
    while (last < dx.rows() && touched[last] == only) ++last;
    const ConstTensorView changes = dx.slice(first, last - first);
    const TensorView<float> out = dy.slice(first, last - first);
    if (only == kNone)
      std::ranges::fill(out.values(), 0.0F);
    else if (only == kSeveral || shape_.groups != 1)
      all.forward(w, no_bias, changes, out);
    else
      one_.forward(filters_of(w, only), no_bias, planes_of(changes, only), out);
  }
}

// What the filters say of one channel: (filters, size, size).
std::vector<float> ConvolutionChange::filters_of(std::span<const float> w, std::size_t c) const {
  std::vector<float> result;
  for (std::size_t f = 0; f < shape_.output.channels; ++f) {
    const auto filter = part(part(w, f, shape_.output.channels), c, shape_.image.channels);
    result.insert(result.end(), filter.begin(), filter.end());
  }
  return result;
}

// (rows, height · width)
Tensor ConvolutionChange::planes_of(ConstTensorView dx, std::size_t c) const {
  Tensor result({dx.rows(), shape_.image.height * shape_.image.width});
  for (std::size_t n = 0; n < dx.rows(); ++n)
    std::ranges::copy(part(dx.row(n), c, shape_.image.channels), result.view().row(n).begin());
  return result;
}

void max_pool_change(const ImageShape& image, const Window& window, ConstTensorView x,
                     ConstTensorView y, ConstTensorView dx, TensorView<float> dy) {
  std::ranges::fill(dy.values(), 0.0F);
  each_changed_plane(image, dx, [&](std::size_t m, std::size_t c) {
    const auto values = x.row(m % x.rows());
    const auto largest = y.row(m % x.rows());
    const auto changes = dx.row(m);
    each_window(image, window, c, [&](std::size_t at, const Range& rows, const Range& columns) {
      const auto top = static_cast<double>(largest[at]);
      double change = -HUGE_VAL;
      each_place(image, c, rows, columns, [&](std::size_t k) {
        const double below = static_cast<double>(values[k]) - top;
        change = reference::larger(change, below + static_cast<double>(changes[k]));
      });
      dy(m, at) = static_cast<float>(change);
    });
  });
}

void max_pool_crossings(const ImageShape& image, const Window& window, ConstTensorView x,
                        ConstTensorView dx, TensorView<std::uint8_t> crossed) {
  each_changed_plane(image, dx, [&](std::size_t m, std::size_t c) {
    const auto values = x.row(m % x.rows());
    const auto changes = dx.row(m);
    each_window(image, window, c, [&](std::size_t, const Range& rows, const Range& columns) {
      double before = -HUGE_VAL;
      double after = -HUGE_VAL;
      std::size_t first = 0;
      std::size_t later = 0;
      each_place(image, c, rows, columns, [&](std::size_t k) {
        const auto value = static_cast<double>(values[k]);
        const double moved = value + static_cast<double>(changes[k]);
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
  });
}

}  // namespace gradatim
