#pragma once

#include <cstdint>
#include <span>

#include "gradatim/core/tensor.hpp"

/// Fast kernels for differences without cancellation (docs/principles.md, P7): by how much outputs
/// change when inputs change by dx. A matrix of changes has one row for each of `m` changes of the
/// same base point. float32, one thread, dispatched at run time; reference_changes.hpp holds the
/// readable twins. Relative error a few units in the last place of every single result, for any
/// dx, also where the change is 10^-20 of the value. Shapes are checked; a mismatch throws
/// ShapeError.
namespace gradatim::kernels {

// ---- Element by element: x (n), dx and dy (m, n), which may be the same memory.

/// dy = sigmoid(x + dx) - sigmoid(x)
void sigmoid_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy);
/// dy = tanh(x + dx) - tanh(x)
void tanh_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy);
/// dy = max(x + dx, 0) - max(x, 0)
void relu_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy);
/// crossed |= whether x and x + dx are on different sides of relu's kink: (m, n) of 0 and 1.
void relu_crossings(std::span<const float> x, ConstTensorView dx, TensorView<std::uint8_t> crossed);

// ---- Row by row: y = softmax(x) and targets t (n), changes (m, n).

/// dy = softmax(x + dx) - softmax(x)
void softmax_change(std::span<const float> y, ConstTensorView dx, TensorView<float> dy);
/// change (m) of -sum_k t_k log softmax(x)_k; t sums to 1.
void softmax_cross_entropy_change(std::span<const float> y, std::span<const float> t,
                                  ConstTensorView dx, std::span<float> change);

// ---- Along lines: the inputs x (n) of a loss change by a · slope(:, j), for `lines` directions j
// and any amounts a. What a direction needs is computed once, and then an amount costs the same
// whatever n is.

/// Rows that the prepared lines of a loss with n inputs have.
constexpr std::size_t line_rows(std::size_t n) { return n + 5; }

/// Prepares lines (line_rows(n), count) of softmax cross-entropy at y = softmax(x), from slopes
/// (n, count).
void softmax_cross_entropy_lines(std::span<const float> y, std::span<const float> t,
                                 ConstTensorView slopes, TensorView<float> lines);
/// change(i, j) of the loss for the amount a(i, j) along line j: a and change are (m, count) and
/// may be the same memory.
void softmax_cross_entropy_along(std::span<const float> y, ConstTensorView lines, ConstTensorView a,
                                 TensorView<float> change);

/// The same for 0.5 sum_k (y_k - t_k)².
void squared_error_lines(std::span<const float> y, std::span<const float> t, ConstTensorView slopes,
                         TensorView<float> lines);
void squared_error_along(ConstTensorView lines, ConstTensorView a, TensorView<float> change);

// ---- Sums of difference quotients.

/// out(i, :) = sum_s weights[s] · changes(i · S + s, :) for a stencil of S weights: changes
/// (m · S, n), out (m, n).
void apply_stencil(std::span<const float> weights, ConstTensorView changes, TensorView<float> out);

/// lower and upper (m, n): the smaller and the larger of the two quotients weights[s] ·
/// changes(2i + s, :), for changes (2m, n).
void slope_bounds(std::span<const float> weights, ConstTensorView changes, TensorView<float> lower,
                  TensorView<float> upper);

/// Where row `to` of a sum receives row `from` of a table.
struct RowPair {
  std::uint32_t to;
  std::uint32_t from;
};
/// sums(to, first + j) += table(from, j) for each pair in order: table (any, n), sums (any, at
/// least first + n). The rows of the pairs are unchecked.
void add_rows(std::span<const RowPair> pairs, ConstTensorView table, std::size_t first,
              TensorView<float> sums);

}  // namespace gradatim::kernels
