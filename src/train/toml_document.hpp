#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include <toml++/toml.h>

namespace gradatim::detail {

/// In bytes: of a recipe or a setting, and of the description of a network within a model file.
inline constexpr std::size_t kLongestRecipe = 1U << 20U;
inline constexpr std::size_t kLongestNetwork = 1U << 16U;

/// How deep a document may nest: parts of a dotted key or header, and brackets within brackets.
inline constexpr std::size_t kMostKeyParts = 16;
inline constexpr std::size_t kDeepestBrackets = 16;

/// What is wrong with a document, for the caller to say which document it is.
struct TomlFault : std::runtime_error {
  TomlFault(const std::string& message, const toml::source_position& place)
      : std::runtime_error(message), where(place) {}
  toml::source_position where;  // line 0: the whole document
};

/// Parses TOML that nobody vouches for. toml++ bounds the nesting of values but not of the tables
/// that dotted keys make, and tables are destroyed and merged recursively; so text that is too long
/// or nests too deep is refused before it is parsed. Throws TomlFault.
toml::table parse_toml(std::string_view text, std::string_view source, std::size_t most_bytes);

}  // namespace gradatim::detail
