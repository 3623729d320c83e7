// Loops over spans of floats in whole SIMD vectors and a masked tail. Included once per
// instruction set by the kernel files, as Highway's own -inl headers are.
#if defined(GRADATIM_CORE_KERNELS_LOOPS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADATIM_CORE_KERNELS_LOOPS_INL_H
#undef GRADATIM_CORE_KERNELS_LOOPS_INL_H
#else
#define GRADATIM_CORE_KERNELS_LOOPS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

// The first lanes of p, as many as the mask of hn::FirstN has, and zeros: no other lane is read.
// Before AVX2, Highway's MaskedLoad reads the whole vector, and expects it to be aligned.
template <class D>
HWY_INLINE hn::Vec<D> LoadMasked(hn::Mask<D> first, D d, const hn::TFromD<D>* HWY_RESTRICT p) {
#if HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(first, d, p);
#else
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)] = {};
  std::memcpy(lanes, p, hn::CountTrue(d, first) * sizeof(hn::TFromD<D>));
  return hn::Load(d, lanes);
#endif
}

// Calls work.operator()<N>() for N = count in [1, kMost].
template <std::size_t kMost, class Work>
HWY_INLINE void WithCount(std::size_t count, const Work& work) {
  if (count == kMost) return work.template operator()<kMost>();
  if constexpr (kMost > 1) WithCount<kMost - 1>(count, work);
}

// Calls body(first, mask) for each vector of columns.
template <class Body>
HWY_INLINE void ForColumns(std::size_t columns, Body body) {
  const FloatTag d;
  for (std::size_t j = 0; j < columns; j += hn::Lanes(d))
    body(j, hn::FirstN(d, std::min(hn::Lanes(d), columns - j)));
}

// The larger of each two, NaN where either is. On x86, hn::Max is its second argument where either
// is NaN; on other processors and without vectors it may drop the NaN of either.
template <class V>
HWY_INLINE V MaxOrNan(V a, V b) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_SSSE3
  return hn::IfThenElse(hn::IsNaN(a), a, hn::Max(a, b));
#else
  return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b);
#endif
}

// y[i] = f(d, x[i])
template <class F>
HWY_INLINE void map(std::span<const float> x, std::span<float> y, F f) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= x.size(); i += lanes)
    hn::StoreU(f(d, hn::LoadU(d, x.data() + i)), d, y.data() + i);
  if (i == x.size()) return;
  const auto tail = hn::FirstN(d, x.size() - i);
  hn::BlendedStore(f(d, LoadMasked(tail, d, x.data() + i)), tail, d, y.data() + i);
}

// out[i] = f(d, a[i], b[i])
template <class F>
HWY_INLINE void map(std::span<const float> a, std::span<const float> b, std::span<float> out, F f) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= a.size(); i += lanes)
    hn::StoreU(f(d, hn::LoadU(d, a.data() + i), hn::LoadU(d, b.data() + i)), d, out.data() + i);
  if (i == a.size()) return;
  const auto tail = hn::FirstN(d, a.size() - i);
  const auto last = f(d, LoadMasked(tail, d, a.data() + i), LoadMasked(tail, d, b.data() + i));
  hn::BlendedStore(last, tail, d, out.data() + i);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
