#pragma once

#include "gradatim/train/recipe.hpp"

namespace gradatim::app {

/// What a step of the recipe takes at least: the parameters and their gradient, two batches of
/// bytes, the widest layer's values but those of convolutions, and the numbers of its samples.
/// Quick, where a plan would have to allocate what it counts.
double least_bytes_of_step(const Recipe& recipe);

/// Throws InvalidArgument with both figures if that is more memory than the machine has, so that
/// the system would end the process before an allocation fails.
void require_memory(const Recipe& recipe);

}  // namespace gradatim::app
