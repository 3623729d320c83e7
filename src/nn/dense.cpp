#include "nn/dense.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/core/kernels.hpp"
#include "nn/layers.hpp"

namespace gradatim {

using kernels::Transpose;

namespace {

constexpr std::size_t kRowsWorthPacking = 16;  // for products that skip zeros

}  // namespace

std::unique_ptr<const Operation> make_operation(const Dense& layer, const Shape& input,
                                                const std::string& label) {
  if (input.rank() != 1)
    throw ShapeError(fmt::format("{}: expected an input of rank 1 such as ({}), got {}", label,
                                 input.size(), input.to_string()));
  if (layer.units == 0) throw InvalidArgument(label + ": units must be at least 1, got 0");
  return std::make_unique<DenseOperation>(layer, input.size());
}

std::vector<ParameterSpec> DenseOperation::parameters() const {
  return {{"weight", {inputs_, layer_.units}, layer_.weight, inputs_, layer_.units},
          {"bias", {layer_.units}, layer_.bias, inputs_, layer_.units}};
}

ConstTensorView DenseOperation::weight(std::span<const float> theta) const {
  return {theta.first(inputs_ * layer_.units), {inputs_, layer_.units}};
}

std::span<const float> DenseOperation::bias(std::span<const float> theta) const {
  return theta.subspan(inputs_ * layer_.units, layer_.units);
}

std::span<float> DenseOperation::bias(std::span<float> d_theta) const {
  return d_theta.subspan(inputs_ * layer_.units, layer_.units);
}

TensorView<float> DenseOperation::weight_rows(std::span<float> d_theta,
                                              const InputRange& range) const {
  return {d_theta.subspan(range.first * layer_.units, range.count * layer_.units),
          {range.count, layer_.units}};
}

// Measured at 50 units and more, and 25 rows (bench/METHOD.md). Zeros hide an infinity or a NaN on
// the other side; the loss of a training that meets one is not finite either way.
bool DenseOperation::has_zeros_to_skip(const kernels::MatrixView& x) const {
  constexpr std::size_t kLeastUnits = 48;
  constexpr double kZeros = 0.4;
  return layer_.units >= kLeastUnits && kernels::zero_share(x) >= kZeros;
}

void DenseOperation::forward(std::span<const float> theta, ConstTensorView x,
                             TensorView<float> y) const {
  const bool is_single = x.rows() == 1;  // and is multiplied without packing
  if ((is_single || x.rows() >= kRowsWorthPacking) && has_zeros_to_skip(x))
    kernels::sparse_affine(x, weight(theta), bias(theta), y);
  else
    kernels::affine(x, weight(theta), bias(theta), y);
}

// dx = dy Wᵀ
void DenseOperation::backward(std::span<const float> theta, ConstTensorView, ConstTensorView,
                              ConstTensorView dy, TensorView<float> dx) const {
  // dx of a single input would be summed in another order.
  if (dy.rows() >= kRowsWorthPacking && inputs_ > 1 && has_zeros_to_skip(dy))
    kernels::sparse_times_transposed(dy, weight(theta), dx);
  else
    kernels::gemm(Transpose::no, Transpose::yes, dy, weight(theta), dx);
}

// Half as large as other tasks: those beside them, of the next mini-batch and of narrow layers, are
// small, and a thread that is left with one large task keeps the others waiting.
std::size_t DenseOperation::gradient_tasks(std::size_t rows) const {
  constexpr std::size_t kFiner = 2;
  return tasks_for(inputs_, 64, kFiner * 2 * rows * layer_.units);
}

DenseOperation::InputRange DenseOperation::input_range(std::size_t task, std::size_t rows) const {
  constexpr std::size_t kTile = 32;  // a block of the matrix unit; other kernels take half of it
  const std::size_t tasks = gradient_tasks(rows);
  const std::size_t share = (inputs_ + tasks - 1) / tasks;
  const std::size_t step = (share + kTile - 1) / kTile * kTile;
  const std::size_t first = std::min(inputs_, task * step);
  return {first, std::min(step, inputs_ - first)};
}

// dW = xᵀ dy, db = the column sums of dy
void DenseOperation::parameter_gradient(std::size_t task, ConstTensorView x, ConstTensorView dy,
                                        std::span<float> d_theta) const {
  const InputRange range = input_range(task, x.rows());
  const auto inputs = kernels::MatrixView(x).slice_columns(range.first, range.count);
  const TensorView<float> dw = weight_rows(d_theta, range);
  if (inputs.rows >= kRowsWorthPacking && has_zeros_to_skip(inputs))
    kernels::sparse_transposed_times(inputs, dy, dw);
  else
    kernels::gemm(Transpose::yes, Transpose::no, inputs, dy, dw);
  if (task == 0) kernels::sum_rows(dy, bias(d_theta));
}

// dy = dx W, a few inputs at a time: behind batch normalisation a change is large at one input and
// small at all others, and each of these would be rounded to the sum's digits.
void DenseOperation::change(std::span<const float> theta, ConstTensorView, ConstTensorView,
                            ConstTensorView dx, TensorView<float> dy) const {
  constexpr std::size_t kTogether = 64;
  thread_local AlignedVector<float> part;
  if (inputs_ > kTogether) part.resize(dy.size());
  const kernels::MatrixView changes(dx);
  for (std::size_t first = 0; first < inputs_; first += kTogether) {
    const std::size_t count = std::min(kTogether, inputs_ - first);
    const ConstTensorView w(theta.subspan(first * layer_.units, count * layer_.units),
                            {count, layer_.units});
    const TensorView<float> sums = first == 0 ? dy : TensorView<float>(part, dy.shape());
    kernels::gemm(Transpose::no, Transpose::no, changes.slice_columns(first, count), w, sums);
    if (first != 0) kernels::add_to(part, dy.values());
  }
}

// dy = amount W[unit, :]
void DenseOperation::unit_change(std::span<const float> theta, ConstTensorView, ConstTensorView,
                                 std::span<const std::uint32_t> units,
                                 std::span<const float> amounts, TensorView<float> dy) const {
  const float* const w = weight(theta).data();
  float* out = dy.data();
  for (std::size_t i = 0; i < units.size(); ++i)
    for (std::size_t k = 0; k < layer_.units; ++k)
      *out++ = amounts[i] * w[units[i] * layer_.units + k];
}

// dy[:, j] = step x[:, i] for W[i, j], dy[:, j] = step for b[j], and nothing else changes.
float DenseOperation::parameter_change(std::span<const float>, ConstTensorView x, ConstTensorView,
                                       std::size_t parameter, float step,
                                       TensorView<float> dy) const {
  const std::size_t input = parameter / layer_.units;  // `inputs_` for a bias
  std::ranges::fill(dy.values(), 0.0F);
  for (std::size_t n = 0; n < x.rows(); ++n)
    dy(n, parameter % layer_.units) = input < inputs_ ? step * x(n, input) : step;
  return step;
}

bool DenseOperation::is_narrow() const { return layer_.units <= 64; }

// The wider the layer, the closer dense products come to the processor's peak: measured at 50, 128
// and 512 units (bench/METHOD.md).
double DenseOperation::zeros_that_pay() const {
  return is_narrow() ? kernels::kZerosThatPay : layer_.units <= 256 ? 0.42 : 0.59;
}

bool DenseOperation::skipping_zeros_pays(TensorView<const std::uint8_t> bytes) const {
  return kernels::has_zeros(bytes.values(), zeros_that_pay());
}

Shape DenseOperation::packed_weight() const {
  return {inputs_, kernels::packed_columns(layer_.units)};
}

Shape DenseOperation::packed_gradient(std::size_t rows) const {
  return {rows, kernels::packed_columns(layer_.units)};
}

void DenseOperation::pack_weight(std::span<const float> theta, TensorView<float> packed) const {
  kernels::pack_rows(weight(theta), packed);
}

void DenseOperation::pack_weight(std::size_t task, std::size_t rows, std::span<const float> theta,
                                 TensorView<float> packed) const {
  const InputRange range = input_range(task, rows);
  kernels::pack_rows(weight(theta).slice(range.first, range.count),
                     packed.slice(range.first, range.count));
}

void DenseOperation::forward_bytes(std::span<const float> theta,
                                   TensorView<const std::uint8_t> bytes, float scale,
                                   ConstTensorView packed_weight, TensorView<float> y) const {
  kernels::byte_affine(bytes, scale, packed_weight, bias(theta), y);
}

void DenseOperation::forward_products(std::span<const float> theta, float scale,
                                      ConstTensorView first, ConstTensorView second,
                                      TensorView<float> y) const {
  kernels::affine_of_products(first, second, scale, bias(theta), y);
}

void DenseOperation::parameter_gradient_bytes(std::size_t task,
                                              TensorView<const std::uint8_t> bytes, float scale,
                                              ConstTensorView dy, ConstTensorView packed_dy,
                                              std::span<float> d_theta) const {
  const InputRange range = input_range(task, bytes.rows());
  kernels::byte_gemm_transposed(bytes, scale, packed_dy, range.first, weight_rows(d_theta, range));
  if (task == 0) kernels::sum_rows(dy, bias(d_theta));
}

void DenseOperation::parameter_gradient_bytes(std::size_t task,
                                              TensorView<const std::uint8_t> bytes, float scale,
                                              ConstTensorView dy,
                                              const kernels::amx::Packed& packed_dy,
                                              std::span<float> d_theta) const {
  const InputRange range = input_range(task, bytes.rows());
  kernels::amx::byte_gemm_transposed(bytes, scale, packed_dy, range.first,
                                     weight_rows(d_theta, range));
  if (task == 0) kernels::sum_rows(dy, bias(d_theta));
}

}  // namespace gradatim
