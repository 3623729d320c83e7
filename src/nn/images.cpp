#include "nn/images.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"

namespace gradatim {

kernels::ImageShape image_shape(const Shape& input, const std::string& label) {
  if (input.rank() != 3)
    throw ShapeError(fmt::format("{}: expected an input of shape (channels, height, width), got {}",
                                 label, input.to_string()));
  return {input[0], input[1], input[2]};
}

void check_window(const kernels::Window& window, const kernels::ImageShape& image,
                  const std::string& label) {
  if (window.size == 0 || window.stride == 0)
    throw InvalidArgument(fmt::format("{}: size and stride must be at least 1, got {} and {}",
                                      label, window.size, window.stride));
  const std::size_t least = std::min(image.height, image.width);
  if (window.padding > least + window.size)
    throw ShapeError(
        fmt::format("{}: padding must be at most {}, image and window together, got {}", label,
                    least + window.size, window.padding));
  if (window.size > least + 2 * window.padding)
    throw ShapeError(
        fmt::format("{}: a window of {} x {} with padding {} does not fit an image of {} x {}",
                    label, window.size, window.size, window.padding, image.height, image.width));
}

}  // namespace gradatim
