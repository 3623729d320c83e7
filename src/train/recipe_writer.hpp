#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "train/recipe_schema.hpp"

namespace gradatim::detail {

/// The text with U+FFFD for every byte that is not UTF-8, which TOML could not hold.
std::string as_utf8(std::string_view text);

std::string toml_text(std::string_view text);
/// The shortest decimal that reads back as the same float.
std::string toml_text(float value);
std::string toml_text(std::uint64_t value);
std::string toml_text(const Shape& shape);
std::string toml_text(const std::vector<Layer>& layers);
std::string toml_text(const std::vector<std::string>& texts);
std::string toml_text(const std::vector<float>& values);

template <class Enum>
  requires std::is_enum_v<Enum>
std::string toml_text(Enum value) {
  for (const auto& [name, each] : EnumNames<Enum>::kAll)
    if (each == value) return toml_text(name);
  return {};
}

template <class... Alternatives>
std::string toml_text(const std::variant<Alternatives...>& value);

/// A visitor of describe(): collects "key = value" of every key.
class RecipeWriter {
 public:
  template <class T>
  void field(std::string_view key, const T& value, const Range& = {}) {
    entries_.push_back(std::string(key) + " = " + toml_text(value));
  }
  template <class T>
  void required(std::string_view key, const T& value, const Range& = {}) {
    field(key, value);
  }
  template <class T>
  void table(std::string_view key, const T& value) {
    RecipeWriter writer;
    T copy = value;
    describe(writer, copy);
    entries_.push_back(std::string(key) + " = { " + writer.joined(", ") + " }");
  }
  void either(std::string_view key, std::size_t value, std::string_view other_key,
              std::size_t other, const Range&) {
    other == 0 ? field(key, value) : field(other_key, other);
  }
  [[noreturn]] void refuse(std::string_view why) const;

  const std::vector<std::string>& entries() const { return entries_; }
  std::string joined(std::string_view separator) const {
    std::string text;
    for (const std::string& entry : entries_) {
      if (!text.empty()) text += separator;
      text += entry;
    }
    return text;
  }

 private:
  std::vector<std::string> entries_;
};

/// "relu", or { kind = "dense", units = 50 } for what has options.
template <class... Alternatives>
std::string toml_text(const std::variant<Alternatives...>& value) {
  RecipeWriter writer;
  std::visit([&](auto alternative) { describe(writer, alternative); }, value);
  std::string name = toml_text(kind(value));
  if (writer.entries().empty()) return name;
  return "{ kind = " + name + ", " + writer.joined(", ") + " }";
}

}  // namespace gradatim::detail
