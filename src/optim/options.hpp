#pragma once

#include "gradatim/optim/optimizer.hpp"

namespace gradatim {

/// Throws InvalidArgument that names the optimizer, the option, its range and what came.
void validate(const Descent& descent);

}  // namespace gradatim
