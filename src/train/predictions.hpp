#pragma once

#include <span>

#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim::detail {

/// The outputs of the network for all samples of a split, (samples, outputs), from their bytes
/// or features. The same bits for any pool, so that whatever is counted from them agrees. Throws
/// ShapeError if the split is not whole or the network does not take its samples.
Tensor predictions(const Network& network, std::span<const float> theta, const Split& split,
                   TaskPool& pool);

}  // namespace gradatim::detail
