#include "train/setting_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "gradatim/core/error.hpp"
#include "train/recipe_schema.hpp"
#include "train/recipe_writer.hpp"
#include "train/toml_document.hpp"

namespace gradatim::detail {
namespace {

constexpr std::size_t kLeastLetters = 4;

/// A visitor of describe(): the keys of a table.
struct KeyNames {
  std::vector<std::string_view> names;

  template <class T>
  void field(std::string_view key, const T&, const Range& = {}) {
    names.push_back(key);
  }
  template <class T>
  void required(std::string_view key, const T&, const Range& = {}) {
    names.push_back(key);
  }
  template <class T>
  void table(std::string_view key, const T&) {
    names.push_back(key);
  }
  void either(std::string_view key, std::size_t, std::string_view other_key, std::size_t,
              const Range&) {
    names.insert(names.end(), {key, other_key});
  }
};

// No key of a recipe is the beginning of another.
std::string in_full(std::string_view word) {
  KeyNames keys;
  Recipe recipe;
  describe(keys, recipe);
  const auto begins_so = [&](std::string_view name) { return name.starts_with(word); };
  const bool is_clear =
      word.size() >= kLeastLetters && std::ranges::count_if(keys.names, begins_so) == 1;
  return std::string(is_clear ? *std::ranges::find_if(keys.names, begins_so) : word);
}

// The parts of the one key of a document that has one value, none for any other document.
std::vector<std::string> only_key(const toml::table& document) {
  std::vector<std::string> parts;
  for (const toml::table* table = &document; table != nullptr;) {
    if (table->size() != 1) return {};
    parts.emplace_back(table->begin()->first.str());
    table = table->begin()->second.as_table();
  }
  return parts;
}

std::vector<std::string> parts_of(std::string_view text, std::string_view origin) {
  if (text.empty() || text.find('\n') != std::string_view::npos) return {};
  try {
    return only_key(parse_toml(fmt::format("{}=0", text), origin, kLongestRecipe));
  } catch (const TomlFault& fault) {
    throw InvalidArgument(fmt::format("{}: {}", origin, fault.what()));
  }
}

// "layers[0].units", as messages name it, is the key layers.0.units.
std::string with_dots(std::string_view key) {
  std::string dotted(key);
  for (std::size_t open = 0; (open = dotted.find('[', open)) != std::string::npos; ++open) {
    const std::size_t close = dotted.find_first_not_of("0123456789", open + 1);
    if (close == open + 1 || close == std::string::npos || dotted[close] != ']') continue;
    dotted.erase(close, 1);
    dotted[open] = '.';
  }
  return dotted;
}

}  // namespace

bool is_bare(std::string_view part) {
  return !part.empty() && std::ranges::all_of(part, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

std::string recipe_key(std::string_view text, std::string_view origin) {
  std::vector<std::string> parts = parts_of(with_dots(text), origin);
  if (parts.empty()) throw InvalidArgument(fmt::format("{}: expected key=value", origin));
  parts[0] = in_full(parts[0]);
  std::string key;
  for (const std::string& part : parts)
    key += (key.empty() ? "" : ".") + (is_bare(part) ? part : toml_text(std::string_view(part)));
  return key;
}

}  // namespace gradatim::detail
