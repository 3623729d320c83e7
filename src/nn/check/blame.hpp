#pragma once

#include <string>
#include <vector>

#include "gradatim/core/tasks.hpp"
#include "nn/check/slopes.hpp"

namespace gradatim {

/// Which parts of backprop are wrong, each looked at by itself: it is given the numerical gradient
/// by what leaves it, and must return that by what enters it, and by its parameters, to
/// `tolerance` in norm. "layer 2 (swish): its backward", "layer 1 (dense): the gradient of its
/// parameters", "the loss softmax_cross_entropy".
std::vector<std::string> blame(DifferenceEngine& engine, const DifferenceQuotient& quotient,
                               const Slopes& parameters, double tolerance, TaskPool& pool);

}  // namespace gradatim
