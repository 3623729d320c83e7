#include "gradatim/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <limits>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/data/idx.hpp"

namespace gradatim {
namespace {

std::vector<std::int32_t> read_labels(const std::filesystem::path& file, std::size_t classes) {
  const ByteTensor bytes = read_idx(file, 1);
  const auto values = bytes.values();
  const auto outside = std::find_if(values.begin(), values.end(),
                                    [&](std::size_t label) { return label >= classes; });
  if (outside != values.end())
    throw DataError(fmt::format("labels '{}': expected labels from 0 to {}, got {} at index {}",
                                file.string(), classes - 1, *outside, outside - values.begin()));
  return {values.begin(), values.end()};
}

}  // namespace

Split read_split(const std::filesystem::path& images, const std::filesystem::path& labels,
                 std::size_t classes) {
  if (classes == 0) throw InvalidArgument("read_split: expected at least one class, got 0");
  auto label_values = std::async(std::launch::async, [&] { return read_labels(labels, classes); });
  Split split{.images = read_idx(images, 3), .labels = label_values.get()};
  if (split.images.shape()[0] != split.labels.size())
    throw DataError(fmt::format("'{}' has {} images, but '{}' has {} labels", images.string(),
                                split.images.shape()[0], labels.string(), split.labels.size()));
  return split;
}

void Split::check() const {
  if (features.size() == 0 && images.shape()[0] != size())
    throw ShapeError(
        fmt::format("split: expected as many images as labels, got images {} and {} labels",
                    images.shape().to_string(), size()));
  if (features.size() != 0 && features.shape()[0] != size())
    throw ShapeError(fmt::format("split: expected as many features as targets, got {} and {}",
                                 features.shape().to_string(), size()));
  if (!labels.empty() && targets.size() != 0)
    throw ShapeError("split: expected labels or targets, got both");
}

Samples Split::batch(std::size_t first, std::size_t count) const {
  if (first > size() || count > size() - first)
    throw ShapeError(fmt::format("batch: expected samples within [0, {}), got {} from {}", size(),
                                 count, first));
  check();
  const std::size_t values = sample().size();
  Samples samples{.inputs = Tensor({count, values}), .labels = {}};
  if (has_images())
    kernels::bytes_to_float(images.view().slice(first, count).values(), kByteScale,
                            samples.inputs.values());
  else
    std::ranges::copy(features.view().slice(first, count).values(), samples.inputs.data());
  if (!labels.empty()) {
    const auto from = labels.begin() + static_cast<std::ptrdiff_t>(first);
    samples.labels.assign(from, from + static_cast<std::ptrdiff_t>(count));
  } else {
    samples.targets = Tensor({count, targets.shape().sample().size()});
    std::ranges::copy(targets.view().slice(first, count).values(), samples.targets.data());
  }
  return samples;
}

Batch Split::all() const {
  check();
  Batch batch{.targets = {.labels = labels}};
  if (labels.empty()) batch.targets.values = targets;
  if (has_images())
    batch.inputs = ByteInputs{flatten(images), kByteScale};
  else
    batch.inputs = flatten(features);
  return batch;
}

Tensor one_hot(std::span<const std::int32_t> labels, std::size_t classes) {
  Tensor result({labels.size(), classes});
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || static_cast<std::size_t>(labels[i]) >= classes)
      throw InvalidArgument(fmt::format("one_hot: expected labels in [0, {}), got {} at index {}",
                                        classes, labels[i], i));
    result.view()(i, static_cast<std::size_t>(labels[i])) = 1.0F;
  }
  return result;
}

}  // namespace gradatim
