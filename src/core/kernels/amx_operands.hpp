// Operands of the matrix unit. The right one, floats, is packed by panels of up to 16 columns, as
// fixed-point numbers of three or four signed bytes, their digits: for each 64 rows, for each 4 of
// these, the last digits of all columns, then the second last ones, and so on, of each the 4 rows'
// side by side. The left one, bytes, is brought into tiles by blocks of 32 rows; what is zero in
// all of these in a step of 64 is left out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/kernels/amx_unit.hpp"

// GCC 12 warns of the undefined vectors of its own intrinsics (its bug 105593).
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#define GRADATIM_AMX __attribute__((target("avx512f,avx512bw,avx512vl,amx-tile,amx-int8")))

namespace gradatim::kernels::amx::unit {

constexpr std::size_t kWeightDigits = 3;        // of a weight: no less accurate than floats' sums
constexpr std::size_t kGradientDigits = 4;      // where a few samples of a batch outweigh the rest
constexpr std::size_t kQuad = 4;                // rows whose digits lie side by side
constexpr std::size_t kQuads = kDepth / kQuad;  // of a step
constexpr std::size_t kBlock = 2 * kSide;       // rows of a block of sums
constexpr std::size_t kTile = kSide * kDepth;   // bytes

// How many pieces of so much hold it.
constexpr std::size_t pieces(std::size_t count, std::size_t size) {
  return (count + size - 1) / size;
}
constexpr std::size_t steps_over(std::size_t rows) { return pieces(rows, kDepth); }
constexpr std::size_t panels_over(std::size_t columns) { return pieces(columns, kPanel); }
// The sums of a row of a panel, and what pads them to whole tiles.
constexpr std::size_t sums_over(std::size_t columns, std::size_t digits) {
  return pieces(digits * columns, kSide) * kSide;
}
constexpr std::size_t panel_size(std::size_t rows, std::size_t digits) {
  return steps_over(rows) * kDepth * sums_over(kPanel, digits);
}

inline __mmask16 first_lanes(std::size_t count) {
  return static_cast<__mmask16>(count >= kSide ? 0xFFFF : (1U << count) - 1);
}

// ---- The right operand

// Some columns, at most kPanel, of rows that lie `stride` apart.
struct Panel {
  const float* values = nullptr;
  std::size_t stride = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
};

// Of row i, or zeros where there is none.
GRADATIM_AMX inline __m512 load_row(const Panel& x, std::size_t i, __mmask16 inside) {
  return i < x.rows ? _mm512_maskz_loadu_ps(inside, x.values + i * x.stride) : _mm512_setzero_ps();
}

// The quantum by the bits of the largest magnitude: the power of two by which that has one bit less
// than its digits, or two less where the upper digit would be 128; or 2^-126 where that is more;
// NaN where the magnitude is not finite.
template <std::size_t kDigits>
GRADATIM_AMX inline __m512i quantum_by(__m512i largest) {
  constexpr int kMantissa = 23;
  constexpr int kPlaces = 8 * kDigits - 2;        // below the first bit
  constexpr int kBalanced = 0x7FFFFF - 0x7EFEFE;  // from the last mantissa whose digits fit
  const __m512i exponent =
      _mm512_srli_epi32(_mm512_add_epi32(largest, _mm512_set1_epi32(kBalanced)), kMantissa);
  const __m512i quantum = _mm512_max_epi32(_mm512_sub_epi32(exponent, _mm512_set1_epi32(kPlaces)),
                                           _mm512_set1_epi32(1));
  return _mm512_mask_slli_epi32(_mm512_set1_epi32(0x7FC00000),
                                _mm512_cmplt_epu32_mask(largest, _mm512_set1_epi32(0x7F800000)),
                                quantum, kMantissa);
}

// Of the columns from `first_column` on, so many vectors of a row at a time.
template <std::size_t kDigits, std::size_t kVectors>
GRADATIM_AMX inline void find_quanta(ConstTensorView x, std::size_t first_column,
                                     std::span<float> quanta) {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  for (std::size_t j = 0; j < quanta.size(); j += kVectors * kSide) {
    __mmask16 inside[kVectors];
    __m512i largest[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      inside[v] = first_lanes(quanta.size() - std::min(quanta.size(), j + v * kSide));
      largest[v] = _mm512_setzero_si512();
    }
    const float* row = x.data() + first_column + j;
    for (std::size_t i = 0; i < x.rows(); ++i, row += x.shape()[1])
      for (std::size_t v = 0; v < kVectors; ++v)
        largest[v] = _mm512_max_epu32(
            largest[v],
            _mm512_and_si512(magnitude, _mm512_maskz_loadu_epi32(inside[v], row + v * kSide)));
    for (std::size_t v = 0; v < kVectors; ++v)
      _mm512_mask_storeu_epi32(quanta.data() + j + v * kSide, inside[v],
                               quantum_by<kDigits>(largest[v]));
  }
}

// The digits of q, from -128 to 127, in the lower bytes.
template <std::size_t kDigits>
GRADATIM_AMX inline __m512i balanced_digits(__m512i q) {
  const __m512i halves = _mm512_set1_epi32(static_cast<int>(0x80808080U >> (32 - 8 * kDigits)));
  return _mm512_xor_si512(_mm512_add_epi32(q, halves), halves);
}

// The bits of a where mask has them, and those of b.
GRADATIM_AMX inline __m512i choose(__m512i mask, __m512i a, __m512i b) {
  return _mm512_ternarylogic_epi32(mask, a, b, 0xCA);
}

// The lower bytes of four rows side by side, each of the 16 lanes by itself.
template <std::size_t kDigits>
GRADATIM_AMX inline void join_digits(const __m512i (&rows)[kQuad], __m512i (&digits)[kDigits]) {
  const __m512i even = _mm512_set1_epi32(0x00FF00FF);
  const __m512i lower = _mm512_set1_epi32(0x0000FFFF);
  const __m512i a = choose(even, rows[0], _mm512_slli_epi32(rows[1], 8));
  const __m512i b = choose(even, _mm512_srli_epi32(rows[0], 8), rows[1]);
  const __m512i c = choose(even, rows[2], _mm512_slli_epi32(rows[3], 8));
  const __m512i d = choose(even, _mm512_srli_epi32(rows[2], 8), rows[3]);
  digits[0] = choose(lower, a, _mm512_slli_epi32(c, 16));
  digits[1] = choose(lower, b, _mm512_slli_epi32(d, 16));
  digits[2] = choose(lower, _mm512_srli_epi32(a, 16), c);
  if constexpr (kDigits == 4) digits[3] = choose(lower, _mm512_srli_epi32(b, 16), d);
}

// Packs a panel, some rows at each step of products, which leave the rest of the processor idle.
template <std::size_t kDigits>
class PanelPacker {
 public:
  PanelPacker() = default;
  // In so many steps; digits are written from the beginning on, at most panel_size().
  PanelPacker(const Panel& x, const float* quanta, std::int8_t* digits, std::size_t steps)
      : x_(x),
        digits_(digits),
        quads_(pieces(x.rows, kQuad)),  // the rows behind them meet zeros
        quads_a_step_(pieces(quads_, steps)) {
    for (std::size_t j = 0; j < x.columns; ++j) by_quantum_[j] = 1 / quanta[j];
  }

