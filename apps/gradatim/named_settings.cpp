#include "named_settings.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "gradatim/core/number_text.hpp"
#include "gradatim/train/recipe_data.hpp"
#include "text.hpp"

namespace gradatim::app {

void NamedSettings::add(const char* option, const char* key, const std::string& value) {
  if (!value.empty())
    settings.push_back(
        {fmt::format("{}={}", key, value), fmt::format("{} {}", option, shortened(value))});
}

void NamedSettings::add_text(const char* option, const char* key, const std::string& value) {
  // A JSON string is a TOML string.
  add(option, key, value.empty() ? "" : nlohmann::json(value).dump());
}

namespace {

// What "data = VALUE" names, with or without quotes; none of another key.
std::optional<std::string_view> data_of(std::string_view setting) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string_view::npos || trimmed(setting.substr(0, equals)) != "data") return {};
  std::string_view value = trimmed(setting.substr(equals + 1));
  if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
    value = value.substr(1, value.size() - 2);
  return value;
}

}  // namespace

void NamedSettings::add_data(const std::string& data, std::span<const std::string> following) {
  if (data.empty()) return;
  add_text("--data", "data", data);
  std::string_view last = data;
  for (const std::string& text : following) last = data_of(text).value_or(last);
  if (is_table(last)) return;
  // A table that is set is merged with the one that is there: each of its keys is set back.
  settings.push_back({fmt::format("table={{targets=[],ignore=[],test={}}}", TableOptions{}.test),
                      fmt::format("--data {}", shortened(data))});
}

Setting set_option(const std::string& text) { return {text, "--set " + shortened(text)}; }

}  // namespace gradatim::app
