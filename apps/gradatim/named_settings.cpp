#include "named_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

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

void NamedSettings::add_data(const std::string& data, std::span<const std::string> following) {
  add_text("--data", "data", data);
  const bool is_replaced = std::ranges::any_of(
      following, [](const std::string& text) { return text.starts_with("data="); });
  if (!data.empty() && !is_table(data) && !is_replaced) {
    // A table that is set is merged with the one that is there: each of its keys is set back.
    settings.push_back({fmt::format("table={{targets=[],ignore=[],test={}}}", TableOptions{}.test),
                        fmt::format("--data {}", shortened(data))});
  }
}

Setting set_option(const std::string& text) { return {text, "--set " + shortened(text)}; }

}  // namespace gradatim::app
