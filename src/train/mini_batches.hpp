#pragma once

#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/data/augmentation.hpp"
#include "gradatim/data/batches.hpp"

namespace gradatim {

struct MiniBatchPlan {
  BatchPlan step{};           // all samples of a step
  std::size_t most_rows = 0;  // in one batch of it; 0: all
  Augmentation augmentation{};
  std::vector<float> class_weights{};  // of each class, or none
};

/// The mini-batches of a training, gathered into memory of its own: images as bytes where the
/// network can skip their zeros and there are enough of them, as floats otherwise.
class MiniBatches {
 public:
  MiniBatches(const Split& split, const MiniBatchPlan& plan, bool network_accepts_bytes);

  /// Draws the samples of a step, counted from 0, and says how many batches they make.
  std::size_t begin(std::size_t step);
  /// One of these batches; valid until the next call. Weights are scaled so that the mean over the
  /// whole step is the weighted mean. The same bits for any pool.
  Batch gather(std::size_t part, TaskPool& pool);
  /// The share of the step's samples that are in it.
  double share(std::size_t part) const;
  /// Among the samples of the step.
  std::size_t first_row(std::size_t part) const { return part * plan_.most_rows; }

 private:
  std::span<const std::uint32_t> part_indices(std::size_t part) const;
  void gather_inputs(std::span<const std::uint32_t> indices, Batch& batch, TaskPool& pool);
  void gather_targets(std::span<const std::uint32_t> indices, Batch& batch);
  double weight_of(std::uint32_t index) const;

  const Split* split_;
  MiniBatchPlan plan_;
  BatchSampler sampler_;
  bool as_bytes_;
  std::size_t step_ = 0;
  std::span<const std::uint32_t> indices_;  // of the step
  double weight_sum_ = 0;                   // of these
  ByteTensor bytes_;                        // (rows, values), or
  Tensor floats_;                           // (rows, values)
  std::vector<std::int32_t> labels_;        // (rows), or
  Tensor targets_;                          // (rows, outputs)
  std::vector<float> weights_;              // (rows), or none
};

}  // namespace gradatim
