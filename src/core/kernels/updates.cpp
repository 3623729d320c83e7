#include "gradatim/core/updates.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/updates.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <limits>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

HWY_INLINE FloatVector Adjusted(FloatVector g, FloatVector theta, const Adjustment& a) {
  const FloatTag d;
  const auto limit = hn::Set(d, a.limit);
  auto scaled = hn::Mul(hn::Set(d, a.scale), g);
  scaled = hn::IfThenElse(hn::Gt(scaled, limit), limit, scaled);
  scaled = hn::IfThenElse(hn::Lt(scaled, hn::Neg(limit)), hn::Neg(limit), scaled);
  return hn::MulAdd(hn::Set(d, a.l2), theta, scaled);
}

// 0 for what is smaller than the smallest normal number: the mean of a gradient that has become 0,
// as that of a relu that never fires again, decays to subnormal numbers and stays there, and
// processors take an assist of more than a hundred cycles for each.
HWY_INLINE FloatVector NormalOrZero(FloatVector x) {
  const auto smallest = hn::Set(FloatTag(), std::numeric_limits<float>::min());
  return hn::IfThenZeroElse(hn::Lt(hn::Abs(x), smallest), x);
}

// f(g, states...) changes the states and returns what is added to theta; g is adjusted.
template <class F, class... State>
HWY_INLINE void Update(std::span<float> theta, std::span<const float> g, const Adjustment& a, F f,
                       State*... state) {
  const FloatTag d;
  const auto shrink = hn::Set(d, a.shrink);
  const auto advance = [&](auto load, auto store, std::size_t i) HWY_ATTR {
    const auto t = load(theta.data() + i);
    const auto gradient = Adjusted(load(g.data() + i), t, a);
    [&](auto... s) HWY_ATTR {
      const auto change = f(gradient, s...);
      store(hn::MulAdd(shrink, t, change), theta.data() + i);
      (store(NormalOrZero(s), state + i), ...);
    }(load(state + i)...);
  };
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= theta.size(); i += hn::Lanes(d))
    advance([d](const float* p) HWY_ATTR { return hn::LoadU(d, p); },
            [d](auto v, float* p) HWY_ATTR { hn::StoreU(v, d, p); }, i);
  if (i == theta.size()) return;
  const auto tail = hn::FirstN(d, theta.size() - i);
  advance([d, tail](const float* p) HWY_ATTR { return LoadMasked(tail, d, p); },
          [d, tail](auto v, float* p) HWY_ATTR { hn::BlendedStore(v, tail, d, p); }, i);
}

void Sgd(std::span<float> theta, std::span<const float> g, float learning_rate,
         const Adjustment& a) {
  const auto rate = hn::Set(FloatTag(), -learning_rate);
  Update(theta, g, a, [=](auto gradient) HWY_ATTR { return hn::Mul(rate, gradient); });
}

void Momentum(std::span<float> theta, std::span<const float> g, std::span<float> v,
              float learning_rate, float momentum, const Adjustment& a) {
  const auto rate = hn::Set(FloatTag(), learning_rate);
  const auto mu = hn::Set(FloatTag(), momentum);
  Update(
      theta, g, a,
      [=](auto gradient, auto& velocity) HWY_ATTR {
        velocity = hn::MulSub(mu, velocity, hn::Mul(rate, gradient));
        return velocity;
      },
      v.data());
}

void Nesterov(std::span<float> theta, std::span<const float> g, std::span<float> v,
              float learning_rate, float momentum, const Adjustment& a) {
  const auto rate = hn::Set(FloatTag(), learning_rate);
  const auto mu = hn::Set(FloatTag(), momentum);
  Update(
      theta, g, a,
      [=](auto gradient, auto& velocity) HWY_ATTR {
        const auto pull = hn::Mul(rate, gradient);
        velocity = hn::MulSub(mu, velocity, pull);
        return hn::MulSub(mu, velocity, pull);
      },
      v.data());
}

void Scaled(std::span<float> theta, std::span<const float> g, std::span<float> h,
            const ScaledStep& s, const Adjustment& a) {
  const FloatTag d;
  const auto rate = hn::Set(d, -s.learning_rate);
  const auto keep = hn::Set(d, s.keep);
  const auto add = hn::Set(d, s.add);
  const auto epsilon = hn::Set(d, s.epsilon);
  Update(
      theta, g, a,
      [=](auto gradient, auto& squares) HWY_ATTR {
        squares = hn::MulAdd(keep, squares, hn::Mul(hn::Mul(add, gradient), gradient));
        return hn::Div(hn::Mul(rate, gradient), hn::Add(hn::Sqrt(squares), epsilon));
      },
      h.data());
}

