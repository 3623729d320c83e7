#pragma once

#include <span>

#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/train/options.hpp"

namespace gradatim {

/// The moving average of the weights; see WeightAverage.
class AveragedWeights {
 public:
  /// Throws InvalidArgument unless decay is in [0, 1).
  AveragedWeights(const WeightAverage& options, std::span<const float> theta);

  bool active() const { return !values_.empty(); }
  std::span<float> values() { return values_; }
  /// Takes in the weights after step 1, 2, ...
  void update(std::span<const float> theta, std::size_t step, TaskPool& pool);

 private:
  float decay_;
  AlignedVector<float> values_;  // none if not active
};

}  // namespace gradatim
