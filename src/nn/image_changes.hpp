#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gradatim/core/convolution.hpp"
#include "gradatim/core/tensor.hpp"

/// By how much convolutions and pools change (docs/derivations/differences.md). Matrices of changes
/// are as in Operation.
namespace gradatim {

/// A convolution without its weights.
struct ConvolutionShape {
  kernels::ImageShape image;
  kernels::Window window;
  kernels::ImageShape output;  // its channels are the filters
  std::size_t groups = 1;
};

/// dy for amounts[i] added to value units[i] of the image alone: w (filters, channels / groups,
/// size, size) of the windows that see it, times the amount.
void convolution_unit_change(const ConvolutionShape& shape, std::span<const float> w,
                             std::span<const std::uint32_t> units, std::span<const float> amounts,
                             TensorView<float> dy);
/// dy for `step` added to a weight, or behind them to a bias.
void convolution_parameter_change(const ConvolutionShape& shape, ConstTensorView x,
                                  std::size_t parameter, float step, TensorView<float> dy);

/// dy for any dx. A convolution is the sum over its channels: where dx is zero in all channels but
/// one, as behind a filter whose weight moved, only that one is worked through.
class ConvolutionChange {
 public:
  explicit ConvolutionChange(const ConvolutionShape& shape);
  /// `all` is the convolution of this shape.
  void operator()(const kernels::Convolution& all, std::span<const float> w, ConstTensorView dx,
                  TensorView<float> dy) const;

 private:
  std::vector<float> filters_of(std::span<const float> w, std::size_t c) const;
  Tensor planes_of(ConstTensorView dx, std::size_t c) const;

  ConvolutionShape shape_;
  kernels::Convolution one_;  // of one channel
};

/// dy = max over the window of (x - y) + dx: for the largest value, which is y, that is dx itself.
void max_pool_change(const kernels::ImageShape& image, const kernels::Window& window,
                     ConstTensorView x, ConstTensorView y, ConstTensorView dx,
                     TensorView<float> dy);
/// crossed |= 1 at the value that is a window's first largest after the change, and was not before.
void max_pool_crossings(const kernels::ImageShape& image, const kernels::Window& window,
                        ConstTensorView x, ConstTensorView dx, TensorView<std::uint8_t> crossed);

}  // namespace gradatim
