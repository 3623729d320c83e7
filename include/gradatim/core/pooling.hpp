#pragma once

#include "gradatim/core/convolution.hpp"
#include "gradatim/core/tensor.hpp"

/// Pooling of images (channels, height, width), one a row; each on one thread, float32. A window's
/// padding is smaller than its size, so that it covers a pixel wherever it stands.
namespace gradatim::kernels {

/// The image of one value a window and channel.
ImageShape pooled(const ImageShape& image, const Window& window);

/// y = the largest value of each window; padding never is. NaN where a window has one.
void max_pool(const ImageShape& image, const Window& window, ConstTensorView x,
              TensorView<float> y);
/// dx: dy of each window goes to the first of its largest values, those that are y. Where that of a
/// window with a NaN goes is left open.
void max_pool_backward(const ImageShape& image, const Window& window, ConstTensorView x,
                       ConstTensorView y, ConstTensorView dy, TensorView<float> dx);
/// y = the mean of each window, padding counted as zeros.
void average_pool(const ImageShape& image, const Window& window, ConstTensorView x,
                  TensorView<float> y);
void average_pool_backward(const ImageShape& image, const Window& window, ConstTensorView dy,
                           TensorView<float> dx);

}  // namespace gradatim::kernels
