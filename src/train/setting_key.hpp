#pragma once

#include <string>
#include <string_view>

namespace gradatim::detail {

/// Letters, digits, '_' and '-': what a part of a TOML key needs no quotes for.
bool is_bare(std::string_view part);

/// The key of a setting, read as TOML reads it and spelled as a recipe spells it, its first word in
/// full: "optimizer.learning_rate" for "optim . learning_rate". At least four letters stand for the
/// one key of a recipe that begins so. Throws InvalidArgument, which begins with the origin, for
/// what is no key.
std::string recipe_key(std::string_view text, std::string_view origin);

}  // namespace gradatim::detail
