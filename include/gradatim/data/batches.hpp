#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gradatim/core/tensor.hpp"
#include "gradatim/data/dataset.hpp"

namespace gradatim {

enum class Sampling {
  with_replacement,  // every draw from all samples, as in the course
  shuffled_epochs,   // every sample exactly once an epoch, in a new order each epoch
};

struct BatchPlan {
  std::size_t samples = 0;  // from 1 to 2^32 - 1
  std::size_t batch = 100;
  Sampling sampling = Sampling::with_replacement;
  std::uint64_t seed = 0;
};

/// Which samples make up the mini-batch of a step: a function of (plan, step) and nothing else, so
/// any step can be had at any time, on any machine. Allocates nothing after construction.
class BatchSampler {
 public:
  /// Throws InvalidArgument if there are no samples, or too many, or the batch is empty, or, with
  /// shuffled epochs, if the batch is larger than the data.
  explicit BatchSampler(const BatchPlan& plan);

  /// Valid until the next call. The plan's batch of indices; with shuffled epochs an epoch's last
  /// batch is shorter where batch does not divide samples.
  std::span<const std::uint32_t> indices(std::uint64_t step);

  /// How many these are.
  std::size_t count(std::uint64_t step) const;

  /// ceil(samples / batch): the steps in which as many samples are drawn as there are.
  std::size_t steps_per_epoch() const;

 private:
  BatchPlan plan_;
  std::vector<std::uint32_t> order_;  // the batch, or the permutation of epoch_
  std::uint64_t epoch_ = 0;
};

/// inputs row i = split.images[indices[i]]·kByteScale, or split.features[indices[i]].
/// inputs: (count, ...) with as many elements a row as a sample has. Throws ShapeError if the
/// counts or the row size do not fit, or the split's own do not (Split::check), InvalidArgument if
/// an index is outside the split.
void gather(const Split& split, std::span<const std::uint32_t> indices, TensorView<float> inputs);
/// With labels[i] = split.labels[indices[i]].
void gather(const Split& split, std::span<const std::uint32_t> indices, TensorView<float> inputs,
            std::span<std::int32_t> labels);

/// The bytes as they are: inputs row i = split.images[indices[i]].
void gather(const Split& split, std::span<const std::uint32_t> indices,
            TensorView<std::uint8_t> inputs);
void gather(const Split& split, std::span<const std::uint32_t> indices,
            TensorView<std::uint8_t> inputs, std::span<std::int32_t> labels);

}  // namespace gradatim
