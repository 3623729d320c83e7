// What batch normalisation is made of. Two layouts: planes of `area` values a channel, and, where
// area is 1, rows whose values are all of different channels.
#include "gradatim/core/normalization.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/channel_scaling.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include "core/kernels/sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

// sums[i] += f(i, half vector mask) for vectors of n columns.
template <class F>
HWY_INLINE void AddColumns(std::size_t n, double* sums, F f) {
  const DoubleTag d;
  const HalfTag half;
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const std::size_t left = std::min(hn::Lanes(d), n - i);
    const auto terms = f(i, hn::FirstN(half, left));
    if (left == hn::Lanes(d)) {
      hn::StoreU(hn::Add(hn::LoadU(d, sums + i), terms), d, sums + i);
      continue;
    }
    HWY_ALIGN double lanes[hn::MaxLanes(d)];
    hn::Store(terms, d, lanes);
    for (std::size_t k = 0; k < left; ++k) sums[i + k] += lanes[k];
  }
}

template <class M>
HWY_INLINE hn::Vec<DoubleTag> Widened(M mask, const float* p) {
  return hn::PromoteTo(DoubleTag(), LoadMasked(mask, HalfTag(), p));
}

void AddChannelMoments(ConstTensorView x, TensorView<double> sums) {
  const std::size_t channels = sums.shape()[1];
  const std::size_t area = x.shape()[1] / channels;
  double* const first = sums.data();
  double* const second = first + channels;
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const float* in = x.row(row).data();
    if (area == 1) {
      AddColumns(channels, first,
                 [&](std::size_t i, auto mask) HWY_ATTR { return Widened(mask, in + i); });
      AddColumns(channels, second, [&](std::size_t i, auto mask) HWY_ATTR {
        const auto v = Widened(mask, in + i);
        return hn::Mul(v, v);
      });
      continue;
    }
    for (std::size_t c = 0; c < channels; ++c, in += area) {
      first[c] += SumOver(area, [&](auto load) HWY_ATTR { return load(in); });
      second[c] += SumOver(area, [&](auto load) HWY_ATTR {
        const auto v = load(in);
        return hn::Mul(v, v);
      });
    }
  }
}

void AddChannelSlopes(ConstTensorView x, std::span<const float> mean, ConstTensorView dy,
                      TensorView<double> sums) {
  const DoubleTag d;
  const std::size_t channels = sums.shape()[1];
  const std::size_t area = x.shape()[1] / channels;
  double* const first = sums.data();
  double* const second = first + channels;
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const float* in = x.row(row).data();
    const float* g = dy.row(row).data();
    if (area == 1) {
      AddColumns(channels, first,
                 [&](std::size_t i, auto mask) HWY_ATTR { return Widened(mask, g + i); });
      AddColumns(channels, second, [&](std::size_t i, auto mask) HWY_ATTR {
        const auto centred = hn::Sub(Widened(mask, in + i), Widened(mask, mean.data() + i));
        return hn::Mul(Widened(mask, g + i), centred);
      });
      continue;
    }
    for (std::size_t c = 0; c < channels; ++c, in += area, g += area) {
      const auto middle = hn::Set(d, static_cast<double>(mean[c]));
      first[c] += SumOver(area, [&](auto load) HWY_ATTR { return load(g); });
      second[c] += SumOver(
          area, [&](auto load) HWY_ATTR { return hn::Mul(load(g), hn::Sub(load(in), middle)); });
    }
  }
}

// Calls body(first value, count, at) for the vectors of one row, where at(per_channel) gives what a
// channel's value of that array is for them.
template <class Body>
HWY_INLINE void EachOfRow(std::size_t channels, std::size_t area, Body body) {
  const FloatTag d;
  if (area == 1) {
    ForColumns(channels, [&](std::size_t i, auto mask) HWY_ATTR {
      body(i, mask,
           [&](std::span<const float> p) HWY_ATTR { return LoadMasked(mask, d, p.data() + i); });
    });
    return;
  }
  for (std::size_t c = 0; c < channels; ++c)
    ForColumns(area, [&](std::size_t i, auto mask) HWY_ATTR {
      body(c * area + i, mask, [&](std::span<const float> p) HWY_ATTR { return hn::Set(d, p[c]); });
    });
}

