#pragma once

#include <span>
#include <vector>

#include "gradatim/nn/numerical_gradient.hpp"

namespace gradatim {

/// A derivative as sum_s weights[s] · (L(offsets[s]) - L(0)): the offsets in units of the argument,
/// the step included.
struct DifferenceQuotient {
  std::vector<float> offsets;
  std::vector<float> weights;
};

/// For the mean over `rows` samples. Throws InvalidArgument unless the step is finite and positive.
DifferenceQuotient make_quotient(Difference method, float step, std::size_t rows);

}  // namespace gradatim
