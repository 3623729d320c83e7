#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/data/batches.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kLookAhead = 8;

// A random image is in no cache and its lines are asked for one at a time by the loop that reads
// them; asked for some images ahead, they arrive together.
void prefetch(std::span<const std::uint8_t> image) {
  for (std::size_t at = 0; at < image.size(); at += kAlignment) __builtin_prefetch(&image[at]);
}

void check_shapes(const Split& split, std::size_t count, const Shape& inputs, std::size_t labels) {
  split.check();
  const std::size_t pixels = split.sample().size();
  if (inputs.rank() == 0 || inputs[0] != count || labels != count ||
      inputs.size() != count * pixels)
    throw ShapeError(
        fmt::format("gather of {} images of {} pixels: expected inputs ({}, {}) and {} labels, got "
                    "inputs {} and {} labels",
                    count, pixels, count, pixels, count, inputs.to_string(), labels));
}

void check_indices(const Split& split, std::span<const std::uint32_t> indices) {
  const auto outside = std::find_if(indices.begin(), indices.end(),
                                    [&](std::uint32_t index) { return index >= split.size(); });
  if (outside != indices.end())
    throw InvalidArgument(fmt::format("gather: expected indices in [0, {}), got {} at {}",
                                      split.size(), *outside, outside - indices.begin()));
}

// Calls copy(image, i) for the image of each index, with those to come on their way.
template <class Copy>
void gather_images(const Split& split, std::span<const std::uint32_t> indices, Copy copy) {
  const auto images = split.images.view();
  for (std::size_t i = 0; i < std::min(kLookAhead, indices.size()); ++i)
    prefetch(images.row(indices[i]));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (i + kLookAhead < indices.size()) prefetch(images.row(indices[i + kLookAhead]));
    copy(images.row(indices[i]), i);
  }
}

template <class T>
void gather_inputs(const Split& split, std::span<const std::uint32_t> indices, TensorView<T> inputs,
                   std::size_t labels) {
  check_shapes(split, indices.size(), inputs.shape(), labels);
  check_indices(split, indices);
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    gather_images(split, indices, [&](std::span<const std::uint8_t> image, std::size_t i) {
      std::ranges::copy(image, inputs.row(i).begin());
    });
  } else if (split.has_images()) {
    gather_images(split, indices, [&](std::span<const std::uint8_t> image, std::size_t i) {
      kernels::bytes_to_float(image, kByteScale, inputs.row(i));
    });
  } else {
    for (std::size_t i = 0; i < indices.size(); ++i)
      std::ranges::copy(split.features.view().row(indices[i]), inputs.row(i).begin());
  }
}

void gather_labels(const Split& split, std::span<const std::uint32_t> indices,
                   std::span<std::int32_t> labels) {
  for (std::size_t i = 0; i < indices.size(); ++i) labels[i] = split.labels[indices[i]];
}

}  // namespace

void gather(const Split& split, std::span<const std::uint32_t> indices, TensorView<float> inputs) {
  gather_inputs(split, indices, inputs, indices.size());
}

void gather(const Split& split, std::span<const std::uint32_t> indices, TensorView<float> inputs,
            std::span<std::int32_t> labels) {
  gather_inputs(split, indices, inputs, labels.size());
  gather_labels(split, indices, labels);
}

void gather(const Split& split, std::span<const std::uint32_t> indices,
            TensorView<std::uint8_t> inputs) {
  gather_inputs(split, indices, inputs, indices.size());
}

void gather(const Split& split, std::span<const std::uint32_t> indices,
            TensorView<std::uint8_t> inputs, std::span<std::int32_t> labels) {
  gather_inputs(split, indices, inputs, labels.size());
  gather_labels(split, indices, labels);
}

Tensor normalize(TensorView<const std::uint8_t> images) {
  Tensor result(images.shape());
  kernels::bytes_to_float(images.values(), kByteScale, result.values());
  return result;
}

}  // namespace gradatim
