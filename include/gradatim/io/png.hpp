#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "gradatim/core/tensor.hpp"

namespace gradatim {

/// A PNG file of any colour type and bit depth as 8-bit grey, (height, width), 0 black to 255
/// white. Colours become their luminance (libpng's, of linear light), 16 bits are rounded to 8, and
/// what is transparent shows white paper behind it. Throws DataError naming the file if it can't
/// be read, is damaged, or has more than 2^26 pixels.
ByteTensor read_png_gray(const std::filesystem::path& path);

/// The image (h, w) at another size: each new pixel is the mean over the area it covers, so that
/// thin strokes fade instead of vanishing; an enlarged image has flat pixels. The same size gives
/// the same image. Throws ShapeError unless the image has rank 2 and no extent is 0.
ByteTensor resize_area(TensorView<const std::uint8_t> image, std::size_t height, std::size_t width);

}  // namespace gradatim
