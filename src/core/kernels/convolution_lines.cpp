#include "core/kernels/convolution_lines.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/convolution_lines.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/tiles-inl.h"
#include "gradatim/core/kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr std::size_t kFloatsOfLines = 4096;  // of dy, which stay in the first-level cache

// Whether what R windows have of a line of the image, if that is a vector or less, is all zero, as
// around what an image shows.
template <std::size_t R>
HWY_INLINE bool IsBlank(const float* HWY_RESTRICT x, std::size_t pixel_step, std::size_t run) {
  const TileTag d;
  const std::size_t floats = (R - 1) * pixel_step + run;
  if (floats > hn::Lanes(d)) return false;
  const auto inside = hn::FirstN(d, floats);
  const auto zero = hn::Eq(hn::LoadU(d, x), hn::Zero(d));  // NaN is not
  return hn::AllFalse(d, hn::AndNot(zero, inside));
}

void ConvolveLines(const WindowLines& p, const float* x, const float* w, const float* b, float* y) {
  ForEachPanel(p.filters, [&]<std::size_t V>(std::size_t filter) HWY_ATTR {
    ForEachTile<V>(p.pixels, [&]<std::size_t R>(std::size_t pixel) HWY_ATTR {
      for (std::size_t i = 0; i < p.rows; ++i) {
        hn::Vec<TileTag> sum[R][V];
        hn::Vec<TileTag> bias[V];
        LoadRow(b + filter, bias);
        Fill(bias, sum);
        const float* from = x + i * p.row_step + pixel * p.pixel_step;
        for (std::size_t u = 0; u < p.lines; ++u) {
          const float* line = from + u * p.line_step;
          if (IsBlank<R>(line, p.pixel_step, p.run)) continue;
          AddProducts<R, V>({line, p.pixel_step, 1}, w + u * p.run * p.filters + filter, p.filters,
                            p.run, sum);
        }
        StoreTile<false>(sum, y + (i * p.pixels + pixel) * p.filters + filter, p.filters);
      }
    });
  });
}

// All windows and filters by some lines of the output, whose sum is made before it is added: one
// running sum over a whole batch would lose digits.
void AddGradientOf(const WindowLines& p, const float* x, const float* dy, float* dw) {
  for (std::size_t u = 0; u < p.lines; ++u)
    ForEachPanel(p.filters, [&]<std::size_t V>(std::size_t filter) HWY_ATTR {
      ForEachTile<V>(p.run, [&]<std::size_t R>(std::size_t k) HWY_ATTR {
        hn::Vec<TileTag> sum[R][V];
        Clear(sum);
        for (std::size_t i = 0; i < p.rows; ++i)
          AddProducts<R, V>({x + i * p.row_step + u * p.line_step + k, 1, p.pixel_step},
                            dy + i * p.pixels * p.filters + filter, p.filters, p.pixels, sum);
        StoreTile<true>(sum, dw + (u * p.run + k) * p.filters + filter, p.filters);
      });
    });
}

void AddLinesGradient(const WindowLines& p, const float* x, const float* dy, float* dw) {
  const std::size_t line = p.pixels * p.filters;
  WindowLines block = p;
  for (std::size_t i = 0; i < p.rows; i += block.rows) {
    block.rows = std::min(std::max<std::size_t>(1, kFloatsOfLines / line), p.rows - i);
    AddGradientOf(block, x + i * p.row_step, dy + i * line, dw);
  }
}

void SpreadLines(const WindowLines& p, std::size_t dy_step, const float* dy, const float* w,
                 float* dx) {
  const std::size_t stride = packed_columns(p.run);
  const std::size_t lanes = hn::Lanes(TileTag());
  const std::size_t columns = (p.run + lanes - 1) / lanes * lanes;  // no vector beyond the run
  for (std::size_t u = 0; u < p.lines; ++u)
    ForEachPanel(columns, [&]<std::size_t V>(std::size_t column) HWY_ATTR {
      ForEachTile<V>(p.pixels, [&]<std::size_t R>(std::size_t pixel) HWY_ATTR {
        for (std::size_t i = 0; i < p.rows; ++i) {
          hn::Vec<TileTag> sum[R][V];
          Clear(sum);
          AddProducts<R, V>({dy + (i * p.pixels + pixel) * dy_step, dy_step, 1},
                            w + u * p.filters * stride + column, stride, p.filters, sum);
          float* to = dx + i * p.row_step + u * p.line_step + pixel * p.pixel_step + column;
          if (column + V * lanes <= p.run)
            StoreTile<true>(sum, to, p.pixel_step);
          else
            StoreTile<true>(sum, to, p.pixel_step, LastColumns<V>(p.run - column));
        }
      });
    });
}

void AddRows(std::size_t rows, std::size_t columns, const float* x, float* sums) {
  const float one = 1;
  ForEachPanel(columns, [&]<std::size_t V>(std::size_t column) HWY_ATTR {
    hn::Vec<TileTag> sum[1][V];
    Clear(sum);
    AddProducts<1, V>({&one, 0, 0}, x + column, columns, rows, sum);
    StoreTile<true>(sum, sums + column, columns);
  });
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(ConvolveLines);
HWY_EXPORT(AddLinesGradient);
HWY_EXPORT(SpreadLines);
HWY_EXPORT(AddRows);
}  // namespace

void convolve_lines(const WindowLines& windows, const float* x, const float* w, const float* b,
                    float* y) {
  HWY_DYNAMIC_DISPATCH(ConvolveLines)(windows, x, w, b, y);
}

void add_lines_gradient(const WindowLines& windows, const float* x, const float* dy, float* dw) {
  HWY_DYNAMIC_DISPATCH(AddLinesGradient)(windows, x, dy, dw);
}

void spread_lines(const WindowLines& windows, std::size_t dy_step, const float* dy, const float* w,
                  float* dx) {
  HWY_DYNAMIC_DISPATCH(SpreadLines)(windows, dy_step, dy, w, dx);
}

void add_rows(std::size_t rows, std::size_t columns, const float* x, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddRows)(rows, columns, x, sums);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
