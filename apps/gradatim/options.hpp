#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstddef>
#include <string>

#include "gradatim/core/number_text.hpp"
#include "gradatim/io/plot.hpp"

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
            const auto number = number_in<double>(value);
            const bool is_good = number && *number > 0 && std::isfinite(*number);
            return is_good ? std::string()
                           : fmt::format("expected more than 0 {}, got {}", unit, value);
          },
          "", "above_zero"};
}

/// Refuses a number below 0, which CLI11 wraps around into an unsigned one.
inline CLI::Validator not_negative() {
  return {[](const std::string& value) {
            const std::size_t first = value.find_first_not_of(" \t\n\v\f\r");
            const bool is_negative = first != std::string::npos && value[first] == '-';
            return is_negative ? fmt::format("expected 0 or more, got {}", value) : std::string();
          },
          "", "not_negative"};
}

/// Refuses a picture that could not be drawn, before there is anything to draw.
inline CLI::Validator picture_file() {
  return {[](const std::string& value) {
            return can_draw(value)
                       ? std::string()
                       : fmt::format("expected the extension .svg or .png, got '{}'", value);
          },
          "", "picture_file"};
}

/// --data-dir, which is read into `folder`.
inline void add_data_dir(CLI::App& command, std::string& folder,
                         const std::string& description = "Folder to look for data in first") {
  command.add_option("--data-dir", folder, description)->check(not_empty());
}

/// --threads, which is read into `threads`.
inline void add_threads(CLI::App& command, std::size_t& threads,
                        const std::string& what = "Threads") {
  command.add_option("--threads", threads, what + "; 0, the default, is one a core")
      ->check(CLI::Range(0, 1024));
}

}  // namespace gradatim::app
