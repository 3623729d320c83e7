// Products too small for a library call: no packing buffers, so nothing is allocated.
#include "core/kernels/small_gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/small_gemm.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// R rows of up to one vector of columns: c[r, :] (+)= sum_l a(r, l) b[l, :]
template <std::size_t R>
HWY_INLINE void Block(const SmallProduct& p, std::size_t row, std::size_t column) {
  const FloatTag d;
  const auto inside = hn::FirstN(d, std::min(hn::Lanes(d), p.n - column));
  const float* HWY_RESTRICT b = p.b + column;
  FloatVector sum[R];
  for (std::size_t r = 0; r < R; ++r) sum[r] = hn::Zero(d);
  const float* HWY_RESTRICT a = p.a + row * p.a_row_step;
  for (std::size_t l = 0; l < p.k; ++l) {
    const auto values = LoadMasked(inside, d, b + l * p.b_stride);
    for (std::size_t r = 0; r < R; ++r)
      sum[r] = hn::MulAdd(hn::Set(d, a[r * p.a_row_step + l * p.a_step]), values, sum[r]);
  }
  for (std::size_t r = 0; r < R; ++r) {
    float* HWY_RESTRICT c = p.c + (row + r) * p.n + column;
    if (p.accumulate) sum[r] = hn::Add(sum[r], LoadMasked(inside, d, c));
    hn::BlendedStore(sum[r], inside, d, c);
  }
}

void SmallGemm(const SmallProduct& p) {
  for (std::size_t column = 0; column < p.n; column += hn::Lanes(FloatTag())) {
    std::size_t row = 0;
    for (; row + 8 <= p.m; row += 8) Block<8>(p, row, column);
    for (; row < p.m; ++row) Block<1>(p, row, column);
  }
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
