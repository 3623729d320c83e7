#pragma once

#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/data/batches.hpp"

namespace gradatim {

/// The mini-batches of a training, gathered into memory of its own: as bytes where the network can
/// skip their zeros and there are enough of them, as floats otherwise.
class MiniBatches {
 public:
  MiniBatches(const Split& split, const BatchPlan& plan, bool network_accepts_bytes);

  /// The batch of a step, counted from 0. Valid until the next call.
  Batch gather(std::size_t step);

 private:
  const Split* split_;
  BatchSampler sampler_;
  bool as_bytes_;
  ByteTensor bytes_;  // (batch, values), or
  Tensor floats_;     // (batch, values)
  std::vector<std::int32_t> labels_;
};

}  // namespace gradatim
