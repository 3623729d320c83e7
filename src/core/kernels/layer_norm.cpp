#include "gradatim/core/normalization.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/layer_norm.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "core/kernels/sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

struct Moments {
  float mean;
  float scale;  // 1 / sqrt(variance + epsilon)
};

HWY_INLINE Moments MomentsOf(std::span<const float> x, float epsilon) {
  const DoubleTag d;
  const auto n = static_cast<double>(x.size());
  const double mean = SumOver(x.size(), [&](auto load) HWY_ATTR { return load(x.data()); }) / n;
  const auto middle = hn::Set(d, mean);
  const double squares = SumOver(x.size(), [&](auto load) HWY_ATTR {
    const auto centred = hn::Sub(load(x.data()), middle);
    return hn::Mul(centred, centred);
  });
  const double scale = 1 / std::sqrt(squares / n + static_cast<double>(epsilon));
  return {static_cast<float>(mean), static_cast<float>(scale)};
}

void LayerNorm(ConstTensorView x, std::span<const float> weight, std::span<const float> bias,
               float epsilon, TensorView<float> y) {
  const FloatTag d;
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const auto in = x.row(row);
    const Moments moments = MomentsOf(in, epsilon);
    const auto mean = hn::Set(d, moments.mean);
    const auto scale = hn::Set(d, moments.scale);
    float* out = y.row(row).data();
    ForColumns(in.size(), [&](std::size_t i, auto mask) HWY_ATTR {
      const auto h = hn::Mul(hn::Sub(LoadMasked(mask, d, in.data() + i), mean), scale);
      hn::BlendedStore(hn::MulAdd(h, LoadMasked(mask, d, weight.data() + i),
                                  LoadMasked(mask, d, bias.data() + i)),
                       mask, d, out + i);
    });
  }
}

void LayerNormBackward(ConstTensorView x, std::span<const float> weight, float epsilon,
                       ConstTensorView dy, TensorView<float> dx) {
  const FloatTag d;
  const DoubleTag wide;
  const std::size_t n = weight.size();
  const float* w = weight.data();
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const auto in = x.row(row);
    const float* g = dy.row(row).data();
    const Moments moments = MomentsOf(in, epsilon);
    const auto middle = hn::Set(wide, static_cast<double>(moments.mean));
    const double sum = SumOver(n, [&](auto load) HWY_ATTR { return hn::Mul(load(g), load(w)); });
    const double product = SumOver(n, [&](auto load) HWY_ATTR {
      return hn::Mul(hn::Mul(load(g), load(w)), hn::Sub(load(in.data()), middle));
    });
    const auto count = static_cast<double>(n);
    const auto mean = hn::Set(d, moments.mean);
    const auto scale = hn::Set(d, moments.scale);
    const auto mean_g = hn::Set(d, static_cast<float>(sum / count));
    // mean(g h) r: what multiplies x - mean.
    const double r = moments.scale;
    const auto slope = hn::Set(d, static_cast<float>(product / count * r * r));
    float* out = dx.row(row).data();
    ForColumns(n, [&](std::size_t i, auto mask) HWY_ATTR {
      const auto centred = hn::Sub(LoadMasked(mask, d, in.data() + i), mean);
      const auto terms = hn::Mul(LoadMasked(mask, d, g + i), LoadMasked(mask, d, w + i));
      const auto rest = hn::NegMulAdd(centred, slope, hn::Sub(terms, mean_g));
      hn::BlendedStore(hn::Mul(rest, scale), mask, d, out + i);
    });
  }
}

void LayerNormGradient(ConstTensorView x, float epsilon, ConstTensorView dy,
                       std::span<float> d_weight, std::span<float> d_bias) {
  const FloatTag d;
  std::ranges::fill(d_weight, 0.0F);
  std::ranges::fill(d_bias, 0.0F);
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const auto in = x.row(row);
    const float* g = dy.row(row).data();
    const Moments moments = MomentsOf(in, epsilon);
    const auto mean = hn::Set(d, moments.mean);
    const auto scale = hn::Set(d, moments.scale);
    ForColumns(in.size(), [&](std::size_t i, auto mask) HWY_ATTR {
      const auto h = hn::Mul(hn::Sub(LoadMasked(mask, d, in.data() + i), mean), scale);
      const auto slope = LoadMasked(mask, d, g + i);
      const auto weight = LoadMasked(mask, d, d_weight.data() + i);
      const auto bias = LoadMasked(mask, d, d_bias.data() + i);
      hn::BlendedStore(hn::MulAdd(slope, h, weight), mask, d, d_weight.data() + i);
      hn::BlendedStore(hn::Add(slope, bias), mask, d, d_bias.data() + i);
    });
  }
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(LayerNorm);
HWY_EXPORT(LayerNormBackward);
HWY_EXPORT(LayerNormGradient);
}  // namespace

void layer_norm(ConstTensorView x, std::span<const float> weight, std::span<const float> bias,
                float epsilon, TensorView<float> y) {
  check_matrix("layer_norm", x.shape());
  check_shape("layer_norm", x.shape(), y.shape());
  check_sizes("layer_norm", x.shape()[1], {weight.size(), bias.size()});
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, weight, bias, epsilon, y);
}

void layer_norm_backward(ConstTensorView x, std::span<const float> weight, float epsilon,
                         ConstTensorView dy, TensorView<float> dx) {
  check_matrix("layer_norm_backward", x.shape());
  check_shape("layer_norm_backward", x.shape(), dy.shape());
  check_shape("layer_norm_backward", x.shape(), dx.shape());
  check_sizes("layer_norm_backward", x.shape()[1], {weight.size()});
  HWY_DYNAMIC_DISPATCH(LayerNormBackward)(x, weight, epsilon, dy, dx);
}

void layer_norm_gradient(ConstTensorView x, float epsilon, ConstTensorView dy,
                         std::span<float> d_weight, std::span<float> d_bias) {
  check_matrix("layer_norm_gradient", x.shape());
  check_shape("layer_norm_gradient", x.shape(), dy.shape());
  check_sizes("layer_norm_gradient", x.shape()[1], {d_weight.size(), d_bias.size()});
  HWY_DYNAMIC_DISPATCH(LayerNormGradient)(x, epsilon, dy, d_weight, d_bias);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
