#include "gradatim/core/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/activations.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// 1 / (1 + exp(-v)); exp never overflows, its argument is -|v|.
HWY_INLINE FloatVector Logistic(FloatVector v) {
  const FloatTag d;
  const auto one = hn::Set(d, 1.0F);
  const auto e = hn::Exp(d, hn::Neg(hn::Abs(v)));
  return hn::Div(hn::IfThenElse(hn::Lt(v, hn::Zero(d)), e, one), hn::Add(one, e));
}

// Highway's exp turns NaN into 0, so NaN is put back.
HWY_INLINE FloatVector KeepNan(FloatVector x, FloatVector y) {
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

void LeakyRelu(std::span<const float> x, std::span<float> y, float slope) {
  map(x, y, [=](auto d, auto v) HWY_ATTR {
    return hn::IfThenElse(hn::Le(v, hn::Zero(d)), hn::Mul(v, hn::Set(d, slope)), v);
  });
}

void LeakyReluBackward(std::span<const float> y, std::span<const float> dy, std::span<float> dx,
                       float slope) {
  map(y, dy, dx, [=](auto d, auto v, auto g) HWY_ATTR {
    return hn::IfThenElse(hn::Gt(v, hn::Zero(d)), g, hn::Mul(g, hn::Set(d, slope)));
  });
}

void Silu(std::span<const float> x, std::span<float> y) {
  map(x, y, [](auto, auto v) HWY_ATTR { return KeepNan(v, hn::Mul(v, Logistic(v))); });
}

void SiluBackward(std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  map(x, dy, dx, [](auto d, auto v, auto g) HWY_ATTR {
    const auto one = hn::Set(d, 1.0F);
    const auto s = Logistic(v);
    return KeepNan(v, hn::Mul(g, hn::Mul(s, hn::MulAdd(v, hn::Sub(one, s), one))));
  });
}

// 2 sqrt(2 / pi) and the same times 0.044715: 0.5 (1 + tanh(u)) is the logistic function of 2 u.
constexpr float kGeluLinear = 1.5957691216057308F;
constexpr float kGeluCubic = 0.07135481282052628F;

HWY_INLINE FloatVector GeluGate(FloatVector v) {
  const FloatTag d;
  const auto slope = hn::MulAdd(hn::Set(d, kGeluCubic), hn::Mul(v, v), hn::Set(d, kGeluLinear));
  return Logistic(hn::Mul(v, slope));
}

void Gelu(std::span<const float> x, std::span<float> y) {
  map(x, y, [](auto, auto v) HWY_ATTR { return KeepNan(v, hn::Mul(v, GeluGate(v))); });
}

void GeluBackward(std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  map(x, dy, dx, [](auto d, auto v, auto g) HWY_ATTR {
    const auto s = GeluGate(v);
    // Far out the gate is 0 or 1 and its own slope 0, which v² must not turn into NaN.
    const auto near = hn::Clamp(v, hn::Set(d, -100.0F), hn::Set(d, 100.0F));
    const auto slope =
        hn::MulAdd(hn::Set(d, 3.0F * kGeluCubic), hn::Mul(near, near), hn::Set(d, kGeluLinear));
    const auto rest = hn::Mul(hn::Mul(s, hn::Sub(hn::Set(d, 1.0F), s)), hn::Mul(near, slope));
    return KeepNan(v, hn::Mul(g, hn::Add(s, rest)));
  });
}

void Softplus(std::span<const float> x, std::span<float> y) {
  map(x, y, [](auto d, auto v) HWY_ATTR {
    const auto e = hn::Exp(d, hn::Neg(hn::Abs(v)));
    return KeepNan(v, hn::Add(hn::Max(v, hn::Zero(d)), hn::Log1p(d, e)));
  });
}

// The logistic function of x is 1 - exp(-y).
void SoftplusBackward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  map(y, dy, dx, [](auto d, auto v, auto g) HWY_ATTR {
    const auto near = hn::Min(v, hn::Set(d, 80.0F));
    return KeepNan(v, hn::Mul(g, hn::Neg(hn::Expm1(d, hn::Neg(near)))));
  });
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(LeakyRelu);
HWY_EXPORT(LeakyReluBackward);
HWY_EXPORT(Silu);
HWY_EXPORT(SiluBackward);
HWY_EXPORT(Gelu);
HWY_EXPORT(GeluBackward);
HWY_EXPORT(Softplus);
HWY_EXPORT(SoftplusBackward);
}  // namespace

void leaky_relu(std::span<const float> x, std::span<float> y, float slope) {
  check_sizes("leaky_relu", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(LeakyRelu)(x, y, slope);
}

void leaky_relu_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx,
                         float slope) {
  check_sizes("leaky_relu_backward", y.size(), {dy.size(), dx.size()});
  HWY_DYNAMIC_DISPATCH(LeakyReluBackward)(y, dy, dx, slope);
}

void silu(std::span<const float> x, std::span<float> y) {
  check_sizes("silu", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(Silu)(x, y);
}

void silu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  check_sizes("silu_backward", x.size(), {dy.size(), dx.size()});
  HWY_DYNAMIC_DISPATCH(SiluBackward)(x, dy, dx);
}

void gelu(std::span<const float> x, std::span<float> y) {
  check_sizes("gelu", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(Gelu)(x, y);
}

void gelu_backward(std::span<const float> x, std::span<const float> dy, std::span<float> dx) {
  check_sizes("gelu_backward", x.size(), {dy.size(), dx.size()});
  HWY_DYNAMIC_DISPATCH(GeluBackward)(x, dy, dx);
}

void softplus(std::span<const float> x, std::span<float> y) {
  check_sizes("softplus", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(Softplus)(x, y);
}

void softplus_backward(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  check_sizes("softplus_backward", y.size(), {dy.size(), dx.size()});
  HWY_DYNAMIC_DISPATCH(SoftplusBackward)(y, dy, dx);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
