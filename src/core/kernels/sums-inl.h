// Sums in double over spans of floats. Included once per instruction set by the kernel files.
#if defined(GRADATIM_CORE_KERNELS_SUMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADATIM_CORE_KERNELS_SUMS_INL_H
#undef GRADATIM_CORE_KERNELS_SUMS_INL_H
#else
#define GRADATIM_CORE_KERNELS_SUMS_INL_H
#endif

#include <algorithm>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

using DoubleTag = hn::ScalableTag<double>;
using HalfTag = hn::Rebind<float, DoubleTag>;

// The sum over i of f(load), where load(p) gives p[i] of a row p for some neighbouring i.
template <class F>
HWY_INLINE double SumOver(std::size_t n, F f) {
  const DoubleTag d;
  const HalfTag half;
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  const auto load = [&](const float* p)
                        HWY_ATTR { return hn::PromoteTo(d, hn::LoadU(half, p + i)); };
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) sums = hn::Add(sums, f(load));
  if (i < n) {
    const auto tail = hn::FirstN(half, n - i);
    const auto load_tail = [&](const float* p)
                               HWY_ATTR { return hn::PromoteTo(d, LoadMasked(tail, half, p + i)); };
    sums = hn::Add(sums, hn::IfThenElseZero(hn::FirstN(d, n - i), f(load_tail)));
  }
  return hn::GetLane(hn::SumOfLanes(d, sums));
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
