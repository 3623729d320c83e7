#include "gradatim/core/amx.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/amx.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// The widest set in use, which tests may narrow, holds what the unit's code needs besides it.
bool IsWideEnough() { return HWY_TARGET <= HWY_AVX3; }

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <fmt/format.h>

#include <algorithm>

#include "core/kernels/amx_unit.hpp"
#include "core/kernels/checks.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(IsWideEnough);
}  // namespace

namespace amx {
namespace {

void check_available(const char* operation) {
  if (!available())
    throw InvalidArgument(fmt::format(
        "{}: expected a processor with AMX-BF16 that the system lets this process use, and AVX-512 "
        "in use",
        operation));
}

void check_packed(const char* operation, std::size_t rows, std::size_t columns, std::size_t size) {
  check_sizes(operation, packed_size(rows, columns), {size});
}

}  // namespace

bool available() {
  static const bool is_there = unit::is_there();
  return is_there && HWY_DYNAMIC_DISPATCH(IsWideEnough)();
}

std::size_t packed_size(std::size_t rows, std::size_t columns) {
  return unit::packed_size(rows, columns);
}

void pack(ConstTensorView x, std::size_t first, std::size_t rows, std::span<Bfloat16> packed) {
  check_available("amx::pack");
  check_matrix("amx::pack", x.shape());
  if (first > rows || x.rows() > rows - first)
    detail::throw_row_range({rows, x.shape()[1]}, first, x.rows());
  check_packed("amx::pack", rows, x.shape()[1], packed.size());
  unit::pack(x, first, rows, packed.data());
}

void byte_products(TensorView<const std::uint8_t> bytes, const Part& part, ConstTensorView w,
                   TensorView<float> products) {
  check_available("amx::byte_products");
  check_matrix("amx::byte_products", bytes.shape());
  const std::size_t inputs = bytes.shape()[1];
  check_matrix("amx::byte_products weight", w.shape());
  check_sizes("amx::byte_products weight", inputs, {w.rows()});
  const std::size_t columns = packed_columns(w.shape()[1]);
  check_shape("amx::byte_products output", {bytes.rows(), columns}, products.shape());
  if (part.first_input > part.last_input || part.last_input > inputs ||
      part.first_input % unit::kDepth != 0 || part.first_column > part.last_column ||
      part.last_column > columns || part.first_column % unit::kSide != 0 ||
      part.last_column % unit::kSide != 0)
    throw InvalidArgument(
        fmt::format("amx::byte_products: expected a part of {} inputs that begins at a multiple of "
                    "{}, and of {} columns between multiples of {}, got [{}, {}) and [{}, {})",
                    inputs, unit::kDepth, columns, unit::kSide, part.first_input, part.last_input,
                    part.first_column, part.last_column));
  unit::byte_products(bytes, part, w, products);
}

void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale,
                          std::span<const Bfloat16> packed_dy, std::size_t first,
                          TensorView<float> dw) {
  check_available("amx::byte_gemm_transposed");
  check_matrix("amx::byte_gemm_transposed", bytes.shape());
  check_matrix("amx::byte_gemm_transposed", dw.shape());
  check_packed("amx::byte_gemm_transposed gradient", bytes.rows(), dw.shape()[1], packed_dy.size());
  if (first > bytes.shape()[1] || dw.rows() > bytes.shape()[1] - first)
    detail::throw_row_range({bytes.shape()[1], dw.shape()[1]}, first, dw.rows());
  unit::byte_gemm_transposed(bytes, scale, packed_dy.data(), first, dw);
}

void reserve(std::size_t inputs, std::size_t rows) { unit::reserve(inputs, rows); }

}  // namespace amx
}  // namespace gradatim::kernels
#endif  // HWY_ONCE
