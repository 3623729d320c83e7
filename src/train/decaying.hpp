#pragma once

#include <span>
#include <string>
#include <vector>

#include "gradatim/nn/parameters.hpp"
#include "gradatim/optim/optimizer.hpp"

namespace gradatim {

/// The parameters that no name in `except` stands for: a tensor ("dense1.weight"), a layer
/// ("dense1") or a role ("bias"). Throws InvalidArgument naming the nearest for a name of no tensor
/// of the layout, other than "bias".
std::vector<ParameterRange> decaying_parameters(const ParameterLayout& layout,
                                                std::span<const std::string> except);

}  // namespace gradatim
