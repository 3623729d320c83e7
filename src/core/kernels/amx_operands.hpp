// Operands of the matrix unit. Tiles of the right one lie as the unit takes them: for each 32 rows,
// for each 16 columns, for each of the three parts of a float, 16 pairs of rows, in each 16
// columns, in each both rows' values. The left one, bytes, is brought into tiles by blocks of 32
// rows; what is zero in all of these in a step of 32 inputs is left out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/kernels/amx_unit.hpp"

// GCC 12 warns of the undefined vectors of its own intrinsics (its bug 105593).
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#define GRADATIM_AMX __attribute__((target("avx512f,avx512bw,avx512vl,amx-tile,amx-bf16")))

namespace gradatim::kernels::amx::unit {

constexpr std::size_t kParts = 3;                     // of a float
constexpr std::size_t kTile = kSide * kDepth;         // bfloat16s
constexpr std::size_t kColumnTiles = kParts * kTile;  // those of 16 columns
constexpr std::size_t kBlock = 2 * kSide;             // rows and columns of a block of four sums

inline std::size_t tiles_over(std::size_t columns) { return (columns + kSide - 1) / kSide; }
inline std::size_t steps_over(std::size_t rows) { return (rows + kDepth - 1) / kDepth; }

inline __mmask32 first_lanes(std::size_t count) {
  return count >= kDepth ? 0xFFFFFFFF : (1U << count) - 1;
}

// ---- The right operand

GRADATIM_AMX inline __m512 without_upper_half(__m512 x) {
  const __m512i upper =
      _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(static_cast<int>(0xFFFF0000)));
  return _mm512_sub_ps(x, _mm512_castsi512_ps(upper));
}

// The three parts of x and y, of each the upper halves of x's and y's lanes in turns; `halves` says
// which of them are stored.
GRADATIM_AMX inline void store_parts(__m512 x, __m512 y, __mmask32 halves, Bfloat16* to) {
  alignas(kAlignment) static constexpr std::uint16_t kUpperHalves[kDepth] = {
      1,  33, 3,  35, 5,  37, 7,  39, 9,  41, 11, 43, 13, 45, 15, 47,
      17, 49, 19, 51, 21, 53, 23, 55, 25, 57, 27, 59, 29, 61, 31, 63};
  const __m512i turns = _mm512_load_si512(kUpperHalves);
  for (std::size_t part = 0; part < kParts; ++part) {
    _mm512_mask_storeu_epi16(
        to + part * kTile, halves,
        _mm512_permutex2var_epi16(_mm512_castps_si512(x), turns, _mm512_castps_si512(y)));
    x = without_upper_half(x);
    y = without_upper_half(y);
  }
}

// The rows [first, last) of a matrix, of which `values` begins with the first.
struct Rows {
  const float* values;
  std::size_t stride;
  std::size_t first, last;

  bool has(std::size_t i) const { return i >= first && i < last; }
};

// Of row i, or zeros where x has none.
GRADATIM_AMX inline __m512 load_row(const Rows& x, std::size_t i, std::size_t column,
                                    __mmask16 inside) {
  return x.has(i) ? _mm512_maskz_loadu_ps(inside, x.values + (i - x.first) * x.stride + column)
                  : _mm512_setzero_ps();
}

// What x has of the 32 rows of a step, in the columns [column, last_column), the first 16 of them;
// zeros from x.last up to the row `end`.
GRADATIM_AMX inline void pack_tiles(const Rows& x, std::size_t step, std::size_t end,
                                    std::size_t column, std::size_t last_column, Bfloat16* to) {
  constexpr __mmask32 kUpper = 0x55555555;  // row of a pair
  const auto inside = static_cast<__mmask16>(first_lanes(last_column - column));
  const std::size_t begin = std::max(x.first, step * kDepth) / 2 * 2;
  const std::size_t behind = std::min(end, (step + 1) * kDepth);
  to += begin % kDepth / 2 * kDepth;
  for (std::size_t i = begin; i < behind; i += 2, to += kDepth) {
    const __mmask32 halves = (i >= x.first ? kUpper : 0) | (i + 1 < end ? ~kUpper : 0);
    store_parts(load_row(x, i, column, inside), load_row(x, i + 1, column, inside), halves, to);
  }
}

