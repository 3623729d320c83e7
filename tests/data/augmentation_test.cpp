#include "gradatim/data/augmentation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "gradatim/core/random.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

ByteTensor noise(const Shape& shape, std::uint64_t seed) {
  ByteTensor image(shape);
  std::uint32_t i = 0;
  for (std::uint8_t& byte : image.values())
    byte = static_cast<std::uint8_t>(philox({.seed = seed}, i++)[0]);
  return image;
}

std::vector<float> changed(const ImageChange& change, const ByteTensor& image) {
  std::vector<float> out(image.size());
  apply_change(change, image, 1, out);
  return out;
}

// Bilinear interpolation as a sum over all pixels of tent functions, the map by complex numbers.
double reference(const ImageChange& change, const ByteTensor& image, std::size_t row,
                 std::size_t column) {
  const std::size_t height = image.shape()[0];
  const std::size_t width = image.shape()[1];
  const std::complex<double> middle(0.5 * static_cast<double>(width - 1),
                                    0.5 * static_cast<double>(height - 1));
  const std::complex<double> at(static_cast<double>(column), static_cast<double>(row));
  const std::complex<double> shift(change.right, change.down);
  // Down is the imaginary axis: a turn counter-clockwise is by -radians, its inverse by radians.
  const std::complex<double> source =
      (at - middle - shift) *
          std::polar(1 / static_cast<double>(change.scale), static_cast<double>(change.radians)) +
      middle;
  const double column_there =
      change.flip ? static_cast<double>(width - 1) - source.real() : source.real();
  const auto tent = [](double distance) { return std::max(0.0, 1 - std::abs(distance)); };
  double sum = 0;
  for (std::size_t r = 0; r < height; ++r)
    for (std::size_t c = 0; c < width; ++c)
      sum += tent(source.imag() - static_cast<double>(r)) *
             tent(column_there - static_cast<double>(c)) * image.values()[r * width + c];
  return sum;
}

TEST(Augmentation, AgreesWithTheReference) {
  for (std::uint32_t i = 0; i < 40; ++i) {
    const Shape shape{1 + philox({.seed = 7}, i)[0] % 12, 1 + philox({.seed = 7}, i)[1] % 12};
    const ByteTensor image = noise(shape, i);
    const ImageChange change =
        draw_change({.shift = 4, .rotate = 180, .scale = 0.6F, .flip = 0.5F}, 3, i, i * 17);
    const std::vector<float> out = changed(change, image);
    for (std::size_t row = 0; row < shape[0]; ++row)
      for (std::size_t column = 0; column < shape[1]; ++column)
        ASSERT_NEAR(out[row * shape[1] + column], reference(change, image, row, column), 0.02)
            << shape.to_string() << " " << row << " " << column;
  }
}

TEST(Augmentation, KnownChanges) {
  const ByteTensor image({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(changed({}, image), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(changed({.down = 1}, image), (std::vector<float>{0, 0, 1, 2}));
  EXPECT_EQ(changed({.right = -1}, image), (std::vector<float>{2, 0, 4, 0}));
  const auto turned = changed({.radians = std::numbers::pi_v<float> / 2}, image);
  const std::vector<float> expected{2, 4, 1, 3};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(turned[i], expected[i], 1e-5);
  EXPECT_EQ(changed({.erase_side = 1, .erase_row = 0.75F, .erase_column = 0.25F}, image),
            (std::vector<float>{1, 2, 0, 4}));
  EXPECT_EQ(changed({.flip = true}, image), (std::vector<float>{2, 1, 4, 3}));
  EXPECT_EQ(changed({.right = 1, .flip = true}, image), (std::vector<float>{0, 2, 0, 4}));
  const ByteTensor colours({2, 1, 2}, {1, 2, 3, 4});
  EXPECT_EQ(changed({.flip = true}, colours), (std::vector<float>{2, 1, 4, 3}));
  EXPECT_EQ(changed({.right = 1}, colours), (std::vector<float>{0, 1, 0, 3}));
}

TEST(Augmentation, DrawsWithinItsLimitsByKeyAlone) {
  const Augmentation all{
      .shift = 2, .rotate = 30, .scale = 0.25F, .flip = 0.25F, .erase = 0.5F, .erase_size = 5};
  int erased = 0;
  int flipped = 0;
  double down = 0;
  for (std::uint32_t i = 0; i < 4000; ++i) {
    const ImageChange change = draw_change(all, 1, 2, i);
    EXPECT_LE(std::abs(change.down), 2);
    EXPECT_LE(std::abs(change.right), 2);
    EXPECT_LE(std::abs(change.radians), 0.5236F);
    EXPECT_LE(std::abs(change.scale - 1), 0.25F);
    EXPECT_LE(change.erase_side, 5);
    erased += change.erase_side > 0 ? 1 : 0;
    flipped += change.flip ? 1 : 0;
    down += change.down;
  }
  EXPECT_NEAR(erased, 2000, 150);
  EXPECT_NEAR(flipped, 1000, 130);
  EXPECT_NEAR(down / 4000, 0, 0.1);
  EXPECT_EQ(draw_change(all, 1, 2, 3).down, draw_change(all, 1, 2, 3).down);
  EXPECT_NE(draw_change(all, 1, 2, 3).down, draw_change(all, 1, 3, 3).down);
  EXPECT_NE(draw_change(all, 1, 2, 3).down, draw_change(all, 2, 2, 3).down);
}

TEST(Augmentation, RefusesWhatMakesNoSense) {
  EXPECT_THROW(check_augmentation({.scale = 1}), InvalidArgument);
  EXPECT_THROW(check_augmentation({.shift = NAN}), InvalidArgument);
  EXPECT_THROW(check_augmentation({.flip = 1.5F}), InvalidArgument);
  EXPECT_NO_THROW(check_augmentation({.flip = 1}));
  std::vector<float> out(3);
  EXPECT_THROW(apply_change({}, ByteTensor({2, 2}), 1, out), ShapeError);
}

}  // namespace
}  // namespace gradatim
