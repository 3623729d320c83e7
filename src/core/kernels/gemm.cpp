#include <fmt/format.h>

#include <algorithm>

#include "core/kernels/checks.hpp"
#include "core/kernels/tiled_gemm.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

// op(x), where value (i, j) lies at i · row_step + j · step.
struct Operand {
  std::size_t rows, columns;
  std::size_t row_step, step;
};

Operand operand(Transpose transpose, const MatrixView& x) {
  if (transpose == Transpose::yes) return {x.columns, x.rows, 1, x.stride};
  return {x.rows, x.columns, x.stride, 1};
}

}  // namespace

MatrixView::MatrixView(ConstTensorView x) : data(x.data()) {
  check_matrix("matrix", x.shape());
  rows = x.shape()[0];
  columns = stride = x.shape()[1];
}

MatrixView MatrixView::slice_columns(std::size_t first, std::size_t count) const {
  if (first > columns || count > columns - first)
    throw ShapeError(fmt::format("matrix of {} columns: [{}, {}) are out of range", columns, first,
                                 first + count));
  MatrixView part = *this;
  part.data += first;
  part.columns = count;
  return part;
}

void gemm(Transpose transpose_a, Transpose transpose_b, const MatrixView& a, const MatrixView& b,
          TensorView<float> c, Update update) {
  const Operand left = operand(transpose_a, a);
  const Operand right = operand(transpose_b, b);
  if (left.columns != right.rows || c.shape() != Shape{left.rows, right.columns})
    throw ShapeError(fmt::format("gemm: ({}, {}) times ({}, {}) does not give {}", left.rows,
                                 left.columns, right.rows, right.columns, c.shape().to_string()));
  if (c.size() == 0) return;
  if (left.columns == 0) {
    if (update == Update::overwrite) std::ranges::fill(c.values(), 0.0F);
    return;
  }
  tiled_gemm({.m = left.rows,
              .n = right.columns,
              .k = left.columns,
              .a = a.data,
              .a_row_step = left.row_step,
              .a_step = left.step,
              .b = b.data,
              .b_row_step = right.row_step,
              .b_step = right.step,
              .c = c.data(),
              .accumulate = update == Update::accumulate});
}

void affine(const MatrixView& x, const MatrixView& w, std::span<const float> bias,
            TensorView<float> y) {
  if (x.columns != w.rows || y.shape() != Shape{x.rows, w.columns} || bias.size() != w.columns)
    throw ShapeError(fmt::format("affine: ({}, {}) times ({}, {}) plus ({}) does not give {}",
                                 x.rows, x.columns, w.rows, w.columns, bias.size(),
                                 y.shape().to_string()));
  if (y.size() == 0) return;
  if (x.columns == 0) {
    for (std::size_t i = 0; i < x.rows; ++i) std::ranges::copy(bias, y.row(i).begin());
    return;
  }
  tiled_gemm({.m = x.rows,
              .n = w.columns,
              .k = x.columns,
              .a = x.data,
              .a_row_step = x.stride,
              .a_step = 1,
              .b = w.data,
              .b_row_step = w.stride,
              .b_step = 1,
              .c = y.data(),
              .bias = bias.data()});
}

}  // namespace gradatim::kernels
