#pragma once

#include <cstddef>
#include <vector>

#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/operation.hpp"

namespace gradatim {

/// What is lost, in units in the last place, where terms are added up one after another in float32.
/// An addition is off by up to half a unit of what has been added up so far; taken as random
/// (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019), all of them
/// by the root of the sum of the squares of the partial sums. For n terms of one sign that is
/// root(n) / 4 of their sum: beyond a thousand terms, more than all of these have lost before.

/// Of each entry of a layer's gradient (its parameters), added up row after row; dy is the gradient
/// by the layer's output. Layers over the batch, whose sums are in double, lose nothing.
std::vector<float> partial_sum_errors(const Operation& operation, ConstTensorView x,
                                      ConstTensorView dy, std::size_t parameters);

/// Of each value of dx that the layer's backward has added up, if its terms are of one sign.
Tensor partial_sum_errors(const Operation& operation, ConstTensorView dx);

}  // namespace gradatim
