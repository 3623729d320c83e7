#include "gradatim/data/augmentation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"

namespace gradatim {
namespace {

constexpr std::uint32_t kMoveStream = 0x6D6F7665;   // "move"
constexpr std::uint32_t kEraseStream = 0x65726173;  // "eras"
constexpr std::uint32_t kFlipStream = 0x666C6970;   // "flip"

// In [0, 1).
float unit(std::uint32_t word) { return static_cast<float>(word >> 8U) * 0x1p-24F; }
// In [-reach, reach).
float around(std::uint32_t word, float reach) { return (2 * unit(word) - 1) * reach; }

struct Extents {
  std::size_t channels, height, width;
};

Extents extents_of(TensorView<const std::uint8_t> image, std::size_t out) {
  const Shape& shape = image.shape();
  if ((shape.rank() != 2 && shape.rank() != 3) || out != image.size())
    throw ShapeError(
        fmt::format("augmentation: expected an image (height, width) or (channels, height, width) "
                    "and as many values, got {} and {}",
                    shape.to_string(), out));
  if (shape.rank() == 2) return {1, shape[0], shape[1]};
  return {shape[0], shape[1], shape[2]};
}

// Where a pixel of the result is in the image: source = origin + row · by_row + column · by_column.
struct Mapping {
  struct Point {
    float row, column;
  };
  Point origin{}, by_row{}, by_column{};

  Mapping(const ImageChange& change, const Extents& extents) {
    const float cosine = std::cos(change.radians) / change.scale;
    const float sine = std::sin(change.radians) / change.scale;
    const float middle_row = 0.5F * static_cast<float>(extents.height - 1);
    const float middle_column = 0.5F * static_cast<float>(extents.width - 1);
    by_row = {cosine, -sine};
    by_column = {sine, cosine};
    const float row = -middle_row - change.down;
    const float column = -middle_column - change.right;
    origin = {middle_row + row * by_row.row + column * by_column.row,
              middle_column + row * by_row.column + column * by_column.column};
    if (change.flip) flip(static_cast<float>(extents.width - 1));
  }
  Point at(std::size_t row, std::size_t column) const {
    const auto r = static_cast<float>(row);
    const auto c = static_cast<float>(column);
    return {origin.row + r * by_row.row + c * by_column.row,
            origin.column + r * by_row.column + c * by_column.column};
  }

 private:
  void flip(float last_column) {
    origin.column = last_column - origin.column;
    by_row.column = -by_row.column;
    by_column.column = -by_column.column;
  }
};

float pixel(std::span<const std::uint8_t> plane, const Extents& extents, std::ptrdiff_t row,
            std::ptrdiff_t column) {
  if (row < 0 || column < 0 || row >= static_cast<std::ptrdiff_t>(extents.height) ||
      column >= static_cast<std::ptrdiff_t>(extents.width))
    return 0;
  return plane[static_cast<std::size_t>(row) * extents.width + static_cast<std::size_t>(column)];
}

float bilinear(std::span<const std::uint8_t> plane, const Extents& extents,
               const Mapping::Point& at) {
  // Far outside, and NaN, without a conversion that would overflow.
  if (!(at.row > -1 && at.column > -1 && at.row < static_cast<float>(extents.height) &&
        at.column < static_cast<float>(extents.width)))
    return 0;
  const float row = std::floor(at.row);
  const float column = std::floor(at.column);
  const float down = at.row - row;
  const float right = at.column - column;
  const auto r = static_cast<std::ptrdiff_t>(row);
  const auto c = static_cast<std::ptrdiff_t>(column);
  const float above =
      (1 - right) * pixel(plane, extents, r, c) + right * pixel(plane, extents, r, c + 1);
  const float below =
      (1 - right) * pixel(plane, extents, r + 1, c) + right * pixel(plane, extents, r + 1, c + 1);
  return (1 - down) * above + down * below;
}

// Pixels [first, last) along an extent that a square around a share of it covers.
std::pair<std::size_t, std::size_t> covered(float share, float side, std::size_t extent) {
  const float middle = share * static_cast<float>(extent);
  const auto most = static_cast<float>(extent);
  const auto first =
      static_cast<std::size_t>(std::clamp(std::round(middle - side / 2), 0.0F, most));
  const auto last = static_cast<std::size_t>(std::clamp(std::round(middle + side / 2), 0.0F, most));
  return {first, last};
}

void erase(const ImageChange& change, const Extents& extents, std::span<float> plane) {
  const auto [top, bottom] = covered(change.erase_row, change.erase_side, extents.height);
  const auto [left, right] = covered(change.erase_column, change.erase_side, extents.width);
  for (std::size_t row = top; row < bottom; ++row)
    std::ranges::fill(plane.subspan(row * extents.width + left, right - left), 0.0F);
}

}  // namespace

bool is_active(const Augmentation& augmentation) {
  return augmentation.shift > 0 || augmentation.rotate > 0 || augmentation.scale > 0 ||
         augmentation.flip > 0 || augmentation.erase > 0;
}

void check_augmentation(const Augmentation& a) {
  const bool good = a.shift >= 0 && std::isfinite(a.shift) && a.rotate >= 0 && a.rotate <= 180 &&
                    a.scale >= 0 && a.scale < 1 && a.flip >= 0 && a.flip <= 1 && a.erase >= 0 &&
                    a.erase <= 1 && a.erase_size >= 1 && std::isfinite(a.erase_size);
  if (!good)
    throw InvalidArgument(
        fmt::format("augmentation: expected shift >= 0, rotate in [0, 180], scale in [0, 1), flip "
                    "and erase in [0, 1] and erase_size >= 1, got {}, {}, {}, {}, {} and {}",
                    a.shift, a.rotate, a.scale, a.flip, a.erase, a.erase_size));
}

ImageChange draw_change(const Augmentation& augmentation, std::uint64_t seed, std::uint64_t step,
                        std::uint32_t sample) {
  const auto move = philox({.seed = seed, .stream = kMoveStream, .step = step}, sample);
  constexpr float kRadians = std::numbers::pi_v<float> / 180;
  ImageChange change{.down = around(move[0], augmentation.shift),
                     .right = around(move[1], augmentation.shift),
                     .radians = around(move[2], augmentation.rotate * kRadians),
                     .scale = 1 + around(move[3], augmentation.scale)};
  const auto sides = philox({.seed = seed, .stream = kFlipStream, .step = step}, sample);
  change.flip = unit(sides[0]) < augmentation.flip;
  const auto hole = philox({.seed = seed, .stream = kEraseStream, .step = step}, sample);
  if (unit(hole[0]) < augmentation.erase) {
    change.erase_side = 1 + unit(hole[1]) * (augmentation.erase_size - 1);
    change.erase_row = unit(hole[2]);
    change.erase_column = unit(hole[3]);
  }
  return change;
}

void apply_change(const ImageChange& change, TensorView<const std::uint8_t> image,
                  float scale_of_bytes, std::span<float> out) {
  const Extents extents = extents_of(image, out.size());
  const Mapping mapping(change, extents);
  const std::size_t pixels = extents.height * extents.width;
  for (std::size_t channel = 0; channel < extents.channels; ++channel) {
    const auto plane = image.values().subspan(channel * pixels, pixels);
    const auto result = out.subspan(channel * pixels, pixels);
    for (std::size_t row = 0; row < extents.height; ++row)
      for (std::size_t column = 0; column < extents.width; ++column)
        result[row * extents.width + column] =
            scale_of_bytes * bilinear(plane, extents, mapping.at(row, column));
    if (change.erase_side > 0) erase(change, extents, result);
  }
}

}  // namespace gradatim
