#pragma once

#include <span>
#include <string>
#include <string_view>

#include <toml++/toml.h>

#include "gradatim/train/recipe.hpp"

namespace gradatim::detail {

/// A dotted key whose first word is the beginning of just one key of a recipe, with that key:
/// "optimizer.learning_rate" for "optim.learning_rate". Any other key as it is.
std::string spelled_out(std::string_view key);

/// Replaces values of the document by those of the settings; see Setting. Nodes that come from a
/// setting have its origin as their source path.
void apply_settings(toml::table& document, std::span<const Setting> settings);

}  // namespace gradatim::detail
