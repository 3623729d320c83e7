// Transpositions in registers. Included once per instruction set by the kernel files, as Highway's
// own -inl headers are.
#if defined(GRADATIM_CORE_KERNELS_TRANSPOSE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADATIM_CORE_KERNELS_TRANSPOSE_INL_H
#undef GRADATIM_CORE_KERNELS_TRANSPOSE_INL_H
#else
#define GRADATIM_CORE_KERNELS_TRANSPOSE_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/transpose.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX2
constexpr std::size_t kTile = 8;

HWY_INLINE void TransposeTile(const float* from, std::ptrdiff_t from_stride, float* to,
                              std::ptrdiff_t to_stride) {
  const hn::CappedTag<float, 8> d;
  const hn::RepartitionToWide<decltype(d)> wide;
  hn::Vec<decltype(d)> rows[8];
  for (std::ptrdiff_t j = 0; j < 8; ++j) rows[j] = hn::LoadU(d, from + j * from_stride);
  for (std::ptrdiff_t half = 0; half < 2; ++half) {
    const auto pair = [&](std::size_t j) HWY_ATTR {
      return half == 0 ? hn::InterleaveLower(d, rows[j], rows[j + 1])
                       : hn::InterleaveUpper(d, rows[j], rows[j + 1]);
    };
    const auto ab = hn::BitCast(wide, pair(0));
    const auto cd = hn::BitCast(wide, pair(2));
    const auto ef = hn::BitCast(wide, pair(4));
    const auto gh = hn::BitCast(wide, pair(6));
    const auto even = hn::InterleaveLower(wide, ab, cd);  // columns 2 · half and 4 behind it
    const auto odd = hn::InterleaveUpper(wide, ab, cd);
    const auto even2 = hn::InterleaveLower(wide, ef, gh);
    const auto odd2 = hn::InterleaveUpper(wide, ef, gh);
    const auto store = [&](auto value, std::ptrdiff_t l)
                           HWY_ATTR { hn::StoreU(hn::BitCast(d, value), d, to + l * to_stride); };
    store(hn::ConcatLowerLower(wide, even2, even), 2 * half);
    store(hn::ConcatLowerLower(wide, odd2, odd), 2 * half + 1);
    store(hn::ConcatUpperUpper(wide, even2, even), 2 * half + 4);
    store(hn::ConcatUpperUpper(wide, odd2, odd), 2 * half + 5);
  }
}
#elif HWY_TARGET != HWY_SCALAR
constexpr std::size_t kTile = 4;

HWY_INLINE void TransposeTile(const float* from, std::ptrdiff_t from_stride, float* to,
                              std::ptrdiff_t to_stride) {
  const hn::Full128<float> d;
  const auto a = hn::LoadU(d, from);
  const auto b = hn::LoadU(d, from + from_stride);
  const auto e = hn::LoadU(d, from + 2 * from_stride);
  const auto f = hn::LoadU(d, from + 3 * from_stride);
  const hn::RepartitionToWide<decltype(d)> wide;
  const auto low = hn::BitCast(wide, hn::InterleaveLower(d, a, b));
  const auto high = hn::BitCast(wide, hn::InterleaveUpper(d, a, b));
  const auto low2 = hn::BitCast(wide, hn::InterleaveLower(d, e, f));
  const auto high2 = hn::BitCast(wide, hn::InterleaveUpper(d, e, f));
  const auto store = [&](auto value, std::ptrdiff_t l)
                         HWY_ATTR { hn::StoreU(hn::BitCast(d, value), d, to + l * to_stride); };
  store(hn::InterleaveLower(wide, low, low2), 0);
  store(hn::InterleaveUpper(wide, low, low2), 1);
  store(hn::InterleaveLower(wide, high, high2), 2);
  store(hn::InterleaveUpper(wide, high, high2), 3);
}
#else
constexpr std::size_t kTile = 1;

HWY_INLINE void TransposeTile(const float* from, std::ptrdiff_t, float* to, std::ptrdiff_t) {
  *to = *from;
}
#endif

// In tiles, the last of which overlap those before; matrices without a tile, value by value.
HWY_INLINE void Transpose(std::size_t rows, std::size_t columns, ConstStridedRows from,
                          StridedRows to) {
  const auto at = [&](std::size_t i, std::size_t j) {
    return from.data + static_cast<std::ptrdiff_t>(i) * from.stride + j;
  };
  const auto target = [&](std::size_t j, std::size_t i) {
    return to.data + static_cast<std::ptrdiff_t>(j) * to.stride + i;
  };
  if (rows < kTile || columns < kTile) {
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) *target(j, i) = *at(i, j);
    return;
  }
  for (std::size_t next_i = 0; next_i < rows; next_i += kTile) {
    const std::size_t i = std::min(next_i, rows - kTile);
    for (std::size_t next_j = 0; next_j < columns; next_j += kTile) {
      const std::size_t j = std::min(next_j, columns - kTile);
      TransposeTile(at(i, j), from.stride, target(j, i), to.stride);
    }
  }
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
