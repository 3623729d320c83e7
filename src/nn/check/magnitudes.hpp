#pragma once

#include <span>

#include "gradatim/core/tensor.hpp"
#include "nn/numerical/base_point.hpp"

namespace gradatim {

/// How large backprop's rounding errors of each entry of the gradient of the mean loss may be, in
/// units in the last place: the smaller of two estimates, but not less than the third.
/// - The sum of the absolute values of the terms that the entry is added up from: backprop with all
///   signs taken away (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section
///   3.3). A bound, but through wide layers far too large a one: it grows by their width, errors by
///   its root.
/// - At every value that backprop computes, an error as large as the terms that it is added up from
///   there, of random sign, is sent on by backward; the root mean square of several such turns, and
///   the terms of the entry itself (Monte Carlo arithmetic: Parker, 1997; that signs are random and
///   errors so grow by roots is the model of Higham and Mary, "A new approach to probabilistic
///   rounding error analysis", 2019).
/// - What is lost by adding terms up (partial_sums.hpp), at the entry and, sent on in the same way,
///   at every value before it: of many terms of one sign that is more than the terms have lost.
struct Magnitudes {
  AlignedVector<float> theta;  // (parameters)
  Tensor inputs;               // (rows, inputs)
};

Magnitudes magnitudes(const BasePoint& base);

/// The gradient of the mean loss by the inputs (rows, inputs), by backprop.
Tensor backprop_inputs(const BasePoint& base);

}  // namespace gradatim
