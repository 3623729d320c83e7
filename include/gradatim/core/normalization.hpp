#pragma once

#include <span>

#include "gradatim/core/tensor.hpp"

/// Normalisation of rows; each on one thread, float32, sums in double.
namespace gradatim::kernels {

/// y = (x - mean) / sqrt(variance + epsilon) · weight + bias, with the mean and the (biased)
/// variance of each row: x, y (rows, n), weight and bias (n). y may be the memory of x.
void layer_norm(ConstTensorView x, std::span<const float> weight, std::span<const float> bias,
                float epsilon, TensorView<float> y);
/// dx = r (g - mean(g) - h mean(g h)) with r = 1 / sqrt(variance + epsilon), h = (x - mean) r and
/// g = dy · weight. dx may be the memory of dy.
void layer_norm_backward(ConstTensorView x, std::span<const float> weight, float epsilon,
                         ConstTensorView dy, TensorView<float> dx);
/// d_weight = sum of dy h over the rows, d_bias = sum of dy, rows added in order: (n) each.
void layer_norm_gradient(ConstTensorView x, float epsilon, ConstTensorView dy,
                         std::span<float> d_weight, std::span<float> d_bias);

// ---- By channels, over rows: x (rows, channels · area), the values of a channel side by side.

/// What a channel's values are normalised by: y = (x - mean) · scale · weight + bias.
struct ChannelScaling {
  std::span<const float> mean, scale, weight, bias;  // (channels)
};
/// sums (2, channels) += the sums of x and of x² over the rows.
void add_channel_moments(ConstTensorView x, TensorView<double> sums);
void scale_channels(ConstTensorView x, const ChannelScaling& scaling, TensorView<float> y);
/// sums (2, channels) += the sums of dy and of dy (x - mean) over the rows.
void add_channel_slopes(ConstTensorView x, std::span<const float> mean, ConstTensorView dy,
                        TensorView<double> sums);
/// dx = factor · (dy - offset - slope · (x - mean)), each (channels); dx may be the memory of dy.
/// The sums of offset + offset_rest and of slope + slope_rest are what is meant, to twice the
/// digits of a float: rounded once for all rows, either would be off for all of them to the same
/// side.
struct ChannelSlopes {
  std::span<const float> mean, factor, offset, offset_rest, slope, slope_rest;
};
void channels_backward(ConstTensorView x, const ChannelSlopes& slopes, ConstTensorView dy,
                       TensorView<float> dx);

}  // namespace gradatim::kernels
