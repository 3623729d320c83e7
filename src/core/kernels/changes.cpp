// Changes of elementwise functions.
#include "gradatim/core/changes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/changes.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "core/kernels/changes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// scale · (sigmoid(scale · (x + dx)) - sigmoid(scale · x)) for scale 1 and 2, the latter being
// tanh.
HWY_INLINE void LogisticChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy,
                               float scale) {
  const FloatTag d;
  const auto one = Constant(1.0F);
  const auto factor = Constant(scale);
  ForColumns(x.size(), [&](std::size_t j, Mask mask) HWY_ATTR {
    const auto v = hn::Mul(factor, LoadMasked(mask, d, x.data() + j));
    const auto e = hn::Exp(d, hn::Neg(hn::Abs(v)));
    const auto larger = hn::Div(one, hn::Add(one, e));
    const auto smaller = hn::Mul(e, larger);
    const auto negative = hn::Lt(v, hn::Zero(d));
    const auto s = hn::IfThenElse(negative, smaller, larger);
    const auto r = hn::IfThenElse(negative, larger, smaller);
    const auto slope = hn::Mul(factor, hn::Mul(s, r));
    MapColumn(dx, dy, j, mask, [&](auto amount) HWY_ATTR {
      const auto t = hn::Mul(factor, amount);
      const auto minus = hn::Neg(hn::Abs(t));
      const auto rising = hn::Gt(t, hn::Zero(d));
      const auto p = hn::IfThenElse(rising, s, r);
      const auto q = hn::IfThenElse(rising, r, s);
      if (HWY_LIKELY(AllWithin(hn::Abs(t), kSmall))) {
        const auto change = SmallExpm1(minus);
        const auto magnitude = hn::Div(hn::Mul(slope, change), hn::MulAdd(q, change, one));
        return hn::CopySign(magnitude, t);
      }
      const auto change = hn::Expm1(d, minus);
      const auto below = hn::MulAdd(q, hn::Exp(d, minus), p);
      return hn::CopySign(hn::Div(hn::Mul(slope, change), below), t);
    });
  });
}

void SigmoidChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  LogisticChange(x, dx, dy, 1.0F);
}

void TanhChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  LogisticChange(x, dx, dy, 2.0F);
}

void ReluChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  const FloatTag d;
  ForColumns(x.size(), [&](std::size_t j, Mask mask) HWY_ATTR {
    const auto v = LoadMasked(mask, d, x.data() + j);
    const auto active = hn::Gt(v, hn::Zero(d));
    MapColumn(dx, dy, j, mask, [&](auto amount) HWY_ATTR {
      const auto after = hn::Gt(amount, hn::Neg(v));
      const auto from_active = hn::IfThenElse(after, amount, hn::Neg(v));
      return hn::IfThenElse(active, from_active, hn::IfThenElseZero(after, hn::Add(v, amount)));
    });
  });
}

void ReluCrossings(std::span<const float> x, ConstTensorView dx, TensorView<std::uint8_t> crossed) {
  for (std::size_t i = 0; i < dx.rows(); ++i) {
    const float* HWY_RESTRICT amount = dx.row(i).data();
    std::uint8_t* HWY_RESTRICT out = crossed.row(i).data();
    for (std::size_t j = 0; j < x.size(); ++j)
      out[j] |= static_cast<std::uint8_t>((x[j] > 0.0F) != (amount[j] > -x[j]));
  }
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(SigmoidChange);
HWY_EXPORT(TanhChange);
HWY_EXPORT(ReluChange);
HWY_EXPORT(ReluCrossings);
}  // namespace

void sigmoid_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  check_changes("sigmoid_change", x.size(), dx.shape(), dy.shape());
  HWY_DYNAMIC_DISPATCH(SigmoidChange)(x, dx, dy);
}

void tanh_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  check_changes("tanh_change", x.size(), dx.shape(), dy.shape());
  HWY_DYNAMIC_DISPATCH(TanhChange)(x, dx, dy);
}

void relu_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  check_changes("relu_change", x.size(), dx.shape(), dy.shape());
  HWY_DYNAMIC_DISPATCH(ReluChange)(x, dx, dy);
}

void relu_crossings(std::span<const float> x, ConstTensorView dx,
                    TensorView<std::uint8_t> crossed) {
  check_changes("relu_crossings", x.size(), dx.shape(), crossed.shape());
  HWY_DYNAMIC_DISPATCH(ReluCrossings)(x, dx, crossed);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
