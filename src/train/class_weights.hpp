#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gradatim/train/options.hpp"

namespace gradatim {

/// The weight of each class, or none where all are equal. Throws InvalidArgument unless there are
/// labels to weigh, each of a class, the list has a weight for each of the `classes` outputs, none
/// is negative, and not all are zero.
std::vector<float> weights_of_classes(const ClassWeights& weights,
                                      std::span<const std::int32_t> labels, std::size_t classes);

}  // namespace gradatim
