#include "gradatim/core/pooling.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/pooling.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include "core/kernels/loops-inl.h"
#include "core/kernels/pair_lines.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// The common pool: windows of 2 x 2 side by side over even extents. Two lines of `pairs` pairs each
// give one line y.
template <class D>
HWY_INLINE std::size_t MaxPairs(D d, std::size_t i, const float* above, const float* below,
                                float* y, std::size_t pairs) {
  for (; i + hn::Lanes(d) <= pairs; i += hn::Lanes(d)) {
    hn::Vec<D> a;
    hn::Vec<D> b;
    hn::Vec<D> c;
    hn::Vec<D> e;
    hn::LoadInterleaved2(d, above + 2 * i, a, b);
    hn::LoadInterleaved2(d, below + 2 * i, c, e);
    hn::StoreU(MaxOrNan(MaxOrNan(a, b), MaxOrNan(c, e)), d, y + i);
  }
  return i;
}

// x (2 lines, 2 pairs), y (lines, pairs). Lines of a few pairs are common: whole vectors, then
// halves and quarters of the widest.
void MaxLines(const float* x, float* y, std::size_t lines, std::size_t pairs) {
  for (std::size_t line = 0; line < lines; ++line) {
    const float* above = x + 4 * line * pairs;
    const float* below = above + 2 * pairs;
    float* to = y + line * pairs;
    std::size_t i = MaxPairs(FloatTag(), 0, above, below, to, pairs);
    i = MaxPairs(hn::CappedTag<float, 8>(), i, above, below, to, pairs);
    i = MaxPairs(hn::CappedTag<float, 4>(), i, above, below, to, pairs);
    MaxPairs(hn::CappedTag<float, 1>(), i, above, below, to, pairs);
  }
}

// dx of the same: dy to the first of the four that equals y.
template <class D>
HWY_INLINE std::size_t SpreadPairs(D d, std::size_t i, const PairLines& line, std::size_t pairs) {
  for (; i + hn::Lanes(d) <= pairs; i += hn::Lanes(d)) {
    hn::Vec<D> a;
    hn::Vec<D> b;
    hn::Vec<D> c;
    hn::Vec<D> e;
    hn::LoadInterleaved2(d, line.x + 2 * i, a, b);
    hn::LoadInterleaved2(d, line.x + 2 * (pairs + i), c, e);
    const auto top = hn::LoadU(d, line.y + i);
    const auto g = hn::LoadU(d, line.dy + i);
    const auto is_a = hn::Eq(a, top);
    const auto is_b = hn::AndNot(is_a, hn::Eq(b, top));
    const auto above_has = hn::Or(is_a, is_b);
    const auto is_c = hn::AndNot(above_has, hn::Eq(c, top));
    const auto is_e = hn::AndNot(hn::Or(above_has, is_c), hn::Eq(e, top));
    hn::StoreInterleaved2(hn::IfThenElseZero(is_a, g), hn::IfThenElseZero(is_b, g), d,
                          line.dx + 2 * i);
    hn::StoreInterleaved2(hn::IfThenElseZero(is_c, g), hn::IfThenElseZero(is_e, g), d,
                          line.dx + 2 * (pairs + i));
  }
  return i;
}

void SpreadLines(const PairLines& all, std::size_t lines, std::size_t pairs) {
  for (std::size_t n = 0; n < lines; ++n) {
    const PairLines line{all.x + 4 * n * pairs, all.y + n * pairs, all.dy + n * pairs,
                         all.dx + 4 * n * pairs};
    std::size_t i = SpreadPairs(FloatTag(), 0, line, pairs);
    i = SpreadPairs(hn::CappedTag<float, 8>(), i, line, pairs);
    i = SpreadPairs(hn::CappedTag<float, 4>(), i, line, pairs);
    SpreadPairs(hn::CappedTag<float, 1>(), i, line, pairs);
  }
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>

#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(MaxLines);
HWY_EXPORT(SpreadLines);

bool is_pairs(const ImageShape& image, const Window& window) {
  return window == Window{2, 2, 0} && image.width % 2 == 0 && image.height % 2 == 0;
}

struct Range {
  std::size_t first, end;
};

// The pixels along one axis that a window covers.
Range covered(std::size_t index, std::size_t extent, const Window& window) {
  const std::size_t start = index * window.stride;
  const std::size_t first = start > window.padding ? start - window.padding : 0;
  return {first, std::min(extent, start + window.size - window.padding)};
}

// f(plane offset, output index, rows, columns) for each window of each channel.
template <class F>
void for_each_window(const ImageShape& image, const Window& window, F f) {
  const ImageShape output = pooled(image, window);
  std::size_t index = 0;
  for (std::size_t c = 0; c < image.channels; ++c)
    for (std::size_t i = 0; i < output.height; ++i)
      for (std::size_t j = 0; j < output.width; ++j)
        f(c * image.height * image.width, index++, covered(i, image.height, window),
          covered(j, image.width, window));
}

// The place of the first of the largest values of a window, or of a NaN.
std::size_t largest(std::span<const float> x, std::size_t plane, std::size_t width,
                    const Range& rows, const Range& columns) {
  std::size_t best = plane + rows.first * width + columns.first;
  for (std::size_t r = rows.first; r < rows.end; ++r)
    for (std::size_t c = columns.first; c < columns.end; ++c)
      if (const std::size_t at = plane + r * width + c; x[best] < x[at] || std::isnan(x[at]))
        best = at;
  return best;
}

void check_pool(const ImageShape& image, const Window& window, const Shape& x, const Shape& y) {
  check_matrix("pool", x);
  check_shape("pool", {x[0], image.size()}, x);
  check_shape("pool", {x[0], pooled(image, window).size()}, y);
}

}  // namespace

