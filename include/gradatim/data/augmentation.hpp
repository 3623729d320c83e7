#pragma once

#include <cstdint>
#include <span>

#include "gradatim/core/tensor.hpp"

namespace gradatim {

/// How images are varied in training. Everything is drawn uniformly.
struct Augmentation {
  float shift = 0;       // pixels: each of down and right in [-shift, shift]
  float rotate = 0;      // degrees, counter-clockwise in [-rotate, rotate]
  float scale = 0;       // in [0, 1): larger by a factor in [1 - scale, 1 + scale]
  float flip = 0;        // probability that left and right change places
  float erase = 0;       // probability of a square of zeros, centred anywhere (Zhong et al., 2017),
  float erase_size = 8;  // its side in [1, erase_size] pixels
  friend bool operator==(const Augmentation&, const Augmentation&) = default;
};

/// True if anything is varied.
bool is_active(const Augmentation& augmentation);
/// Throws InvalidArgument unless every value is in its range.
void check_augmentation(const Augmentation& augmentation);

/// What is done to one image. A point p of the result, from the centre of the image, right and
/// down, shows what the image, flipped before all else, has at R(p - shift) / scale, R the rotation
/// that undoes the turn.
struct ImageChange {
  float down = 0;
  float right = 0;
  float radians = 0;  // counter-clockwise
  float scale = 1;
  bool flip = false;
  float erase_side = 0;  // 0: nothing is erased
  float erase_row = 0;   // its centre, as shares of the extents
  float erase_column = 0;
};

/// A function of (seed, step, sample) and nothing else (Philox).
ImageChange draw_change(const Augmentation& augmentation, std::uint64_t seed, std::uint64_t step,
                        std::uint32_t sample);

/// out = scale_of_bytes · the changed image, (height, width) or (channels, height, width): values
/// between pixels are bilinear, those outside are zero. Throws ShapeError for other ranks or sizes.
void apply_change(const ImageChange& change, TensorView<const std::uint8_t> image,
                  float scale_of_bytes, std::span<float> out);

}  // namespace gradatim