// Splits 32 columns of the last rows of a matrix into parts, from a multiple of 32 rows on, and
// zeros behind them up to another: some pairs of rows at each step of products, which leave the
// rest of the processor idle.
class PanelPacker {
 public:
  PanelPacker() = default;
  PanelPacker(const Rows& x, std::size_t row, std::size_t column, std::size_t last_column,
              Bfloat16* to, std::size_t pairs_a_step)
      : x_(x),
        row_(row),
        column_(column),
        pairs_(steps_over(x.last - row) * kSide),
        pairs_a_step_(pairs_a_step),
        inside_(first_lanes(last_column - column)),
        to_(to) {}

  void advance() { pack_to(std::min(pairs_, done_ + pairs_a_step_)); }
  void finish() { pack_to(pairs_); }

 private:
  GRADATIM_AMX void pack_to(std::size_t end) {
    for (; done_ < end; ++done_) pack_pair();
  }

  GRADATIM_AMX void pack_pair() {
    const std::size_t row = 2 * done_;
    Bfloat16* to = to_ + row / kDepth * 2 * kColumnTiles + row % kDepth / 2 * kDepth;
    pack_half(row_ + row, 0, to);
    if (inside_ >> kSide != 0) pack_half(row_ + row, kSide, to + kColumnTiles);
  }

  GRADATIM_AMX void pack_half(std::size_t row, std::size_t first, Bfloat16* to) {
    constexpr __mmask32 kBoth = 0xFFFFFFFF;
    const auto inside = static_cast<__mmask16>(inside_ >> first);
    store_parts(load_row(x_, row, column_ + first, inside),
                load_row(x_, row + 1, column_ + first, inside), kBoth, to);
  }

  Rows x_{};
  std::size_t row_ = 0;
  std::size_t column_ = 0;
  std::size_t pairs_ = 0;
  std::size_t pairs_a_step_ = 0;
  std::size_t done_ = 0;
  __mmask32 inside_ = 0;  // of the columns
  Bfloat16* to_ = nullptr;
};

// ---- The left operand

// Up to 32 rows of it: tiles of both halves of them, for the steps of 32 inputs where they have
// any.
struct LeftOperand {
  Bfloat16* tiles = nullptr;
  std::uint32_t* steps = nullptr;
  std::size_t count = 0;
  std::size_t rows = 0;
};

// 32 bytes as bfloat16s.
GRADATIM_AMX inline __m512i to_bfloat16(__m256i bytes) {
  const __m512i pairs = _mm512_cvtepu8_epi16(bytes);
  const __m512 even = _mm512_cvtepi32_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(0xFFFF)));
  const __m512 odd = _mm512_cvtepi32_ps(_mm512_srli_epi32(pairs, 16));
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even), 16),
                         _mm512_castps_si512(odd));
}

// Rows of bytes, of which the inputs [first, last) count.
GRADATIM_AMX inline void take_rows(TensorView<const std::uint8_t> bytes, std::size_t first,
                                   std::size_t last, LeftOperand& to) {
  const std::size_t stride = bytes.shape()[1];
  to.count = 0;
  to.rows = bytes.rows();
  for (std::size_t i = first; i < last; i += kDepth) {
    const __mmask32 inside = first_lanes(last - i);
    Bfloat16* tile = to.tiles + to.count * 2 * kTile;
    __m512i any = _mm512_setzero_si512();
    for (std::size_t r = 0; r < bytes.rows(); ++r) {
      const __m512i row =
          to_bfloat16(_mm256_maskz_loadu_epi8(inside, bytes.data() + r * stride + i));
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
  const std::size_t stride = bytes.shape()[1];
  const __mmask32 inside = first_lanes(last - first);
  to.count = 0;
  to.rows = last - first;
  for (std::size_t r = 0; r < bytes.rows(); r += kDepth) {
    __m512i columns[kSide];
    transpose(bytes.data() + r * stride + first, stride, bytes.rows() - r, inside, columns);
    Bfloat16* tile = to.tiles + to.count * 2 * kTile;
    __m512i any = _mm512_setzero_si512();
    for (std::size_t c = 0; c < kSide; ++c, tile += kDepth) {
      any = _mm512_or_si512(any, columns[c]);
      _mm512_storeu_si512(tile, to_bfloat16(_mm512_castsi512_si256(columns[c])));
      _mm512_storeu_si512(tile + kTile, to_bfloat16(_mm512_extracti64x4_epi64(columns[c], 1)));
    }
    if (_mm512_test_epi32_mask(any, any) == 0) continue;
    to.steps[to.count++] = static_cast<std::uint32_t>(r / kDepth);
  }
}

}  // namespace gradatim::kernels::amx::unit