void ScaleChannels(ConstTensorView x, const ChannelScaling& s, TensorView<float> y) {
  const FloatTag d;
  const std::size_t channels = s.mean.size();
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const float* in = x.row(row).data();
    float* out = y.row(row).data();
    EachOfRow(channels, x.shape()[1] / channels, [&](std::size_t i, auto mask, auto at) HWY_ATTR {
      const auto centred = hn::Sub(LoadMasked(mask, d, in + i), at(s.mean));
      const auto h = hn::Mul(centred, at(s.scale));
      hn::BlendedStore(hn::MulAdd(h, at(s.weight), at(s.bias)), mask, d, out + i);
    });
  }
}

void ChannelsBackward(ConstTensorView x, const ChannelSlopes& s, ConstTensorView dy,
                      TensorView<float> dx) {
  const FloatTag d;
  const std::size_t channels = s.mean.size();
  for (std::size_t row = 0; row < x.rows(); ++row) {
    const float* in = x.row(row).data();
    const float* g = dy.row(row).data();
    float* out = dx.row(row).data();
    EachOfRow(channels, x.shape()[1] / channels, [&](std::size_t i, auto mask, auto at) HWY_ATTR {
      const auto centred = hn::Sub(LoadMasked(mask, d, in + i), at(s.mean));
      const auto moved = hn::Sub(LoadMasked(mask, d, g + i), at(s.offset));
      const auto turned = hn::NegMulAdd(centred, at(s.slope), moved);
      const auto rest = hn::MulAdd(centred, at(s.slope_rest), at(s.offset_rest));
      hn::BlendedStore(hn::Mul(at(s.factor), hn::Sub(turned, rest)), mask, d, out + i);
    });
  }
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <fmt/format.h>

#include "core/kernels/checks.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(AddChannelMoments);
HWY_EXPORT(AddChannelSlopes);
HWY_EXPORT(ScaleChannels);
HWY_EXPORT(ChannelsBackward);

void check_channels(std::string_view operation, ConstTensorView x, std::size_t channels) {
  check_matrix(operation, x.shape());
  if (channels == 0 || x.shape()[1] % channels != 0)
    throw ShapeError(
        fmt::format("{}: {} values are not of {} channels", operation, x.shape()[1], channels));
}

void check_sums(std::string_view operation, const Shape& sums) {
  check_matrix(operation, sums);
  check_sizes(operation, 2, {sums[0]});
}

}  // namespace

void add_channel_moments(ConstTensorView x, TensorView<double> sums) {
  check_sums("add_channel_moments", sums.shape());
  check_channels("add_channel_moments", x, sums.shape()[1]);
  HWY_DYNAMIC_DISPATCH(AddChannelMoments)(x, sums);
}

void add_channel_slopes(ConstTensorView x, std::span<const float> mean, ConstTensorView dy,
                        TensorView<double> sums) {
  check_sums("add_channel_slopes", sums.shape());
  check_channels("add_channel_slopes", x, sums.shape()[1]);
  check_sizes("add_channel_slopes", sums.shape()[1], {mean.size()});
  check_shape("add_channel_slopes", x.shape(), dy.shape());
  HWY_DYNAMIC_DISPATCH(AddChannelSlopes)(x, mean, dy, sums);
}

void scale_channels(ConstTensorView x, const ChannelScaling& scaling, TensorView<float> y) {
  check_channels("scale_channels", x, scaling.mean.size());
  check_sizes("scale_channels", scaling.mean.size(),
              {scaling.scale.size(), scaling.weight.size(), scaling.bias.size()});
  check_shape("scale_channels", x.shape(), y.shape());
  HWY_DYNAMIC_DISPATCH(ScaleChannels)(x, scaling, y);
}

void channels_backward(ConstTensorView x, const ChannelSlopes& slopes, ConstTensorView dy,
                       TensorView<float> dx) {
  check_channels("channels_backward", x, slopes.mean.size());
  check_sizes("channels_backward", slopes.mean.size(),
              {slopes.factor.size(), slopes.offset.size(), slopes.offset_rest.size(),
               slopes.slope.size(), slopes.slope_rest.size()});
  check_shape("channels_backward", x.shape(), dy.shape());
  check_shape("channels_backward", x.shape(), dx.shape());
  HWY_DYNAMIC_DISPATCH(ChannelsBackward)(x, slopes, dy, dx);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
