#pragma once

#include <cstdint>
#include <span>

#include "gradatim/core/tensor.hpp"

/// Fast kernels: pure functions of spans and shapes, each on one thread, float32, dispatched at run
/// time to the widest SIMD of the processor. gradatim/core/reference.hpp holds the readable twin of
/// each, which the tests compare with. Sums are added in an order that depends on shapes and on the
/// processor's vector width, never on threads. Shapes are checked; a mismatch throws ShapeError.
namespace gradatim::kernels {

enum class Transpose { no, yes };
enum class Update { overwrite, accumulate };

/// Rows of a row-major matrix that lie `stride` floats apart: a whole matrix, or some columns of
/// one.
struct MatrixView {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t stride = 0;

  /// Throws ShapeError unless x has rank 2.
  MatrixView(ConstTensorView x);
  MatrixView(const Tensor& x) : MatrixView(x.view()) {}
  /// Columns [first, first + count), which must exist.
  MatrixView slice_columns(std::size_t first, std::size_t count) const;
};

/// c = op(a) op(b), or c += op(a) op(b): op(a) is (m, k), op(b) (k, n), c (m, n), none overlapping
/// c. Each sum begins with what c holds, if it is added to, and runs over k in order, in fused
/// multiply-adds where the processor has them; a single column, n = 1, is summed in the vectors'
/// lanes instead. Allocates nothing; up to 128 KiB of the stack are used. An empty k gives zeros.
void gemm(Transpose transpose_a, Transpose transpose_b, const MatrixView& a, const MatrixView& b,
          TensorView<float> c, Update update = Update::overwrite);
/// y = x w + bias, for x (m, k), w (k, n), bias (n) and y (m, n). The bias is where each sum
/// begins; otherwise as gemm.
void affine(const MatrixView& x, const MatrixView& w, std::span<const float> bias,
            TensorView<float> y);

// ---- The same for a left matrix that is mostly zeros, as what relu or dropout leaves: work is
// proportional to what is not zero. Values are those of affine and gemm but where one of these
// would multiply zero by an infinity or NaN on the right, and but for the sign of zero; a single
// column, which affine and gemm sum in the vectors' lanes, is summed in order here.

/// The share of zeros in every eighth row of x; 0 if there are none.
double zero_share(const MatrixView& x);
/// y = x w + bias, for x (m, k), w (k, n), bias (n) and y (m, n).
void sparse_affine(const MatrixView& x, ConstTensorView w, std::span<const float> bias,
                   TensorView<float> y);
/// dx = dy wᵀ, for dy (m, n), w (k, n) and dx (m, k).
void sparse_times_transposed(const MatrixView& dy, ConstTensorView w, TensorView<float> dx);
/// dw = xᵀ dy, for x (m, k), dy (m, n) and dw (k, n).
void sparse_transposed_times(const MatrixView& x, ConstTensorView dy, TensorView<float> dw);

// ---- Element by element, y and x of equal size and allowed to be the same memory.

/// y = 1 / (1 + exp(-x)): relative error at most 4 ulp, for every x down to -87; below, absolute
/// 1e-37. NaN gives NaN.
void sigmoid(std::span<const float> x, std::span<float> y);
/// dx = dy · y (1 - y)
void sigmoid_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx);
/// y = max(x, 0); NaN gives NaN.
void relu(std::span<const float> x, std::span<float> y);
/// dx = y > 0 ? dy : 0
void relu_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx);
/// Relative error at most 8 ulp. NaN gives NaN.
void tanh(std::span<const float> x, std::span<float> y);
/// dx = dy · (1 - y²)
void tanh_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx);
/// y = x > 0 ? x : slope · x; NaN gives NaN.
void leaky_relu(std::span<const float> x, std::span<float> y, float slope);
/// dx = y > 0 ? dy : slope · dy, for slope of at least 0
void leaky_relu_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx,
                         float slope);
/// y = x / (1 + exp(-x)); absolute error at most 1e-6 (1 + |y|). NaN gives NaN. So in the next two.
void silu(std::span<const float> x, std::span<float> y);
/// dx = dy · s (1 + x (1 - s)), s = sigmoid(x)
void silu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx);
/// y = 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))): the form of Hendrycks and Gimpel
/// ("Gaussian error linear units", 2016) that is within 5e-4 of x Phi(x).
void gelu(std::span<const float> x, std::span<float> y);
/// dx = dy · its derivative
void gelu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx);
/// y = log(1 + exp(x)), never overflowing
void softplus(std::span<const float> x, std::span<float> y);
/// dx = dy · (1 - exp(-y))
void softplus_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx);

// ---- Row by row; x and y are (rows, columns) and may be the same memory.

