#include "gradatim/io/png.hpp"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <vector>

#include "core/open_file.hpp"
#include "gradatim/core/error.hpp"
#include "io/text.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kMostPixels = 1U << 26U;

// libpng's simplified interface: it reports errors by return values, without longjmp through ours.
class PngImage {
 public:
  PngImage() { image_.version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(&image_); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  png_image* operator->() { return &image_; }
  png_image* get() { return &image_; }

 private:
  png_image image_{};
};

struct Interval {
  std::size_t first = 0;
  std::vector<double> weights;  // of the source cells first, first + 1, ...; their sum is 1
};

// Which source cells each of `to` equal parts of [0, from) covers, and how much of each.
std::vector<Interval> covered_cells(std::size_t from, std::size_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<Interval> intervals(to);
  for (std::size_t i = 0; i < to; ++i) {
    const double begin = static_cast<double>(i) * scale;
    const double end = std::min(static_cast<double>(i + 1) * scale, static_cast<double>(from));
    Interval& interval = intervals[i];
    interval.first = static_cast<std::size_t>(begin);
    for (auto cell = interval.first; static_cast<double>(cell) < end; ++cell) {
      const auto left = static_cast<double>(cell);
      interval.weights.push_back((std::min(end, left + 1) - std::max(begin, left)) / (end - begin));
    }
  }
  return intervals;
}

double mean_over(TensorView<const std::uint8_t> image, const Interval& rows,
                 const Interval& columns) {
  double sum = 0;
  for (std::size_t i = 0; i < rows.weights.size(); ++i) {
    const auto row = image.row(rows.first + i);
    double row_sum = 0;
    for (std::size_t j = 0; j < columns.weights.size(); ++j)
      row_sum += columns.weights[j] * row[columns.first + j];
    sum += rows.weights[i] * row_sum;
  }
  return sum;
}

}  // namespace

ByteTensor read_png_gray(const std::filesystem::path& path) {
  const auto fail = [&](std::string_view reason) {
    throw DataError(fmt::format("read {}: {}", path.string(), reason));
  };
  const detail::OpenFile file(std::fopen(path.c_str(), "rbe"));
  if (!file) fail(detail::system_message(errno));
  PngImage image;
  if (png_image_begin_read_from_stdio(image.get(), file.get()) == 0)
    fail(fmt::format("not a readable PNG image ({})", image->message));
  const std::size_t height = image->height;
  const std::size_t width = image->width;
  if (height > kMostPixels / width)
    fail(fmt::format("expected at most {} pixels, got {} x {}", kMostPixels, width, height));

  image->flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // as all viewers take them, and not as linear light
  image->format = PNG_FORMAT_GRAY;
  ByteTensor pixels({height, width});
  const png_color white{255, 255, 255};
  if (png_image_finish_read(image.get(), &white, pixels.data(), 0, nullptr) == 0)
    fail(fmt::format("a damaged PNG image ({})", image->message));
  return pixels;
}

ByteTensor resize_area(TensorView<const std::uint8_t> image, std::size_t height,
                       std::size_t width) {
  if (image.shape().rank() != 2 || image.size() == 0 || height == 0 || width == 0)
    throw ShapeError(fmt::format("resize {} to ({}, {}): expected two extents, none of them 0",
                                 image.shape().to_string(), height, width));
  const auto rows = covered_cells(image.shape()[0], height);
  const auto columns = covered_cells(image.shape()[1], width);
  ByteTensor resized({height, width});
  for (std::size_t i = 0; i < height; ++i)
    for (std::size_t j = 0; j < width; ++j)
      resized.view()(i, j) =
          static_cast<std::uint8_t>(std::lround(mean_over(image, rows[i], columns[j])));
  return resized;
}

}  // namespace gradatim
