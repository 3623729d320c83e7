#include <fmt/format.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <array>

#include "core/kernels/checks.hpp"
#include "core/kernels/one_openmp_thread.hpp"
#include "core/kernels/small_gemm.hpp"
#include "core/kernels/transposed_gemm.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

struct Operand {
  std::size_t rows;
  std::size_t columns;
  char letter;  // as BLAS spells it
};

Operand operand(Transpose transpose, const MatrixView& x) {
  if (transpose == Transpose::yes) return {x.columns, x.rows, 'T'};
  return {x.rows, x.columns, 'N'};
}

// Up to here a call of oneDNN, which takes and frees packing buffers each time, costs more than it
// saves (bench/METHOD.md).
constexpr std::size_t kSmallProduct = std::size_t{1} << 17;  // multiply-adds
constexpr std::size_t kSmallOperand = 4096;                  // floats of a transposed b, copied

bool is_small(const Operand& left, const Operand& right) {
  const std::size_t b_size = right.rows * right.columns;
  return (right.letter == 'N' || b_size <= kSmallOperand) && b_size <= kSmallProduct / left.rows;
}

void gemm_small(const Operand& left, const Operand& right, const MatrixView& a, const MatrixView& b,
                TensorView<float> c, bool accumulate) {
  // A transposed b, its rows made contiguous; clearing it would cost more than the product.
  std::array<float, kSmallOperand> b_rows;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  SmallProduct product{.m = left.rows,
                       .n = right.columns,
                       .k = left.columns,
                       .a = a.data,
                       .a_row_step = left.letter == 'N' ? a.stride : 1,
                       .a_step = left.letter == 'N' ? 1 : a.stride,
                       .b = b.data,
                       .b_stride = b.stride,
                       .c = c.data(),
                       .accumulate = accumulate};
  if (right.letter == 'T') {
    for (std::size_t l = 0; l < right.rows; ++l)
      for (std::size_t j = 0; j < right.columns; ++j)
        b_rows[l * right.columns + j] = b.data[j * b.stride + l];
    product.b = b_rows.data();
    product.b_stride = right.columns;
  }
  small_gemm(product);
}

dnnl_dim_t dimension(std::size_t n) { return static_cast<dnnl_dim_t>(n); }

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
  if (is_small(left, right)) {
    gemm_small(left, right, a, b, c, update == Update::accumulate);
    return;
  }
  if (left.letter == 'N' && right.letter == 'T' &&
      transposed_gemm_pays(left.rows, right.columns, left.columns)) {
    transposed_gemm({.m = left.rows,
                     .n = right.columns,
                     .k = left.columns,
                     .a = a.data,
                     .a_stride = a.stride,
                     .b = b.data,
                     .b_stride = b.stride,
                     .c = c.data(),
                     .c_stride = right.columns,
                     .accumulate = update == Update::accumulate});
    return;
  }
  const OneOpenMpThread guard;
  const float beta = update == Update::accumulate ? 1.0F : 0.0F;
  const dnnl_status_t status =
      dnnl_sgemm(left.letter, right.letter, dimension(left.rows), dimension(right.columns),
                 dimension(left.columns), 1.0F, a.data, dimension(a.stride), b.data,
                 dimension(b.stride), beta, c.data(), dimension(right.columns));
  if (status != dnnl_success)
    throw Error(fmt::format("gemm: oneDNN reports status {}", static_cast<int>(status)));
}

}  // namespace gradatim::kernels
