#include "gradatim/diff/descent.hpp"

#include <fmt/format.h>

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

}  // namespace

void validate(const GradientDescentOptions& options) {
  constexpr auto kName = "gradient_descent";
  require(options.learning_rate > 0, kName, "learning_rate above 0", options.learning_rate);
  require(options.tolerance >= 0, kName, "tolerance at least 0", options.tolerance);
  require(options.momentum >= 0 && options.momentum < 1, kName, "momentum in [0, 1)",
          options.momentum);
}

void validate(const MinimiseOptions& options) {
  constexpr auto kName = "minimise";
  require(options.tolerance >= 0, kName, "tolerance at least 0", options.tolerance);
  require(options.first_step > 0, kName, "first_step above 0", options.first_step);
  require(options.shrink > 0 && options.shrink < 1, kName, "shrink in (0, 1)", options.shrink);
  require(options.sufficient > 0 && options.sufficient < 1, kName, "sufficient in (0, 1)",
          options.sufficient);
}

}  // namespace detail
}  // namespace gradatim
