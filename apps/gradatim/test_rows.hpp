#pragma once

#include "gradatim/train/recipe.hpp"

namespace gradatim::app {

/// Throws InvalidArgument if a share of a table's rows that the recipe chose for testing came to
/// none; of the default share a small table may have none.
void require_test_rows(const Recipe& recipe, const Dataset& data);

}  // namespace gradatim::app
