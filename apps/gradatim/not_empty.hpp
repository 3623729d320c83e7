#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace gradatim::app {

/// Refuses "" as the value of an option, which would pass for an option that is not there.
inline CLI::Validator not_empty() {
  return {[](const std::string& value) {
            return value.empty() ? std::string("expected a value, got ''") : std::string();
          },
          "", "not_empty"};
}

}  // namespace gradatim::app
