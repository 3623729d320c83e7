// The product with a transposed right side for few rows, as the backward pass of a dense layer has
// it: dx = dy Wᵀ for a task's rows of the batch.
#include "core/kernels/transposed_gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/transposed_gemm.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

using Tag = hn::CappedTag<float, 16>;
constexpr std::size_t kVectors = 2;  // of a panel, which is so many columns of c
constexpr std::size_t kDepth = 512;  // of the panel: 64 KiB of it stay in the second-level cache
constexpr std::size_t kWidest = kVectors * 16;
#if HWY_TARGET <= HWY_AVX3
constexpr std::size_t kRows = 13;  // 26 sums and what they need in 32 registers
#else
constexpr std::size_t kRows = 6;
#endif

#if HWY_TARGET <= HWY_AVX2
// to[l · stride + j] = from[j · from_stride + l] for 8 x 8 values.
HWY_INLINE void Transpose8(const float* from, std::size_t from_stride, float* to,
                           std::size_t stride) {
  const hn::CappedTag<float, 8> d;
  const hn::RepartitionToWide<decltype(d)> wide;
  hn::Vec<decltype(d)> rows[8];
  for (std::size_t j = 0; j < 8; ++j) rows[j] = hn::LoadU(d, from + j * from_stride);
  for (std::size_t half = 0; half < 2; ++half) {
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
    const auto store = [&](auto value, std::size_t l)
                           HWY_ATTR { hn::StoreU(hn::BitCast(d, value), d, to + l * stride); };
    store(hn::ConcatLowerLower(wide, even2, even), 2 * half);
    store(hn::ConcatLowerLower(wide, odd2, odd), 2 * half + 1);
    store(hn::ConcatUpperUpper(wide, even2, even), 2 * half + 4);
    store(hn::ConcatUpperUpper(wide, odd2, odd), 2 * half + 5);
  }
}
#endif

// panel[l · width + j] = b(j, l), zeros where b has no more rows.
void PackPanel(const float* b, std::size_t b_stride, std::size_t columns, std::size_t depth,
               std::size_t width, float* panel) {
  if (columns < width) std::fill_n(panel, depth * width, 0.0F);
  std::size_t tiled_columns = 0;
  std::size_t tiled_depth = 0;
#if HWY_TARGET <= HWY_AVX2
  tiled_columns = columns / 8 * 8;
  tiled_depth = depth / 8 * 8;
  for (std::size_t j = 0; j < tiled_columns; j += 8)
    for (std::size_t l = 0; l < tiled_depth; l += 8)
      Transpose8(b + j * b_stride + l, b_stride, panel + l * width + j, width);
#endif
  for (std::size_t j = 0; j < columns; ++j)
    for (std::size_t l = j < tiled_columns ? tiled_depth : 0; l < depth; ++l)
      panel[l * width + j] = b[j * b_stride + l];
}

// R rows of c by one panel.
template <std::size_t R>
void RowsByPanel(const TransposedProduct& p, std::size_t row, std::size_t column, std::size_t depth,
                 std::size_t first, const float* HWY_RESTRICT panel) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<Tag> sum[R][kVectors];
  for (auto& of_row : sum)
    for (auto& vector : of_row) vector = hn::Zero(d);
  const float* HWY_RESTRICT a = p.a + row * p.a_stride + first;
  for (std::size_t l = 0; l < depth; ++l, ++a, panel += kVectors * lanes) {
    hn::Vec<Tag> b[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) b[v] = hn::LoadU(d, panel + v * lanes);
    for (std::size_t r = 0; r < R; ++r) {
      const auto value = hn::Set(d, a[r * p.a_stride]);
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(value, b[v], sum[r][v]);
    }
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < kVectors && column + v * lanes < p.n; ++v) {
      const auto inside = hn::FirstN(d, std::min(lanes, p.n - column - v * lanes));
      float* c = p.c + (row + r) * p.c_stride + column + v * lanes;
      if (p.accumulate || first > 0) sum[r][v] = hn::Add(sum[r][v], LoadMasked(inside, d, c));
      hn::BlendedStore(sum[r][v], inside, d, c);
    }
}

template <std::size_t R>
void RowsOf(std::size_t rows, const TransposedProduct& p, std::size_t row, std::size_t column,
            std::size_t depth, std::size_t first, const float* panel) {
  if (rows == R) return RowsByPanel<R>(p, row, column, depth, first, panel);
  if constexpr (R > 1) RowsOf<R - 1>(rows, p, row, column, depth, first, panel);
}

void TransposedGemm(const TransposedProduct& p) {
  HWY_ALIGN float panel[kDepth * kWidest];
  const std::size_t width = kVectors * hn::Lanes(Tag());
  const std::size_t blocks = (p.m + kRows - 1) / kRows;
  for (std::size_t column = 0; column < p.n; column += width)
    for (std::size_t first = 0; first < p.k; first += kDepth) {
      const std::size_t depth = std::min(kDepth, p.k - first);
      PackPanel(p.b + column * p.b_stride + first, p.b_stride, std::min(width, p.n - column), depth,
                width, panel);
      for (std::size_t i = 0; i < blocks; ++i) {  // of rows, as even as they can be
        const std::size_t row = p.m * i / blocks;
        RowsOf<kRows>(p.m * (i + 1) / blocks - row, p, row, column, depth, first, panel);
      }
    }
}

bool IsWide() { return HWY_TARGET <= HWY_AVX3; }

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(TransposedGemm);
HWY_EXPORT(IsWide);
}  // namespace

bool transposed_gemm_pays(std::size_t m, std::size_t n, std::size_t k) {
  return m >= 8 && m <= 64 && n >= 32 && k >= 16 && HWY_DYNAMIC_DISPATCH(IsWide)();
}

void transposed_gemm(const TransposedProduct& product) {
  HWY_DYNAMIC_DISPATCH(TransposedGemm)(product);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
