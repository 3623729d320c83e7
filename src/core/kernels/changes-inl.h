// What the kernels of changes share: short polynomials and loops over columns. Included once per
// instruction set.
#if defined(GRADATIM_CORE_KERNELS_CHANGES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADATIM_CORE_KERNELS_CHANGES_INL_H
#undef GRADATIM_CORE_KERNELS_CHANGES_INL_H
#else
#define GRADATIM_CORE_KERNELS_CHANGES_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/loops-inl.h"
#include "gradatim/core/tensor.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// Arguments up to here are those that a numerical gradient's steps lead to.
constexpr float kSmall = 1.0F / 32;

HWY_INLINE FloatVector Constant(float value) { return hn::Set(FloatTag(), value); }

HWY_INLINE bool AllWithin(FloatVector magnitude, float bound) {
  return hn::AllTrue(FloatTag(), hn::Le(magnitude, Constant(bound)));
}

// t + t²/2 + t³/6 + t⁴/24: relative error at most |t|⁴/120 < 2^-26 for |t| <= kSmall.
HWY_INLINE FloatVector SmallExpm1(FloatVector t) {
  auto tail = hn::MulAdd(t, Constant(1.0F / 24), Constant(1.0F / 6));
  tail = hn::MulAdd(t, tail, Constant(0.5F));
  return hn::MulAdd(hn::Mul(t, t), tail, t);
}

// t - t²/2 + t³/3 - t⁴/4 + t⁵/5: relative error at most |t|⁵/6 < 2^-27 for |t| <= kSmall.
HWY_INLINE FloatVector SmallLog1p(FloatVector t) {
  auto tail = hn::MulAdd(t, Constant(0.2F), Constant(-0.25F));
  tail = hn::MulAdd(t, tail, Constant(1.0F / 3));
  tail = hn::MulAdd(t, tail, Constant(-0.5F));
  return hn::MulAdd(hn::Mul(t, t), tail, t);
}

using Mask = hn::Mask<FloatTag>;

// dy(i, j) = change(dx(i, j)) for one vector of columns j and all rows i.
template <class Change>
HWY_INLINE void MapColumn(ConstTensorView dx, TensorView<float> dy, std::size_t first, Mask mask,
                          Change change) {
  const FloatTag d;
  const std::size_t rows = dx.rows();
  const std::size_t stride = dx.row_size();
  const float* HWY_RESTRICT in = dx.data() + first;
  float* out = dy.data() + first;
  for (std::size_t i = 0; i < rows; ++i, in += stride, out += stride)
    hn::BlendedStore(change(LoadMasked(mask, d, in)), mask, d, out);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
