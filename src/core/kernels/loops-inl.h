// Loops over spans of floats in whole SIMD vectors and a masked tail. Included once per
// instruction set by the kernel files, as Highway's own -inl headers are.
#if defined(GRADATIM_CORE_KERNELS_LOOPS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADATIM_CORE_KERNELS_LOOPS_INL_H
#undef GRADATIM_CORE_KERNELS_LOOPS_INL_H
#else
#define GRADATIM_CORE_KERNELS_LOOPS_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <span>

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

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
  hn::BlendedStore(f(d, hn::MaskedLoad(tail, d, x.data() + i)), tail, d, y.data() + i);
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
  const auto last =
      f(d, hn::MaskedLoad(tail, d, a.data() + i), hn::MaskedLoad(tail, d, b.data() + i));
  hn::BlendedStore(last, tail, d, out.data() + i);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
