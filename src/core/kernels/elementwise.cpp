#include "gradatim/core/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/elementwise.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include <algorithm>
#include <cmath>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// exp never overflows, its argument is -|x|; Highway's turns NaN into 0, so NaN is put back.
void Sigmoid(std::span<const float> x, std::span<float> y) {
  map(x, y, [](auto d, auto v) HWY_ATTR {
    const auto one = hn::Set(d, 1.0F);
    const auto e = hn::Exp(d, hn::Neg(hn::Abs(v)));
    const auto s = hn::Div(hn::IfThenElse(hn::Lt(v, hn::Zero(d)), e, one), hn::Add(one, e));
    return hn::IfThenElse(hn::IsNaN(v), v, s);
  });
}

void SigmoidBackward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  map(y, dy, dx, [](auto d, auto s, auto g) HWY_ATTR {
    return hn::Mul(g, hn::Mul(s, hn::Sub(hn::Set(d, 1.0F), s)));
  });
}

void Relu(std::span<const float> x, std::span<float> y) {
  map(x, y, [](auto d, auto v) HWY_ATTR { return hn::IfThenZeroElse(hn::Le(v, hn::Zero(d)), v); });
}

void ReluBackward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  map(y, dy, dx, [](auto d, auto v, auto g) HWY_ATTR {
    return hn::IfThenElseZero(hn::Gt(v, hn::Zero(d)), g);
  });
}

// Odd in x, by way of |x|: tanh = (1 - e) / (1 + e) with e = exp(-2|x|), and 1 - e by expm1.
void Tanh(std::span<const float> x, std::span<float> y) {
  map(x, y, [](auto d, auto v) HWY_ATTR {
    const auto magnitude = hn::Min(hn::Abs(v), hn::Set(d, 44.0F));
    const auto m = hn::Neg(hn::Expm1(d, hn::Mul(hn::Set(d, -2.0F), magnitude)));  // 1 - e
    const auto t = hn::CopySign(hn::Div(m, hn::Sub(hn::Set(d, 2.0F), m)), v);
    return hn::IfThenElse(hn::IsNaN(v), v, t);
  });
}

void TanhBackward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  map(y, dy, dx, [](auto d, auto t, auto g) HWY_ATTR {
    return hn::Mul(g, hn::NegMulAdd(t, t, hn::Set(d, 1.0F)));
  });
}

double Sum(std::span<const float> x) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d))
    sums = hn::Add(sums, hn::PromoteTo(d, hn::LoadU(half, x.data() + i)));
  double total = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < x.size(); ++i) total += x[i];
  return total;
}

bool AllFinite(std::span<const float> x) {
  const hn::ScalableTag<float> d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d))
    if (!hn::AllTrue(d, hn::IsFinite(hn::LoadU(d, x.data() + i)))) return false;
  for (; i < x.size(); ++i)
    if (!std::isfinite(x[i])) return false;
  return true;
}

void BytesToFloat(std::span<const std::uint8_t> bytes, float scale, std::span<float> out) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::int32_t, decltype(d)> d32;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const auto factor = hn::Set(d, scale);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= bytes.size(); i += hn::Lanes(d)) {
    const auto wide = hn::PromoteTo(d32, hn::LoadU(d8, bytes.data() + i));
    hn::StoreU(hn::Mul(hn::ConvertTo(d, wide), factor), d, out.data() + i);
  }
  for (; i < bytes.size(); ++i) out[i] = static_cast<float>(bytes[i]) * scale;
}

std::size_t CountZeros(std::span<const std::uint8_t> bytes) {
  const hn::ScalableTag<std::uint8_t> d;
  std::size_t zeros = 0;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= bytes.size(); i += hn::Lanes(d))
    zeros += hn::CountTrue(d, hn::Eq(hn::LoadU(d, bytes.data() + i), hn::Zero(d)));
  for (; i < bytes.size(); ++i) zeros += bytes[i] == 0 ? 1 : 0;
  return zeros;
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"
#include "gradatim/core/joining.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(Sigmoid);
HWY_EXPORT(SigmoidBackward);
HWY_EXPORT(Relu);
HWY_EXPORT(ReluBackward);
HWY_EXPORT(Tanh);
HWY_EXPORT(TanhBackward);
HWY_EXPORT(Sum);
HWY_EXPORT(AllFinite);
HWY_EXPORT(BytesToFloat);
HWY_EXPORT(CountZeros);
}  // namespace

void sigmoid(std::span<const float> x, std::span<float> y) {
  check_sizes("sigmoid", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(Sigmoid)(x, y);
}

void sigmoid_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  check_sizes("sigmoid_backward", y.size(), {dy.size(), dx.size()});
  HWY_DYNAMIC_DISPATCH(SigmoidBackward)(y, dy, dx);
}

void relu(std::span<const float> x, std::span<float> y) {
  check_sizes("relu", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(Relu)(x, y);
}

void relu_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  check_sizes("relu_backward", y.size(), {dy.size(), dx.size()});
  HWY_DYNAMIC_DISPATCH(ReluBackward)(y, dy, dx);
}

void tanh(std::span<const float> x, std::span<float> y) {
  check_sizes("tanh", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(Tanh)(x, y);
}

void tanh_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  check_sizes("tanh_backward", y.size(), {dy.size(), dx.size()});
  HWY_DYNAMIC_DISPATCH(TanhBackward)(y, dy, dx);
}

void sum_rows(ConstTensorView x, std::span<float> sums) {
  check_matrix("sum_rows", x.shape());
  check_sizes("sum_rows", x.shape()[1], {sums.size()});
  std::ranges::fill(sums, 0.0F);
  for (std::size_t i = 0; i < x.rows(); ++i) add_to(x.row(i), sums);
}

double sum(std::span<const float> x) { return HWY_DYNAMIC_DISPATCH(Sum)(x); }

bool all_finite(std::span<const float> x) { return HWY_DYNAMIC_DISPATCH(AllFinite)(x); }

std::size_t argmax(std::span<const float> x) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < x.size(); ++i)
    if (x[i] > x[best] || std::isnan(x[best])) best = i;
  return best;
}

void bytes_to_float(std::span<const std::uint8_t> bytes, float scale, std::span<float> out) {
  check_sizes("bytes_to_float", bytes.size(), {out.size()});
  HWY_DYNAMIC_DISPATCH(BytesToFloat)(bytes, scale, out);
}

std::size_t count_zeros(std::span<const std::uint8_t> bytes) {
  return HWY_DYNAMIC_DISPATCH(CountZeros)(bytes);
}

const char* instruction_set() {
  // Supported targets are bits, the best one lowest.
  const std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(supported & -supported);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
