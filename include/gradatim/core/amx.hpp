#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gradatim/core/tensor.hpp"

/// Products of bytes and floats by the matrix unit of Intel's server processors since Sapphire
/// Rapids (AMX-BF16), float32.
///
/// A byte is a bfloat16, and a float the sum of three, each with 8 bits of it; so every product is
/// exact, and sums are those of float32: of 32 terms at a time, the even and the odd ones by
/// themselves, then both together, then to what there is, once for each of the three. |y - ŷ| is at
/// most (18 + depth / 10) 2^-24 |x| |w| + 2^-124 (|x| + depth): the unit takes parts and sums below
/// 1.2e-38 for zero, and so drops the last digits of a float below 1e-31. An infinity on the side
/// of the floats makes a NaN, or nothing where a block of 32 rows meets it with zeros. Intel 64 and
/// IA-32 Architectures Software Developer's Manual, volume 2, TDPBF16PS.
namespace gradatim::kernels::amx {

/// Whether the processor has the unit, the system lets the process use it, and AVX-512 is among
/// the instruction sets in use. The first call asks Linux for the process's permission to use tiles
/// (ARCH_REQ_XCOMP_PERM), which is not given back: signal stacks (sigaltstack) must then have room
/// for them, and it is refused where one has not. What pack and the products below throw without
/// the unit is InvalidArgument.
bool available();

/// What floats are packed to: the upper half of each of three parts.
using Bfloat16 = std::uint16_t;
/// How many `pack` makes of a matrix.
std::size_t packed_size(std::size_t rows, std::size_t columns);
/// Packs x (count, columns) as rows [first, first + count) of a matrix of `rows`, zeros behind the
/// last of these. Tasks may each pack some of the rows.
void pack(ConstTensorView x, std::size_t first, std::size_t rows, std::span<Bfloat16> packed);

/// A part of a product: the inputs, of which the first is a multiple of 32, and the columns, from
/// one multiple of 16 to another.
struct Part {
  std::size_t first_input, last_input;
  std::size_t first_column, last_column;
};
/// products[:, columns] = bytes[:, inputs] w[inputs, columns], for bytes (rows, inputs), w (inputs,
/// units) and products (rows, packed_columns(units)). Of finite w, a row's bits hang on none beside
/// it.
void byte_products(TensorView<const std::uint8_t> bytes, const Part& part, ConstTensorView w,
                   TensorView<float> products);
/// Rows [first, first + dw.rows()) of the gradient of w: dw = scale · bytes[:, first...]ᵀ dy, for
/// dy (rows, units) packed and dw (count, units).
void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale,
                          std::span<const Bfloat16> packed_dy, std::size_t first,
                          TensorView<float> dw);
/// Takes what the calling thread needs for products of up to so many inputs and rows, which are
/// otherwise taken when it meets them.
void reserve(std::size_t inputs, std::size_t rows);

}  // namespace gradatim::kernels::amx
