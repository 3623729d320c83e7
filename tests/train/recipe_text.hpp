#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "gradatim/train/recipe.hpp"
#include "support/errors.hpp"

namespace gradatim::test {

inline constexpr std::string_view kSmall = R"(data = "mnist"
input = [4]
layers = [
  { kind = "dense", units = 3 },
  "sigmoid",
]
optimizer = { kind = "momentum", learning_rate = 0.5, momentum = 0.25 }
)";

inline Recipe parse(std::string_view text, const std::vector<std::string>& settings = {}) {
  std::vector<Setting> list;
  list.reserve(settings.size());
  for (const std::string& setting : settings) list.push_back({setting, "--set " + setting});
  return parse_recipe(text, "dir/small.toml", list);
}

inline std::string refusal(std::string_view text, const std::vector<std::string>& settings = {}) {
  return message_of<InvalidArgument>([&] { parse(text, settings); });
}

inline std::string refusal_of_line(std::string_view line) {
  return refusal(std::string(kSmall) + std::string(line));
}

inline std::string refusal_of_setting(const std::string& setting) {
  return refusal(kSmall, {setting});
}

}  // namespace gradatim::test
