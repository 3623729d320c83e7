#pragma once

#include <cstddef>
#include <cstdint>

#include "gradatim/core/amx.hpp"

/// What gradatim/core/amx.hpp declares, unchecked; of no use where is_there() is false.
namespace gradatim::kernels::amx::unit {

constexpr std::size_t kSide = 16;   // rows of a tile, and sums in a row
constexpr std::size_t kDepth = 64;  // bytes in a row

bool is_there();
std::size_t packed_size(std::size_t rows, std::size_t columns);
void pack(ConstTensorView x, std::size_t panel, Packed& to);
void byte_products(TensorView<const std::uint8_t> bytes, const Part& part, ConstTensorView w,
                   TensorView<float> products);
void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale, const Packed& dy,
                          std::size_t first, TensorView<float> dw);
void reserve(const Part& part, std::size_t rows);

}  // namespace gradatim::kernels::amx::unit
