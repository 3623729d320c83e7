#pragma once

#include <span>
#include <string>
#include <vector>

#include "gradatim/train/recipe.hpp"

namespace gradatim::app {

/// The options of a command that stand for keys of the recipe; --set comes after them.
class NamedSettings {
 public:
  /// Nothing where the option was not given.
  void add(const char* option, const char* key, const std::string& value);
  /// The same for a value that is text, whatever is in it.
  void add_text(const char* option, const char* key, const std::string& value);
  /// --data: where that is no table, the recipe's own keys of [table] go with its own data, unless
  /// one of the --set that follow names other data.
  void add_data(const std::string& data, std::span<const std::string> following);

  std::vector<Setting> settings{};
};

/// A --set as it was given.
Setting set_option(const std::string& text);

}  // namespace gradatim::app
