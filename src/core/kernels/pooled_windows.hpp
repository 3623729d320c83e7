#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gradatim::kernels {

/// Pairs of lines of an output with its filters last, x (pairs, 2, 2 · width, filters); filters
/// fill vectors.
struct LinePairs {
  std::size_t pairs, width, filters;
};
/// The largest of each window of 2 x 2 pixels side by side, max(·, 0) of it if relu, to y (pairs,
/// width, filters), and which it was, the first of equals, to places of the same shape, unless it
/// is null: 2 · (lower line) + (right column). A window with a NaN gives NaN, and any place.
void pool_lines(const LinePairs& lines, const float* x, bool relu, float* y, std::uint8_t* places);

struct ImageOfFilters {
  std::size_t height, width, filters;
};
/// The way back: dy (height, width, filters) has pooled (height / 2, width / 2, filters) at its
/// places and is 0 elsewhere.
void spread_pooled(const ImageOfFilters& image, const float* pooled, const std::uint8_t* places,
                   float* dy);

/// The values of a gradient that are not zero, and where they are.
struct SparseGradient {
  std::span<float> values;             // room for dy.size() + kAlignment floats
  std::span<std::uint32_t> positions;  // as large
};
/// Keeps those dy[i] that are not zero, and where y is positive if y is given (not empty). Returns
/// how many.
std::size_t keep_nonzero(std::span<const float> dy, std::span<const float> y,
                         const SparseGradient& kept);

/// Windows of an image with its channels last, (height, width, channels), whose lines of pixels are
/// `stride` floats apart: `size` pixels of `channels` floats high and wide. Behind the image, a
/// vector can be read.
struct ChannelsLast {
  std::size_t stride, size, channels;
};
/// Floats in one line of a window, size · channels and what fills a vector.
std::size_t window_line(std::size_t size, std::size_t channels);
/// sums (size, window_line) += sum over i of values[i] · the window at image + offsets[i]. What is
/// behind size · channels of a line of sums means nothing.
void add_windows(const float* image, const ChannelsLast& windows, std::span<const float> values,
                 std::span<const std::uint32_t> offsets, float* sums);
}  // namespace gradatim::kernels
