#pragma once

#include <span>

#include <toml++/toml.h>

#include "gradatim/train/recipe.hpp"

namespace gradatim::detail {

/// Replaces values of the document by those of the settings; see Setting. Nodes that come from a
/// setting have its origin as their source path.
void apply_settings(toml::table& document, std::span<const Setting> settings);

}  // namespace gradatim::detail
