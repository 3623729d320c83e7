#pragma once

#include <span>

#include "gradatim/core/tensor.hpp"
#include "nn/numerical/base_point.hpp"

namespace gradatim {

/// For each parameter, and each input, the sum of the absolute values of the terms that its
/// gradient of the mean loss is added up from: backprop with all signs taken away.
struct Magnitudes {
  AlignedVector<float> theta;  // (parameters)
  Tensor inputs;               // (rows, inputs)
};

Magnitudes magnitudes(const BasePoint& base);

/// The gradient of the mean loss by the inputs (rows, inputs), by backprop.
Tensor backprop_inputs(const BasePoint& base);

}  // namespace gradatim
