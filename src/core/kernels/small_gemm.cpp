// Products too small for a library call: no packing buffers, so nothing is allocated.
#include "core/kernels/small_gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/small_gemm.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// R rows of V vectors of columns, the last of which may be in part beyond the end:
// c[r, :] (+)= sum_l a(r, l) b[l, :]
template <std::size_t R, std::size_t V, class D>
HWY_INLINE void Block(D d, const SmallProduct& p, std::size_t row, std::size_t column) {
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t last = column + (V - 1) * lanes;
  const auto inside = hn::FirstN(d, std::min(lanes, p.n - last));
  const auto load = [&](const float* from, std::size_t v) HWY_ATTR {
    return v + 1 < V ? hn::LoadU(d, from + v * lanes) : LoadMasked(inside, d, from + v * lanes);
  };
  hn::Vec<D> sum[R][V];
  for (auto& of_row : sum)
    for (auto& vector : of_row) vector = hn::Zero(d);
  const float* HWY_RESTRICT a = p.a + row * p.a_row_step;
  for (std::size_t l = 0; l < p.k; ++l)
    for (std::size_t v = 0; v < V; ++v) {
      const auto values = load(p.b + l * p.b_stride + column, v);
      for (std::size_t r = 0; r < R; ++r)
        sum[r][v] = hn::MulAdd(hn::Set(d, a[r * p.a_row_step + l * p.a_step]), values, sum[r][v]);
    }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < V; ++v) {
      float* HWY_RESTRICT c = p.c + (row + r) * p.n + column;
      if (p.accumulate) sum[r][v] = hn::Add(sum[r][v], load(c, v));
      hn::BlendedStore(sum[r][v], v + 1 < V ? hn::FirstN(d, lanes) : inside, d, c + v * lanes);
    }
}

// One row: the sums of neighbouring vectors keep the processor busy where there are no other rows.
// Half as wide as the widest, fewer loads meet the end of a cache line in the middle.
HWY_INLINE void Row(const SmallProduct& p, std::size_t row) {
  const hn::CappedTag<float, 8> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t column = 0;
  for (; column + 6 * lanes < p.n; column += 7 * lanes) Block<1, 7>(d, p, row, column);
  for (; column + 3 * lanes < p.n; column += 4 * lanes) Block<1, 4>(d, p, row, column);
  for (; column + lanes < p.n; column += 2 * lanes) Block<1, 2>(d, p, row, column);
  if (column < p.n) Block<1, 1>(d, p, row, column);
}

void SmallGemm(const SmallProduct& p) {
  const std::size_t blocked = p.m / 8 * 8;
  for (std::size_t column = 0; column < p.n; column += hn::Lanes(FloatTag()))
    for (std::size_t row = 0; row < blocked; row += 8) Block<8, 1>(FloatTag(), p, row, column);
  for (std::size_t row = blocked; row < p.m; ++row) Row(p, row);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(SmallGemm);
}  // namespace

void small_gemm(const SmallProduct& product) { HWY_DYNAMIC_DISPATCH(SmallGemm)(product); }

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
