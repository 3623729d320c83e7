#pragma once

#include <string>

#include "gradatim/core/convolution.hpp"
#include "gradatim/core/shape.hpp"

namespace gradatim {

/// Throws ShapeError that begins with the label unless the shape is (channels, height, width).
kernels::ImageShape image_shape(const Shape& input, const std::string& label);

/// Throws InvalidArgument for a size or stride of 0, ShapeError if the window does not fit the
/// padded image.
void check_window(const kernels::Window& window, const kernels::ImageShape& image,
                  const std::string& label);

}  // namespace gradatim
