#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <string>

namespace gradatim::app {

/// Refuses "" as the value of an option, which would pass for an option that is not there.
inline CLI::Validator not_empty() {
  return {[](const std::string& value) {
            return value.empty() ? std::string("expected a value, got ''") : std::string();
          },
          "", "not_empty"};
}

/// Refuses what is not more than 0 of a unit; CLI::PositiveNumber prints the largest double in
/// full.
inline CLI::Validator above_zero(const std::string& unit) {
  return {[unit](const std::string& value) {
            double number = 0;
            const char* const end = value.data() + value.size();
            const auto read = std::from_chars(value.data(), end, number);
            const bool is_good =
                read.ec == std::errc() && read.ptr == end && number > 0 && std::isfinite(number);
            return is_good ? std::string()
                           : fmt::format("expected more than 0 {}, got {}", unit, value);
          },
          "", "above_zero"};
}

}  // namespace gradatim::app
