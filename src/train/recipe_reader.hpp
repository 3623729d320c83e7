#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <toml++/toml.h>

#include "train/recipe_schema.hpp"

namespace gradatim::detail {

/// A visitor of describe(): fills in the values of one TOML table. Every error names the place.
class RecipeReader {
 public:
  /// `file` is the source path of nodes that have line and column worth naming; `path` is where
  /// the table is: "" at the top, "layers[1]". What is missing is missing at `where`.
  RecipeReader(const toml::table& table, const toml::source_region& where, std::string_view file,
               std::string path)
      : table_(table), where_(where), file_(file), path_(std::move(path)) {}

  template <class T>
  void field(std::string_view key, T& value, const Range& range = {}) {
    keys_.push_back(key);
    if (const toml::node* node = table_.get(key)) read(*node, path_of(key), value, range);
  }
  template <class T>
  void required(std::string_view key, T& value, const Range& range = {}) {
    field(key, value, range);
    if (!table_.contains(key) && missing_.empty()) missing_ = key;
  }
  /// A table with keys of its own.
  template <class T>
  void table(std::string_view key, T& value) {
    keys_.push_back(key);
    const toml::node* node = table_.get(key);
    if (node == nullptr) return;
    if (!node->is_table()) fail_type(*node, path_of(key), "a table");
    RecipeReader keys(*node->as_table(), node->source(), file_, path_of(key));
    describe(keys, value);
    keys.finish();
  }
  /// At most one of two keys; the value of the one that is not there stays.
  template <class T>
  void either(std::string_view key, T& value, std::string_view other_key, T& other,
              const Range& range) {
    field(key, value, range);
    field(other_key, other, range);
    if (table_.contains(key) && table_.contains(other_key)) fail_both(key, other_key);
  }
  /// For what can't be read at all.
  [[noreturn]] void refuse(std::string_view why) const;
  /// To be called at the end: throws for a key that nobody asked for, and then, since that may have
  /// been meant, for a required one that is missing.
  void finish() const;

 private:
  void read(const toml::node& node, const std::string& path, std::string& value, const Range&);
  void read(const toml::node& node, const std::string& path, float& value, const Range& range);
  void read(const toml::node& node, const std::string& path, std::uint64_t& value,
            const Range& range);
  void read(const toml::node& node, const std::string& path, Shape& value, const Range&);
  void read(const toml::node& node, const std::string& path, std::vector<Layer>& value,
            const Range&);
  void read(const toml::node& node, const std::string& path, std::vector<std::string>& value,
            const Range&);
  void read(const toml::node& node, const std::string& path, std::vector<float>& value,
            const Range& range);

  template <class Enum>
    requires std::is_enum_v<Enum>
  void read(const toml::node& node, const std::string& path, Enum& value, const Range&) {
    std::vector<std::string_view> names;
    names.reserve(EnumNames<Enum>::kAll.size());
    for (const auto& entry : EnumNames<Enum>::kAll) names.push_back(entry.first);
    value = EnumNames<Enum>::kAll[index_of_name(node, path, names)].second;
  }

  /// A name alone, or a table with a `kind` and the options of that alternative.
  template <class... Alternatives>
  void read(const toml::node& node, const std::string& path, std::variant<Alternatives...>& value,
            const Range&) {
    using Variant = std::variant<Alternatives...>;
    std::vector<Variant> all;
    const auto offer = [&]<class T>(T alternative) {
      if constexpr (kHasText<T>) all.emplace_back(std::move(alternative));
    };
    (offer(Alternatives{}), ...);
    std::vector<std::string_view> names;
    names.reserve(all.size());
    for (const Variant& each : all) names.push_back(kind(each));
    const toml::table none;
    const toml::table& table = node.is_table() ? *node.as_table() : none;
    const toml::node& name = kind_node(node, path);
    value = all[index_of_name(name, path, names)];
    RecipeReader options(table, place_of_kind(node, name), file_, path);
    options.keys_.push_back("kind");
    std::visit([&](auto& alternative) { describe(options, alternative); }, value);
    options.finish();
  }

  static const toml::source_region& place_of_kind(const toml::node& node, const toml::node& kind);
  const toml::node& kind_node(const toml::node& node, const std::string& path) const;
  std::size_t index_of_name(const toml::node& node, const std::string& path,
                            const std::vector<std::string_view>& names) const;
  std::string path_of(std::string_view key) const;
  [[noreturn]] void fail(const toml::source_region& where, std::string_view path,
                         std::string_view message) const;
  [[noreturn]] void fail_type(const toml::node& node, std::string_view path,
                              std::string_view expected) const;
  [[noreturn]] void fail_both(std::string_view key, std::string_view other) const;

  const toml::table& table_;
  toml::source_region where_;
  std::string_view file_;
  std::string path_;
  std::vector<std::string_view> keys_;
  std::string_view missing_;  // the first required key that is not there
};

/// "recipe.toml:3:7" for a place in the file, otherwise the origin of the setting it came from.
std::string place_of(const toml::source_region& where, std::string_view file);

}  // namespace gradatim::detail
