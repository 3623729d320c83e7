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
#include <fmt/ranges.h>

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
        "{}: expected a processor with AMX-INT8 that the system lets this process use, and AVX-512 "
        "in use",
        operation));
}

void check_terms(const char* operation, std::size_t terms) {
  if (terms > kMostTerms)
    throw InvalidArgument(
        fmt::format("{}: expected sums of at most {} terms, got {}", operation, kMostTerms, terms));
}

}  // namespace

bool available() {
  static const bool is_there = unit::is_there();
  return is_there && HWY_DYNAMIC_DISPATCH(IsWideEnough)();
}

Packed::Packed(std::size_t rows, std::size_t of_columns)
    : most_rows(rows),
      columns(of_columns),
      packed_rows((columns + kPanel - 1) / kPanel),
      digits(unit::packed_size(rows, columns)),
      quanta(columns) {}

void pack(ConstTensorView x, std::size_t panel, Packed& to) {
  check_available("amx::pack");
  check_matrix("amx::pack", x.shape());
  if (x.rows() > to.most_rows || x.shape()[1] != to.columns)
    throw ShapeError(
        fmt::format("amx::pack: expected a gradient of at most {} rows and {} columns, "
                    "got {} and {}",
                    to.most_rows, to.columns, x.rows(), x.shape()[1]));
  if (panel >= to.packed_rows.size())
    throw InvalidArgument(fmt::format("amx::pack: expected a panel of the first {}, got number {}",
                                      to.packed_rows.size(), panel));
  unit::pack(x, panel, to);
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
      part.first_column > part.last_column || part.last_column > columns)
    throw InvalidArgument(fmt::format(
        "amx::byte_products: expected a part of {} inputs and {} columns, got [{}, {}) and [{}, "
        "{})",
        inputs, columns, part.first_input, part.last_input, part.first_column, part.last_column));
  check_terms("amx::byte_products", part.last_input - part.first_input);
  unit::byte_products(bytes, part, w, products);
}

void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale, const Packed& dy,
                          std::size_t first, TensorView<float> dw) {
  check_available("amx::byte_gemm_transposed");
  check_matrix("amx::byte_gemm_transposed", bytes.shape());
  check_matrix("amx::byte_gemm_transposed", dw.shape());
  check_terms("amx::byte_gemm_transposed", bytes.rows());
  const bool is_packed =
      std::ranges::all_of(dy.packed_rows, [&](std::size_t rows) { return rows == bytes.rows(); });
  if (dy.columns != dw.shape()[1] || !is_packed)
    throw ShapeError(
        fmt::format("amx::byte_gemm_transposed: expected a gradient packed of {} rows and {} "
                    "columns, got one of {} columns whose panels have {} rows",
                    bytes.rows(), dw.shape()[1], dy.columns, fmt::join(dy.packed_rows, ", ")));
  if (first > bytes.shape()[1] || dw.rows() > bytes.shape()[1] - first)
    detail::throw_row_range({bytes.shape()[1], dw.shape()[1]}, first, dw.rows());
  unit::byte_gemm_transposed(bytes, scale, dy, first, dw);
}

void reserve(const Part& part, std::size_t rows) { unit::reserve(part, rows); }

}  // namespace amx
}  // namespace gradatim::kernels
#endif  // HWY_ONCE
