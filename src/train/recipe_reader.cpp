#include "train/recipe_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"

namespace gradatim::detail {
namespace {

// What came, as an error shows it: "the string 'fast'".
std::string shown(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("the string '{}'", text->get());
  if (const auto* integer = node.as_integer()) return fmt::format("{}", integer->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "true" : "false";
  if (const auto* array = node.as_array()) return array->empty() ? "an empty array" : "an array";
  if (node.is_table()) return "a table";
  return "a date or time";
}

std::string shown(const Range& range) {
  constexpr double kMax = std::numeric_limits<double>::max();
  if (range.low > -kMax && range.high < kMax)
    return fmt::format("in {}{}, {}{}", range.low_open ? "(" : "[", range.low, range.high,
                       range.high_open ? ")" : "]");
  if (range.low > -kMax) return fmt::format("{} {}", range.low_open ? "above" : "from", range.low);
  return "finite";
}

bool contains(const Range& range, double value) {
  return (range.low_open ? value > range.low : value >= range.low) &&
         (range.high_open ? value < range.high : value <= range.high);
}

}  // namespace

std::string place_of(const toml::source_region& where, std::string_view file) {
  if (where.path && *where.path != file) return *where.path;
  if (where.begin.line == 0) return std::string(file);
  return fmt::format("{}:{}:{}", file, where.begin.line, where.begin.column);
}

std::string RecipeReader::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void RecipeReader::fail(const toml::source_region& where, std::string_view path,
                        std::string_view message) const {
  throw InvalidArgument(
      fmt::format("{}: {}{}{}", place_of(where, file_), path, path.empty() ? "" : ": ", message));
}

void RecipeReader::fail_type(const toml::node& node, std::string_view path,
                             std::string_view expected) const {
  fail(node.source(), path, fmt::format("expected {}, got {}", expected, shown(node)));
}

void RecipeReader::fail_both(std::string_view key, std::string_view other) const {
  fail(table_.get(other)->source(), path_of(other),
       fmt::format("expected at most one of '{}' and '{}'", key, other));
}

void RecipeReader::refuse(std::string_view why) const { fail(where_, path_, why); }

void RecipeReader::finish() const {
  for (const auto& [key, node] : table_) {
    if (std::find(keys_.begin(), keys_.end(), key.str()) != keys_.end()) continue;
    fail(key.source().begin.line != 0 ? key.source() : node.source(), path_of(key.str()),
         "unknown key" + did_you_mean(key.str(), keys_));
  }
  if (!missing_.empty()) fail(where_, path_, fmt::format("the key '{}' is missing", missing_));
}

void RecipeReader::read(const toml::node& node, const std::string& path, std::string& value,
                        const Range&) {
  const auto* text = node.as_string();
  if (text == nullptr) fail_type(node, path, "a string");
  value = text->get();
}

void RecipeReader::read(const toml::node& node, const std::string& path, float& value,
                        const Range& range) {
  const auto number = node.value<double>();  // integers too
  if (!number || !node.is_number()) fail_type(node, path, "a number");
  const auto single = static_cast<float>(*number);
  if (!std::isfinite(single) || !contains(range, *number) || !contains(range, single))
    fail_type(node, path, fmt::format("a float32 number {}", shown(range)));
  value = single;
}

void RecipeReader::read(const toml::node& node, const std::string& path, std::uint64_t& value,
                        const Range& range) {
  const auto* integer = node.as_integer();
  const auto* number = node.as_floating_point();
  const bool too_large = number != nullptr && std::abs(number->get()) >= 0x1p63;
  if (integer == nullptr && !too_large) fail_type(node, path, "an integer");
  if (too_large || !contains(range, static_cast<double>(integer->get())))
    fail_type(node, path, fmt::format("an integer in [{:.0f}, {:.0f}]", range.low, range.high));
  value = static_cast<std::uint64_t>(integer->get());
}

void RecipeReader::read(const toml::node& node, const std::string& path, Shape& value,
                        const Range&) {
  const auto* array = node.as_array();
  if (array == nullptr || array->empty() || array->size() > Shape::kMaxRank)
    fail_type(node, path, fmt::format("an array of 1 to {} integers", Shape::kMaxRank));
  std::vector<std::size_t> extents(array->size());
  for (std::size_t i = 0; i < extents.size(); ++i)
    read(*array->get(i), fmt::format("{}[{}]", path, i), extents[i], kCount);
  try {
    value = Shape(extents);
  } catch (const ShapeError& error) {
    fail(node.source(), path, error.what());
  }
}

void RecipeReader::read(const toml::node& node, const std::string& path, std::vector<Layer>& value,
                        const Range&) {
  const auto* array = node.as_array();
  if (array == nullptr || array->empty()) fail_type(node, path, "an array of at least one layer");
  value.assign(array->size(), Layer{});
  for (std::size_t i = 0; i < value.size(); ++i)
    read(*array->get(i), fmt::format("{}[{}]", path, i), value[i], {});
}

void RecipeReader::read(const toml::node& node, const std::string& path,
                        std::vector<std::string>& value, const Range&) {
  const auto* array = node.as_array();
  if (array == nullptr) fail_type(node, path, "an array of strings");
  value.assign(array->size(), {});
  for (std::size_t i = 0; i < value.size(); ++i)
    read(*array->get(i), fmt::format("{}[{}]", path, i), value[i], {});
}

void RecipeReader::read(const toml::node& node, const std::string& path, std::vector<float>& value,
                        const Range& range) {
  const auto* array = node.as_array();
  if (array == nullptr) fail_type(node, path, "an array of numbers");
  value.assign(array->size(), 0.0F);
  for (std::size_t i = 0; i < value.size(); ++i)
    read(*array->get(i), fmt::format("{}[{}]", path, i), value[i], range);
}

// Of the whole, unless a setting has given another kind to it.
const toml::source_region& RecipeReader::place_of_kind(const toml::node& node,
                                                       const toml::node& kind) {
  const auto& whole = node.source();
  const auto& given = kind.source();
  return whole.path && given.path && *whole.path != *given.path ? given : whole;
}

const toml::node& RecipeReader::kind_node(const toml::node& node, const std::string& path) const {
  if (node.is_string()) return node;
  const auto* table = node.as_table();
  if (table == nullptr) fail_type(node, path, "a name or a table with a 'kind'");
  const toml::node* kind = table->get("kind");
  if (kind == nullptr) fail(node.source(), path, "the key 'kind' is missing");
  return *kind;
}

std::size_t RecipeReader::index_of_name(const toml::node& node, const std::string& path,
                                        const std::vector<std::string_view>& names) const {
  const auto* name = node.as_string();
  if (name == nullptr) fail_type(node, path, fmt::format("one of {}", fmt::join(names, ", ")));
  const auto found = std::find(names.begin(), names.end(), std::string_view(name->get()));
  if (found == names.end())
    fail(node.source(), path,
         fmt::format("unknown name '{}'{}", name->get(), did_you_mean(name->get(), names)));
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace gradatim::detail
