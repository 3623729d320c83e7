#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/operation.hpp"

namespace gradatim {

/// What is lost, in units in the last place (2^-24), where terms are added up one after another in
/// float32. An addition is off by up to a unit of what has been added up so far; taken as random
/// (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019), all of them
/// by the root of the sum of the squares of the partial sums. For n terms of one sign that is
/// root(n) / 4 of their sum: beyond 17 terms, more than all of these have lost before. For n terms
/// that are equal it may be n / 2: they are all rounded to the same side. Where a sum in float32 is
/// seen to be off by more, half of that is taken.

/// Of each entry of a layer's gradient (its parameters), added up row after row; dy is the gradient
/// by the layer's output. Layers over the batch, whose sums are in double, lose nothing.
std::vector<float> gradient_sum_errors(const Operation& operation, ConstTensorView x,
                                       ConstTensorView dy, std::size_t parameters);

/// Of each value of dx, added up unit after unit (or filter): the partial sums are looked at eight
/// times.
Tensor value_sum_errors(const Operation& operation, std::span<const float> theta, ConstTensorView x,
                        ConstTensorView y, ConstTensorView dy);

/// Of the gradient by outputs (rows, classes) that a softmax is part of: backprop divides all
/// values of a row by a sum over the classes, and their changes are added up over them, each in at
/// least four lanes.
Tensor softmax_sum_errors(ConstTensorView outputs, ConstTensorView gradient);

}  // namespace gradatim
