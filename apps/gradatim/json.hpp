#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace gradatim::app {

/// A number, or null where it is not finite: JSON has no NaN.
inline nlohmann::ordered_json json_number(double value) {
  if (std::isfinite(value)) return value;
  return nullptr;
}

/// One line; bytes that are not UTF-8, as in names of files, become U+FFFD.
inline std::string json_line(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace gradatim::app
