#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace gradatim::app {

/// A number, or null where it is not finite: JSON has no NaN.
inline nlohmann::ordered_json json_number(double value) {
  if (std::isfinite(value)) return value;
  return nullptr;
}

}  // namespace gradatim::app
