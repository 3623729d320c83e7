#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tensor.hpp"

namespace gradatim {

/// Some samples as a network takes them.
struct Samples {
  Tensor inputs;                     // (count, 784), in [0, 1]; or features
  std::vector<std::int32_t> labels;  // (count), or
  Tensor targets{};                  // (count, outputs)

  /// Valid as long as the samples.
  operator Batch() const {
    Batch batch{.inputs = inputs.view(), .targets = {.labels = labels}};
    if (labels.empty()) batch.targets.values = targets;
    return batch;
  }
};

/// Samples with what they should give: images or features, and labels or targets.
struct Split {
  // Images stay bytes: a quarter of the memory, and of the traffic to it.
  ByteTensor images{};                 // (n, 28, 28), or
  std::vector<std::int32_t> labels{};  // (n), in [0, classes), or
  Tensor features{};                   // (n, columns), instead of images
  Tensor targets{};                    // (n, outputs), instead of labels

  std::size_t size() const { return labels.empty() ? targets.shape()[0] : labels.size(); }
  bool has_images() const { return images.size() != 0; }
  /// The shape of one sample's inputs.
  Shape sample() const {
    return has_images() ? images.shape().sample() : features.shape().sample();
  }
  /// Throws ShapeError unless there are as many inputs as targets, one kind of each. Whatever reads
  /// samples of a split by their number calls it.
  void check() const;
  /// Samples [first, first + count), normalised. Throws ShapeError if there are fewer.
  Samples batch(std::size_t first, std::size_t count) const;
  /// The same where they are, images as bytes; all of them. Throws as check().
  Batch all() const;
};

/// A column of Split::features or of Split::targets and how it is scaled: what a network gets, or
/// should give, is (x - mean) / deviation.
struct Column {
  std::string name{};
  float mean = 0;
  float deviation = 1;
  friend bool operator==(const Column&, const Column&) = default;
};

/// The columns of splits that have features, and of those that have targets instead of labels.
struct Columns {
  std::vector<Column> features{};
  std::vector<Column> targets{};
};

struct Dataset {
  std::string name{};
  std::vector<std::string> class_names{};  // of labels, or none
  Split train{};
  Split test{};
  Split validation{};  // held out of train, if anything
  Columns columns{};   // of the splits
};

/// Reads images (n, rows, columns) and labels (n) from two IDX files. Throws DataError if either is
/// bad (see read_idx), if the counts differ, or if a label is not in [0, classes).
Split read_split(const std::filesystem::path& images, const std::filesystem::path& labels,
                 std::size_t classes);

/// What a byte is multiplied by to lie in [0, 1]. In float 255·kByteScale is exactly 1, and
/// byte·kByteScale is within one unit in the last place of byte / 255.
inline constexpr float kByteScale = 1.0F / 255.0F;

/// The bytes as floats in [0, 1], shape kept.
Tensor normalize(TensorView<const std::uint8_t> images);

/// (n, e1, e2, ...) as (n, e1·e2·...): the same memory. Rank at least 1.
template <class T>
TensorView<T> flatten(TensorView<T> samples) {
  return samples.reshaped({samples.rows(), samples.row_size()});
}
template <class T>
TensorView<const T> flatten(const BasicTensor<T>& samples) {
  return flatten(samples.view());
}

/// (n, classes): row i is zero but for a 1 at labels[i]. Throws InvalidArgument, with the index, if
/// a label is not in [0, classes).
Tensor one_hot(std::span<const std::int32_t> labels, std::size_t classes);

}  // namespace gradatim
