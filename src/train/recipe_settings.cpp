#include "train/recipe_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/core/number_text.hpp"
#include "train/setting_key.hpp"
#include "train/toml_document.hpp"

namespace gradatim::detail {
namespace {

bool is_bare_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  });
}

bool exceeds_64_bits(std::string_view text) {
  std::int64_t unused = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), unused);
  return error == std::errc::result_out_of_range && end == text.data() + text.size();
}

// What may have been meant by a value that is no TOML: a number beyond 64 bits, or a word.
std::string as_toml(std::string_view value) {
  return exceeds_64_bits(value) ? fmt::format("{}.0", value) : fmt::format("\"{}\"", value);
}

// What a value that is no TOML was meant for.
std::string advice(std::string_view value) {
  const bool is_range = value.ends_with(')') && is_bare_word(value.substr(0, value.find('(')));
  return is_range ? "; ranges of values are for `gradatim search`" : "";
}

// "a.b=1" is a TOML document of its own, with nested tables for the dots.
toml::table parse_setting(const Setting& setting) {
  const std::size_t equals = setting.text.find('=');
  if (equals == std::string::npos || equals == 0 || setting.text.find('\n') != std::string::npos)
    throw InvalidArgument(fmt::format("{}: expected key=value", setting.origin));
  const std::string key =
      recipe_key(std::string_view(setting.text).substr(0, equals), setting.origin);
  const std::string_view value = std::string_view(setting.text).substr(equals + 1);
  if (value.find_first_not_of(" \t") == std::string_view::npos)
    throw InvalidArgument(fmt::format("{}: expected a value behind '='", setting.origin));
  const auto parse = [&](std::string_view text) {
    return parse_toml(fmt::format("{}={}", key, text), setting.origin, kLongestRecipe);
  };
  try {
    try {
      return parse(value);
    } catch (const TomlFault&) {
      if (!is_bare_word(value)) throw;
      return parse(as_toml(value));
    }
  } catch (const TomlFault& fault) {
    throw InvalidArgument(fmt::format("{}: {}{}", setting.origin, fault.what(), advice(value)));
  }
}

// "relu" is short for { kind = "relu" }: what is to get options becomes that.
toml::table table_of_kind(const std::string& kind) {
  toml::table table;
  table.insert("kind", kind);
  return table;
}

void merge(toml::table& base, toml::table& changes, const std::string& origin);

// "layers.0.units": the tables below an array are numbered.
void merge_into_array(toml::array& base, std::string_view path, toml::table& changes,
                      const std::string& origin) {
  for (auto&& [key, node] : changes) {
    const auto index = number_in<std::size_t>(key.str());
    if (!index || *index >= base.size())
      throw InvalidArgument(fmt::format("{}: {}: expected an index below {}, got '{}'", origin,
                                        path, base.size(), key.str()));
    const auto place = base.begin() + static_cast<std::ptrdiff_t>(*index);
    toml::table* table = node.as_table();
    if (table != nullptr && place->is_string())
      base.replace(place, table_of_kind(place->as_string()->get()));
    if (table != nullptr && base.get(*index)->is_table()) {
      merge(*base.get(*index)->as_table(), *table, origin);
    } else {
      node.visit([&](auto& value) { base.replace(place, std::move(value)); });
    }
  }
}

void merge(toml::table& base, toml::table& changes, const std::string& origin) {
  const auto* kind = changes.get("kind");
  if (kind != nullptr && base.contains("kind") &&
      base["kind"].value<std::string>() != kind->value<std::string>())
    base.clear();
  for (auto&& [key, node] : changes) {
    toml::table* table = node.as_table();
    if (const auto* name = base.get_as<std::string>(key.str()); name != nullptr && table != nullptr)
      base.insert_or_assign(key, table_of_kind(name->get()));
    toml::node* before = base.get(key.str());
    if (before != nullptr && table != nullptr && before->is_array()) {
      merge_into_array(*before->as_array(), key.str(), *table, origin);
    } else if (before != nullptr && table != nullptr && before->is_table()) {
      merge(*before->as_table(), *table, origin);
    } else {
      node.visit(
          [&, &where = key](auto& value) { base.insert_or_assign(where, std::move(value)); });
    }
  }
}

bool sets_a_kind(const toml::table& change) {
  for (auto&& [key, node] : change) {
    if (key.str() == "kind") return true;
    if (const toml::table* table = node.as_table()) return sets_a_kind(*table);
  }
  return false;
}

}  // namespace

void apply_settings(toml::table& document, std::span<const Setting> settings) {
  std::vector<std::pair<toml::table, std::string>> changes;
  for (const Setting& setting : settings)
    changes.emplace_back(parse_setting(setting), setting.origin);
  // A kind clears the options of the kind before it, so it must come before its own.
  std::stable_partition(changes.begin(), changes.end(),
                        [](const auto& change) { return sets_a_kind(change.first); });
  for (auto& [change, origin] : changes) {
    if (change.contains("steps")) document.erase("epochs");
    if (change.contains("epochs")) document.erase("steps");
    merge(document, change, origin);
  }
}

}  // namespace gradatim::detail
