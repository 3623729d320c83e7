#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/data/batches.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kLookAhead = 8;

void bytes_to_float(std::span<const std::uint8_t> bytes, float scale, std::span<float> out) {
  for (std::size_t i = 0; i < bytes.size(); ++i) out[i] = static_cast<float>(bytes[i]) * scale;
}

// A random image is in no cache and its lines are asked for one at a time by the loop that reads
// them; asked for some images ahead, they arrive together.
void prefetch(std::span<const std::uint8_t> image) {
  for (std::size_t at = 0; at < image.size(); at += kAlignment) __builtin_prefetch(&image[at]);
}

void check_shapes(const Split& split, std::size_t count, TensorView<float> inputs,
                  std::size_t labels) {
  const std::size_t pixels = split.images.view().row_size();
  if (inputs.shape().rank() == 0 || inputs.rows() != count || labels != count ||
      inputs.size() != count * pixels)
    throw ShapeError(
        fmt::format("gather of {} images of {} pixels: expected inputs ({}, {}) and {} labels, got "
                    "inputs {} and {} labels",
                    count, pixels, count, pixels, count, inputs.shape().to_string(), labels));
}

void check_indices(const Split& split, std::span<const std::uint32_t> indices) {
  const auto outside = std::find_if(indices.begin(), indices.end(),
                                    [&](std::uint32_t index) { return index >= split.size(); });
  if (outside != indices.end())
    throw InvalidArgument(fmt::format("gather: expected indices in [0, {}), got {} at {}",
                                      split.size(), *outside, outside - indices.begin()));
}

}  // namespace

void gather(const Split& split, std::span<const std::uint32_t> indices, TensorView<float> inputs,
            std::span<std::int32_t> labels) {
  check_shapes(split, indices.size(), inputs, labels.size());
  check_indices(split, indices);
  const auto images = split.images.view();
  for (std::size_t i = 0; i < std::min(kLookAhead, indices.size()); ++i)
    prefetch(images.row(indices[i]));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (i + kLookAhead < indices.size()) prefetch(images.row(indices[i + kLookAhead]));
    bytes_to_float(images.row(indices[i]), kByteScale, inputs.row(i));
    labels[i] = split.labels[indices[i]];
  }
}

void gather(const Split& split, std::size_t first, TensorView<float> inputs,
            std::span<std::int32_t> labels) {
  const std::size_t count = labels.size();
  check_shapes(split, count, inputs, count);
  const auto images = split.images.view().slice(first, count);
  bytes_to_float(images.values(), kByteScale, inputs.values());
  std::copy_n(split.labels.begin() + static_cast<std::ptrdiff_t>(first), count, labels.begin());
}

Tensor normalize(TensorView<const std::uint8_t> images) {
  Tensor result(images.shape());
  bytes_to_float(images.values(), kByteScale, result.values());
  return result;
}

}  // namespace gradatim