/// y_k = exp(x_k - max x) / sum_j exp(x_j - max x)
void softmax(ConstTensorView x, TensorView<float> y);
/// dx_k = y_k (dy_k - sum_j y_j dy_j)
void softmax_backward(ConstTensorView y, ConstTensorView dy, TensorView<float> dx);

/// Returns sum over rows of -log softmax(logits)[label], and writes scale · (softmax - one_hot) to
/// d_logits (rows, classes), which may be logits. Labels are in [0, classes), unchecked. The
/// logarithm is taken of a sum that is at least 1: finite for every finite row.
/// With smoothing s (Szegedy et al., 2016), the target is (1 - s) one_hot + s / classes instead.
double softmax_cross_entropy(ConstTensorView logits, std::span<const std::int32_t> labels,
                             float scale, TensorView<float> d_logits, float smoothing = 0.0F);
/// The same for target distributions (rows, classes) that each sum to 1.
double softmax_cross_entropy(ConstTensorView logits, ConstTensorView targets, float scale,
                             TensorView<float> d_logits, float smoothing = 0.0F);

/// sums_j = sum_i x(i, j), rows added in order.
void sum_rows(ConstTensorView x, std::span<float> sums);

// ---- Reductions.

/// Sum in double precision.
double sum(std::span<const float> x);
/// True if no value is NaN or infinite.
bool all_finite(std::span<const float> x);
/// Index of the largest value; the first of equals; 0 for none. NaN is never the largest.
std::size_t argmax(std::span<const float> x);

// ---- Bytes, as images are stored.

/// out = scale · bytes
void bytes_to_float(std::span<const std::uint8_t> bytes, float scale, std::span<float> out);
std::size_t count_zeros(std::span<const std::uint8_t> bytes);
/// Whether at least that share of the bytes is zero.
inline bool has_zeros(std::span<const std::uint8_t> bytes, double share) {
  return static_cast<double>(count_zeros(bytes)) >= share * static_cast<double>(bytes.size());
}

/// The share of zeros among bytes from which the byte products below beat converting and
/// multiplying densely, for up to 64 units (bench/METHOD.md). Wider ones need more of them.
constexpr double kZerosThatPay = 0.22;

/// The row length that the byte products below want their packed operands in: columns rounded up to
/// a multiple of kAlignment bytes.
constexpr std::size_t packed_columns(std::size_t columns) {
  constexpr std::size_t kFloats = kAlignment / sizeof(float);
  return (columns + kFloats - 1) / kFloats * kFloats;
}
/// Copies x (rows, columns) to packed (rows, packed_columns(columns)), zeros behind each row.
void pack_rows(ConstTensorView x, TensorView<float> packed);

/// y = scale · bytes w + bias, for bytes (rows, inputs), w (inputs, units) packed as (inputs,
/// packed_columns(units)), bias (units) and y (rows, units). Work is proportional to the number of
/// non-zero bytes: an infinity in w meets no zero of bytes.
void byte_affine(TensorView<const std::uint8_t> bytes, float scale, ConstTensorView packed_w,
                 std::span<const float> bias, TensorView<float> y);
/// byte_affine in two steps, to the same bits: the sums over each part of the inputs, 0 and 1, and
/// y from both. A core that keeps to one part reads only that part of w. products (rows,
/// packed_columns(units)).
constexpr std::size_t kLeastPartedInputs = 128;
constexpr std::size_t kByteProducts = 2;
struct BytePart {
  std::size_t first, last;  // of the inputs, without the last
};
/// About half of the inputs; the second, never smaller, begins at a multiple of 64 (at 0 of fewer
/// than 128).
constexpr BytePart byte_part(std::size_t inputs, std::size_t part) {
  const std::size_t middle = inputs / kLeastPartedInputs * (kLeastPartedInputs / 2);
  return part == 0 ? BytePart{0, middle} : BytePart{middle, inputs};
}
void byte_products(TensorView<const std::uint8_t> bytes, std::size_t part, ConstTensorView packed_w,
                   TensorView<float> products);
void affine_of_products(ConstTensorView first, ConstTensorView second, float scale,
                        std::span<const float> bias, TensorView<float> y);
/// Rows [first, first + dw.rows()) of the gradient of w: dw = scale · bytes[:, first...]ᵀ dy, for
/// dy (rows, units) packed as (rows, packed_columns(units)) and dw (count, units).
void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale,
                          ConstTensorView packed_dy, std::size_t first, TensorView<float> dw);

/// The instruction set that the kernels above run with on this processor, such as "AVX3".
const char* instruction_set();

}  // namespace gradatim::kernels
