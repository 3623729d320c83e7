#include "gradatim/core/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/softmax.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include <cmath>
#include <limits>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

struct RowExponentials {
  float largest;
  float sum;  // of exp(x - largest): at least 1, or NaN if x holds one
};

HWY_INLINE float Largest(std::span<const float> x) {
  const FloatTag d;
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto largest = lowest;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d))
    largest = hn::Max(largest, hn::LoadU(d, x.data() + i));
  if (i < x.size()) {
    const auto tail = hn::FirstN(d, x.size() - i);
    largest = hn::Max(largest, hn::IfThenElse(tail, LoadMasked(tail, d, x.data() + i), lowest));
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

// y = exp(x - max x). Highway's Exp turns NaN into 0, so NaN is put back.
HWY_INLINE RowExponentials Exponentials(std::span<const float> x, std::span<float> y) {
  const FloatTag d;
  const float largest = Largest(x);
  const auto shift = hn::Set(d, largest);
  const auto exponential = [&](auto v) HWY_ATTR {
    return hn::IfThenElse(hn::IsNaN(v), v, hn::Exp(d, hn::Sub(v, shift)));
  };
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= x.size(); i += hn::Lanes(d)) {
    const auto e = exponential(hn::LoadU(d, x.data() + i));
    hn::StoreU(e, d, y.data() + i);
    sums = hn::Add(sums, e);
  }
  if (i < x.size()) {
    const auto tail = hn::FirstN(d, x.size() - i);
    const auto e = hn::IfThenElseZero(tail, exponential(LoadMasked(tail, d, x.data() + i)));
    hn::BlendedStore(e, tail, d, y.data() + i);
    sums = hn::Add(sums, e);
  }
  return {largest, hn::GetLane(hn::SumOfLanes(d, sums))};
}

HWY_INLINE void Scale(std::span<float> y, float factor) {
  map(y, y, [=](auto d, auto v) HWY_ATTR { return hn::Mul(v, hn::Set(d, factor)); });
}

HWY_INLINE float Dot(std::span<const float> a, std::span<const float> b) {
  const FloatTag d;
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= a.size(); i += hn::Lanes(d))
    sums = hn::MulAdd(hn::LoadU(d, a.data() + i), hn::LoadU(d, b.data() + i), sums);
  if (i < a.size()) {
    const auto tail = hn::FirstN(d, a.size() - i);
    sums = hn::MulAdd(LoadMasked(tail, d, a.data() + i), LoadMasked(tail, d, b.data() + i), sums);
  }
  return hn::GetLane(hn::SumOfLanes(d, sums));
}

void SoftmaxRow(std::span<const float> x, std::span<float> y) {
  Scale(y, 1.0F / Exponentials(x, y).sum);
}

void SoftmaxBackwardRow(std::span<const float> y, std::span<const float> dy, std::span<float> dx) {
  const float dot = Dot(y, dy);
  map(y, dy, dx,
      [=](auto d, auto p, auto g) HWY_ATTR { return hn::Mul(p, hn::Sub(g, hn::Set(d, dot))); });
}

HWY_INLINE double Total(std::span<const float> x) {
  double total = 0;
  for (const float value : x) total += static_cast<double>(value);
  return total;
}

// The target is (1 - s) one_hot + s / classes, so the loss has 1 - s and s of two shortfalls.
double LabelRow(std::span<const float> x, std::int32_t label, float scale, std::span<float> dx,
                float smoothing) {
  const auto k = static_cast<std::size_t>(label);
  const double target = x[k];
  const double mean = smoothing == 0 ? 0 : Total(x) / static_cast<double>(x.size());
  const RowExponentials row = Exponentials(x, dx);
  Scale(dx, scale / row.sum);
  dx[k] -= scale * (1 - smoothing);
  const double largest = row.largest;
  const double shortfall = largest - target;
  if (smoothing == 0) return std::log(static_cast<double>(row.sum)) + shortfall;
  const float spread = scale * smoothing / static_cast<float>(x.size());
  for (float& d : dx) d -= spread;
  const double s = smoothing;
  return std::log(static_cast<double>(row.sum)) + (1 - s) * shortfall + s * (largest - mean);
}

// The targets sum to 1, so sum_k t_k (max x - x_k) = max x - t · x.
double DistributionRow(std::span<const float> x, std::span<const float> t, float scale,
                       std::span<float> dx, float smoothing) {
  const float largest = Largest(x);
  const float keep = 1 - smoothing;
  const float uniform = smoothing / static_cast<float>(x.size());
  double shortfall = 0;
  for (std::size_t k = 0; k < x.size(); ++k)
    shortfall += static_cast<double>(keep * t[k] + uniform) *
                 (static_cast<double>(largest) - static_cast<double>(x[k]));
  const RowExponentials row = Exponentials(x, dx);
  map(dx, t, dx, [=](auto d, auto e, auto given) HWY_ATTR {
    const auto target = hn::MulAdd(hn::Set(d, keep), given, hn::Set(d, uniform));
    return hn::MulSub(hn::Set(d, scale / row.sum), e, hn::Mul(hn::Set(d, scale), target));
  });
  return std::log(static_cast<double>(row.sum)) + shortfall;
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(SoftmaxRow);
HWY_EXPORT(SoftmaxBackwardRow);
HWY_EXPORT(LabelRow);
HWY_EXPORT(DistributionRow);
}  // namespace

void softmax(ConstTensorView x, TensorView<float> y) {
  check_matrix("softmax", x.shape());
  check_shape("softmax", x.shape(), y.shape());
  for (std::size_t i = 0; i < x.rows(); ++i) HWY_DYNAMIC_DISPATCH(SoftmaxRow)(x.row(i), y.row(i));
}

void softmax_backward(ConstTensorView y, ConstTensorView dy, TensorView<float> dx) {
  check_matrix("softmax_backward", y.shape());
  check_shape("softmax_backward", y.shape(), dy.shape());
  check_shape("softmax_backward", y.shape(), dx.shape());
  for (std::size_t i = 0; i < y.rows(); ++i)
    HWY_DYNAMIC_DISPATCH(SoftmaxBackwardRow)(y.row(i), dy.row(i), dx.row(i));
}

double softmax_cross_entropy(ConstTensorView logits, std::span<const std::int32_t> labels,
                             float scale, TensorView<float> d_logits, float smoothing) {
  check_matrix("softmax_cross_entropy", logits.shape());
  check_shape("softmax_cross_entropy", logits.shape(), d_logits.shape());
  check_sizes("softmax_cross_entropy labels", logits.rows(), {labels.size()});
  double loss = 0;
  for (std::size_t i = 0; i < logits.rows(); ++i)
    loss +=
        HWY_DYNAMIC_DISPATCH(LabelRow)(logits.row(i), labels[i], scale, d_logits.row(i), smoothing);
  return loss;
}

double softmax_cross_entropy(ConstTensorView logits, ConstTensorView targets, float scale,
                             TensorView<float> d_logits, float smoothing) {
  check_matrix("softmax_cross_entropy", logits.shape());
  check_shape("softmax_cross_entropy", logits.shape(), targets.shape());
  check_shape("softmax_cross_entropy", logits.shape(), d_logits.shape());
  double loss = 0;
  for (std::size_t i = 0; i < logits.rows(); ++i)
    loss += HWY_DYNAMIC_DISPATCH(DistributionRow)(logits.row(i), targets.row(i), scale,
                                                  d_logits.row(i), smoothing);
  return loss;
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