  void advance() { pack_to(std::min(quads_, done_ + quads_a_step_)); }
  void finish() { pack_to(quads_); }

 private:
  GRADATIM_AMX void pack_to(std::size_t end) {
    for (; done_ < end; ++done_) pack_quad();
  }

  GRADATIM_AMX void pack_quad() {
    const __mmask16 inside = first_lanes(x_.columns);
    const __m512 by_quantum = _mm512_load_ps(by_quantum_);
    __m512i rows[kQuad];
    for (std::size_t i = 0; i < kQuad; ++i)
      rows[i] = balanced_digits<kDigits>(_mm512_cvt_roundps_epi32(
          _mm512_mul_ps(load_row(x_, done_ * kQuad + i, inside), by_quantum),
          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    __m512i digits[kDigits];
    join_digits(rows, digits);
    std::int8_t* to = digits_ + done_ * kQuad * sums_over(x_.columns, kDigits);
    for (std::size_t i = 0; i < kDigits; ++i, to += kQuad * x_.columns)
      _mm512_mask_storeu_epi32(to, inside, digits[i]);
  }

  Panel x_{};
  std::int8_t* digits_ = nullptr;
  std::size_t quads_ = 0;
  std::size_t quads_a_step_ = 0;
  std::size_t done_ = 0;
  alignas(kAlignment) float by_quantum_[kPanel] = {};  // 1 / quantum
};

// ---- The left operand

// Up to 32 rows of it: tiles of both halves of them, for the steps of 64 where they have any.
struct LeftOperand {
  std::uint8_t* tiles = nullptr;
  std::uint32_t* steps = nullptr;
  std::size_t count = 0;
  std::size_t rows = 0;
};

// Rows of bytes, of which the inputs [first, last) count.
GRADATIM_AMX inline void take_rows(TensorView<const std::uint8_t> bytes, std::size_t first,
                                   std::size_t last, LeftOperand& to) {
  const std::size_t stride = bytes.shape()[1];
  to.count = 0;
  to.rows = bytes.rows();
  for (std::size_t i = first; i < last; i += kDepth) {
    const __mmask64 inside = last - i >= kDepth ? ~__mmask64{0} : (__mmask64{1} << (last - i)) - 1;
    std::uint8_t* tile = to.tiles + to.count * 2 * kTile;
    __m512i any = _mm512_setzero_si512();
    for (std::size_t r = 0; r < bytes.rows(); ++r) {
      const __m512i row = _mm512_maskz_loadu_epi8(inside, bytes.data() + r * stride + i);
      any = _mm512_or_si512(any, row);
      _mm512_storeu_si512(tile + r * kDepth, row);
    }
    if (_mm512_test_epi32_mask(any, any) == 0) continue;
    to.steps[to.count++] = static_cast<std::uint32_t>((i - first) / kDepth);
  }
}

// columns[c] = the columns c and c + 16 of up to 32 rows of 32 bytes, those of `inside`, and zeros.
GRADATIM_AMX inline void transpose(const std::uint8_t* bytes, std::size_t stride, std::size_t rows,
                                   __mmask32 inside, __m512i (&columns)[kSide]) {
  const auto load = [&](std::size_t r) GRADATIM_AMX {
    return r < rows ? _mm256_maskz_loadu_epi8(inside, bytes + r * stride) : _mm256_setzero_si256();
  };
  __m512i other[kSide];
  for (std::size_t r = 0; r < kSide; ++r)
    columns[r] = _mm512_inserti64x4(_mm512_castsi256_si512(load(r)), load(r + kSide), 1);
  const auto shuffle = [](const __m512i* from, __m512i* to) GRADATIM_AMX {
    for (std::size_t i = 0; i < kSide / 2; ++i) {
      to[2 * i] = _mm512_unpacklo_epi8(from[i], from[i + kSide / 2]);
      to[2 * i + 1] = _mm512_unpackhi_epi8(from[i], from[i + kSide / 2]);
    }
  };
  // Four perfect shuffles transpose quarters of 16 by 16, of which the middle ones change places.
  shuffle(columns, other);
  shuffle(other, columns);
  shuffle(columns, other);
  shuffle(other, columns);
  for (__m512i& each : columns) each = _mm512_shuffle_i64x2(each, each, 0b11'01'10'00);
}

// The columns [first, last) of bytes, at most 32, as rows.
GRADATIM_AMX inline void take_columns(TensorView<const std::uint8_t> bytes, std::size_t first,
                                      std::size_t last, LeftOperand& to) {
  constexpr std::size_t kHalf = kDepth / 2;
  const std::size_t stride = bytes.shape()[1];
  const auto inside = static_cast<__mmask32>((std::uint64_t{1} << (last - first)) - 1);
  to.count = 0;
  to.rows = last - first;
  for (std::size_t step = 0; step * kDepth < bytes.rows(); ++step) {
    std::uint8_t* const tile = to.tiles + to.count * 2 * kTile;
    __m512i any = _mm512_setzero_si512();
    for (std::size_t half = 0; half < 2; ++half) {
      const std::size_t r = std::min(bytes.rows(), step * kDepth + half * kHalf);
      __m512i columns[kSide];
      transpose(bytes.data() + r * stride + first, stride, bytes.rows() - r, inside, columns);
      std::uint8_t* row = tile + half * kHalf;
      for (std::size_t c = 0; c < kSide; ++c, row += kDepth) {
        any = _mm512_or_si512(any, columns[c]);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(row), _mm512_castsi512_si256(columns[c]));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + kTile),
                            _mm512_extracti64x4_epi64(columns[c], 1));
      }
    }
    if (_mm512_test_epi32_mask(any, any) == 0) continue;
    to.steps[to.count++] = static_cast<std::uint32_t>(step);
  }
}

}  // namespace gradatim::kernels::amx::unit
