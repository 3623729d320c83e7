#pragma once

#include "gradatim/data/dataset.hpp"
#include "gradatim/train/options.hpp"

namespace gradatim {

/// Throws InvalidArgument or ShapeError unless network, data and options fit together.
void check_fit(const Network& network, const Dataset& data, const TrainOptions& options);

}  // namespace gradatim