void Adam(std::span<float> theta, std::span<const float> g, std::span<float> m, std::span<float> v,
          const AdamStep& s, const Adjustment& a) {
  const FloatTag d;
  const auto rate = hn::Set(d, -s.rate);
  const auto beta1 = hn::Set(d, s.beta1);
  const auto rest1 = hn::Set(d, 1.0F - s.beta1);
  const auto beta2 = hn::Set(d, s.beta2);
  const auto rest2 = hn::Set(d, 1.0F - s.beta2);
  const auto v_scale = hn::Set(d, s.v_scale);
  const auto epsilon = hn::Set(d, s.epsilon);
  Update(
      theta, g, a,
      [=](auto gradient, auto& first, auto& second) HWY_ATTR {
        first = hn::MulAdd(beta1, first, hn::Mul(rest1, gradient));
        second = hn::MulAdd(beta2, second, hn::Mul(hn::Mul(rest2, gradient), gradient));
        const auto root = hn::Sqrt(hn::Mul(second, v_scale));
        return hn::Mul(rate, hn::Div(first, hn::Add(root, epsilon)));
      },
      m.data(), v.data());
}

void Lion(std::span<float> theta, std::span<const float> g, std::span<float> m, const LionStep& s,
          const Adjustment& a) {
  const FloatTag d;
  const auto rate = hn::Set(d, -s.learning_rate);
  const auto beta1 = hn::Set(d, s.beta1);
  const auto rest1 = hn::Set(d, 1.0F - s.beta1);
  const auto beta2 = hn::Set(d, s.beta2);
  const auto rest2 = hn::Set(d, 1.0F - s.beta2);
  Update(
      theta, g, a,
      [=](auto gradient, auto& mean) HWY_ATTR {
        const auto direction = hn::MulAdd(beta1, mean, hn::Mul(rest1, gradient));
        mean = hn::MulAdd(beta2, mean, hn::Mul(rest2, gradient));
        const auto signed_rate = hn::CopySign(rate, hn::Xor(rate, direction));
        const auto still = hn::Eq(direction, hn::Zero(FloatTag()));
        return hn::IfThenElse(hn::IsNaN(direction), direction,
                              hn::IfThenZeroElse(still, signed_rate));
      },
      m.data());
}

double SumOfSquares(std::span<const float> x) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d)) {
    const auto wide = hn::PromoteTo(d, hn::LoadU(half, x.data() + i));
    sums = hn::MulAdd(wide, wide, sums);
  }
  double total = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < x.size(); ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(Sgd);
HWY_EXPORT(Momentum);
HWY_EXPORT(Nesterov);
HWY_EXPORT(Scaled);
HWY_EXPORT(Adam);
HWY_EXPORT(Lion);
HWY_EXPORT(SumOfSquares);
}  // namespace

void sgd(std::span<float> theta, std::span<const float> g, float learning_rate,
         const Adjustment& adjustment) {
  check_sizes("sgd", theta.size(), {g.size()});
  HWY_DYNAMIC_DISPATCH(Sgd)(theta, g, learning_rate, adjustment);
}

void momentum(std::span<float> theta, std::span<const float> g, std::span<float> v,
              float learning_rate, float momentum, const Adjustment& adjustment) {
  check_sizes("momentum", theta.size(), {g.size(), v.size()});
  HWY_DYNAMIC_DISPATCH(Momentum)(theta, g, v, learning_rate, momentum, adjustment);
}

void nesterov(std::span<float> theta, std::span<const float> g, std::span<float> v,
              float learning_rate, float momentum, const Adjustment& adjustment) {
  check_sizes("nesterov", theta.size(), {g.size(), v.size()});
  HWY_DYNAMIC_DISPATCH(Nesterov)(theta, g, v, learning_rate, momentum, adjustment);
}

void scaled(std::span<float> theta, std::span<const float> g, std::span<float> h,
            const ScaledStep& step, const Adjustment& adjustment) {
  check_sizes("scaled", theta.size(), {g.size(), h.size()});
  HWY_DYNAMIC_DISPATCH(Scaled)(theta, g, h, step, adjustment);
}

void adam(std::span<float> theta, std::span<const float> g, std::span<float> m, std::span<float> v,
          const AdamStep& step, const Adjustment& adjustment) {
  check_sizes("adam", theta.size(), {g.size(), m.size(), v.size()});
  HWY_DYNAMIC_DISPATCH(Adam)(theta, g, m, v, step, adjustment);
}

void lion(std::span<float> theta, std::span<const float> g, std::span<float> m,
          const LionStep& step, const Adjustment& adjustment) {
  check_sizes("lion", theta.size(), {g.size(), m.size()});
  HWY_DYNAMIC_DISPATCH(Lion)(theta, g, m, step, adjustment);
}

double sum_of_squares(std::span<const float> x) { return HWY_DYNAMIC_DISPATCH(SumOfSquares)(x); }

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
