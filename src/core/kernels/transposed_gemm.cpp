// The product with a transposed right side for few rows, as the backward pass of a dense layer has
// it: dx = dy Wᵀ for a task's rows of the batch.
#include "core/kernels/transposed_gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/transposed_gemm.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/tiles-inl.h"
#include "core/kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr std::size_t kDepth = 512;  // of a panel: 64 KiB of it stay in the second-level cache
constexpr std::size_t kWidest = 48;  // three vectors of 16

// V vectors of columns of c.
template <std::size_t V>
void ColumnsOf(const TransposedProduct& p, std::size_t column, float* panel) {
  const std::size_t width = V * hn::Lanes(TileTag());
  const std::size_t columns = std::min(width, p.n - column);
  if (columns < width) std::fill_n(panel, kDepth * width, 0.0F);
  for (std::size_t first = 0; first < p.k; first += kDepth) {
    const std::size_t depth = std::min(kDepth, p.k - first);
    Transpose(columns, depth,
              {p.b + column * p.b_stride + first, static_cast<std::ptrdiff_t>(p.b_stride)},
              {panel, static_cast<std::ptrdiff_t>(width)});
    ForEachTile<V>(p.m, [&]<std::size_t R>(std::size_t row) HWY_ATTR {
      hn::Vec<TileTag> sum[R][V];
      Clear(sum);
      AddProducts<R, V>({p.a + row * p.a_stride + first, p.a_stride, 1}, panel, width, depth, sum);
      float* c = p.c + row * p.c_stride + column;
      if (p.accumulate || first > 0)
        StoreColumns<true>(sum, c, p.c_stride, columns);
      else
        StoreColumns<false>(sum, c, p.c_stride, columns);
    });
  }
}

void TransposedGemm(const TransposedProduct& p) {
  HWY_ALIGN float panel[kDepth * kWidest];
  const std::size_t lanes = hn::Lanes(TileTag());
  ForEachPanel((p.n + lanes - 1) / lanes * lanes,
               [&]<std::size_t V>(std::size_t column) HWY_ATTR { ColumnsOf<V>(p, column, panel); });
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
