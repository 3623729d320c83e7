#include "named_settings.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

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

Setting set_option(const std::string& text) { return {text, "--set " + shortened(text)}; }

}  // namespace gradatim::app