ImageShape pooled(const ImageShape& image, const Window& window) {
  return {image.channels, windows_along(image.height, window), windows_along(image.width, window)};
}

void max_pool(const ImageShape& image, const Window& window, ConstTensorView x,
              TensorView<float> y) {
  check_pool(image, window, x.shape(), y.shape());
  if (is_pairs(image, window)) {
    const std::size_t lines = x.rows() * image.channels * image.height / 2;
    HWY_DYNAMIC_DISPATCH(MaxLines)(x.data(), y.data(), lines, image.width / 2);
    return;
  }
  for (std::size_t n = 0; n < x.rows(); ++n) {
    const auto from = x.row(n);
    const auto to = y.row(n);
    for_each_window(
        image, window,
        [&](std::size_t plane, std::size_t index, const Range& rows, const Range& columns) {
          to[index] = from[largest(from, plane, image.width, rows, columns)];
        });
  }
}

void max_pool_backward(const ImageShape& image, const Window& window, ConstTensorView x,
                       ConstTensorView y, ConstTensorView dy, TensorView<float> dx) {
  check_pool(image, window, x.shape(), y.shape());
  check_pool(image, window, dx.shape(), dy.shape());
  if (is_pairs(image, window)) {
    const std::size_t lines = x.rows() * image.channels * image.height / 2;
    HWY_DYNAMIC_DISPATCH(SpreadLines)
    ({x.data(), y.data(), dy.data(), dx.data()}, lines, image.width / 2);
    return;
  }
  std::ranges::fill(dx.values(), 0.0F);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    const auto from = x.row(n);
    const auto d_from = dx.row(n);
    const auto d_to = dy.row(n);
    for_each_window(
        image, window,
        [&](std::size_t plane, std::size_t index, const Range& rows, const Range& columns) {
          d_from[largest(from, plane, image.width, rows, columns)] += d_to[index];
        });
  }
}

void average_pool(const ImageShape& image, const Window& window, ConstTensorView x,
                  TensorView<float> y) {
  check_pool(image, window, x.shape(), y.shape());
  const float share = 1.0F / static_cast<float>(window.size * window.size);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    const auto from = x.row(n);
    const auto to = y.row(n);
    for_each_window(
        image, window,
        [&](std::size_t plane, std::size_t index, const Range& rows, const Range& columns) {
          float sum = 0;
          for (std::size_t r = rows.first; r < rows.end; ++r)
            for (std::size_t c = columns.first; c < columns.end; ++c)
              sum += from[plane + r * image.width + c];
          to[index] = sum * share;
        });
  }
}

void average_pool_backward(const ImageShape& image, const Window& window, ConstTensorView dy,
                           TensorView<float> dx) {
  check_pool(image, window, dx.shape(), dy.shape());
  const float share = 1.0F / static_cast<float>(window.size * window.size);
  std::ranges::fill(dx.values(), 0.0F);
  for (std::size_t n = 0; n < dy.rows(); ++n) {
    const auto d_from = dx.row(n);
    const auto d_to = dy.row(n);
    for_each_window(
        image, window,
        [&](std::size_t plane, std::size_t index, const Range& rows, const Range& columns) {
          for (std::size_t r = rows.first; r < rows.end; ++r)
            for (std::size_t c = columns.first; c < columns.end; ++c)
              d_from[plane + r * image.width + c] += d_to[index] * share;
        });
  }
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
