#include "gradatim/diff/descent.hpp"

#include <fmt/format.h>

#include <cmath>

#include "gradatim/core/error.hpp"

namespace gradatim {

std::string_view to_string(Stop stop) {
  switch (stop) {
    case Stop::kConverged:
      return "converged";
    case Stop::kStepsUsedUp:
      return "steps used up";
    case Stop::kHardlyMoved:
      return "hardly moved";
    case Stop::kDiverged:
      return "diverged";
    case Stop::kNonFinite:
      return "non-finite";
    case Stop::kNoDescent:
      return "no descent";
  }
  return "unknown";
}

namespace detail {
namespace {

void require(bool holds, const char* operation, const char* expected, double got) {
  if (!holds)
    throw InvalidArgument(fmt::format("{}: expected {}, got {}", operation, expected, got));
}

bool is_tolerance(double value) { return value >= 0 && std::isfinite(value); }
constexpr auto kTolerance = "a finite tolerance of at least 0";

}  // namespace

void validate(const GradientDescentOptions& options) {
  constexpr auto kName = "gradient_descent";
  require(options.learning_rate > 0 && std::isfinite(options.learning_rate), kName,
          "a finite learning_rate above 0", options.learning_rate);
  require(is_tolerance(options.tolerance), kName, kTolerance, options.tolerance);
  require(options.momentum >= 0 && options.momentum < 1, kName, "momentum in [0, 1)",
          options.momentum);
}

void validate(const MinimiseOptions& options) {
  constexpr auto kName = "minimise";
  require(is_tolerance(options.tolerance), kName, kTolerance, options.tolerance);
  require(options.first_step > 0 && std::isfinite(options.first_step), kName,
          "a finite first_step above 0", options.first_step);
  require(options.shrink > 0 && options.shrink < 1, kName, "shrink in (0, 1)", options.shrink);
  require(options.sufficient > 0 && options.sufficient < 1, kName, "sufficient in (0, 1)",
          options.sufficient);
}

}  // namespace detail
}  // namespace gradatim
