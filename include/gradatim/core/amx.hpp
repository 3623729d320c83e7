#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gradatim/core/tensor.hpp"

/// Products of bytes and floats by the matrix unit of Intel's server processors since Sapphire
/// Rapids (AMX-INT8), float32.
///
/// The floats of a column become fixed-point numbers, multiples of one quantum: the power of two by
/// which the largest of them has 23 bits (weights) or 31 (gradients), one less where its upper byte
/// would be 128, but at least 2^-126. They are three or four signed bytes, their digits, and the
/// products of bytes with digits are added up as integers, without rounding, so that their order is
/// of no account. What rounds is a float whose last bits are below its column's quantum, and the
/// sum: with m the largest magnitude of a column of w or dy and |x| the sum of the bytes,
/// |y - ŷ| <= 2^-23 |y| + (2^-22 m + 2^-126) |x|,
/// |dw - d̂w| <= 2^-23 |dw| + scale (2^-29 m + 2^-126) |x| + 2^-149, 2^-23 m where |x| is above
/// 2^17. So a weight that is 2^k times as large as the others of its column costs them k of 23
/// bits, even where its byte is 0; weights of like magnitude have the accuracy of float32's sums.
/// Gradients are not like that, since a few samples of a batch outweigh the rest, and so have a
/// digit more. A column with an infinity or a NaN has nothing but NaN. Intel 64 and IA-32
/// Architectures Software Developer's Manual, volume 2, TDPBUSD.
namespace gradatim::kernels::amx {

/// Whether the processor has the unit, the system lets the process use it, and AVX-512 is among
/// the instruction sets in use. The first call asks Linux for the process's permission to use tiles
/// (ARCH_REQ_XCOMP_PERM), which is not given back: signal stacks (sigaltstack) must then have room
/// for them, and it is refused where one has not. What pack and the products below throw without
/// the unit is InvalidArgument.
bool available();

/// Terms that a sum may have: that many of 255 · 128 are within 32 bits.
constexpr std::size_t kMostTerms = 65'536;

/// Columns that are packed together.
constexpr std::size_t kPanel = 16;

/// A gradient of up to so many rows, as the unit takes it.
struct Packed {
  Packed() = default;
  Packed(std::size_t most_rows, std::size_t columns);

  std::size_t most_rows = 0;
  std::size_t columns = 0;
  std::vector<std::size_t> packed_rows = {};  // of each panel
  AlignedVector<std::int8_t> digits = {};
  AlignedVector<float> quanta = {};  // of each column
};

/// Packs the columns of x from panel · kPanel on, up to the next panel's. Tasks may each pack some
/// panels.
void pack(ConstTensorView x, std::size_t panel, Packed& to);

/// A part of a product.
struct Part {
  std::size_t first_input, last_input;
  std::size_t first_column, last_column;
};
/// products[:, columns] = bytes[:, inputs] w[inputs, columns], for bytes (rows, inputs), w (inputs,
/// units) and products (rows, packed_columns(units)), of which columns behind the units are left as
/// they are. A row's bits hang on none beside it, a column's neither.
void byte_products(TensorView<const std::uint8_t> bytes, const Part& part, ConstTensorView w,
                   TensorView<float> products);
/// Rows [first, first + dw.rows()) of the gradient of w: dw = scale · bytes[:, first...]ᵀ dy, for
/// dy (rows, units), all of whose panels are packed, and dw (count, units).
void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale, const Packed& dy,
                          std::size_t first, TensorView<float> dw);
/// Takes what the calling thread needs for products of parts as large and up to so many rows, which
/// is otherwise taken when it meets them.
void reserve(const Part& part, std::size_t rows);

}  // namespace gradatim::kernels::amx
