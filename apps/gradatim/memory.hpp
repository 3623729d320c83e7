#pragma once

#include "gradatim/train/recipe.hpp"

namespace gradatim::app {

/// Throws InvalidArgument with both figures if a step of the recipe takes more memory than the
/// machine has, so that the system would end the process before an allocation fails. A lower bound:
/// the parameters and their gradient, two batches of bytes and the widest layer's values but those
/// of convolutions.
void require_memory(const Recipe& recipe);

}  // namespace gradatim::app
