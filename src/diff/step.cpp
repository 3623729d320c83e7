#include "gradatim/diff/step.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"

namespace gradatim::detail {

void throw_vanishing_step(std::string_view method, double step, double x, double smallest,
                          int digits) {
  throw InvalidArgument(
      fmt::format("{}: the step {:.3g} vanishes at x = {:.17g}: x + h rounds to x in {} bits of "
                  "precision; the smallest usable step there is {:.4g}",
                  method, step, x, digits, smallest));
}

void throw_invalid_step(std::string_view method, double step) {
  throw InvalidArgument(fmt::format("{}: expected a positive, finite step, got {}", method, step));
}

void throw_infinite_point(std::string_view method, double x) {
  throw InvalidArgument(fmt::format("{}: expected a finite x, got {}", method, x));
}

void throw_overflowing_step(std::string_view method, double step, double x) {
  throw InvalidArgument(
      fmt::format("{}: a step of {} from x = {} leaves the range of its type", method, step, x));
}

void throw_invalid_order(int order) {
  throw InvalidArgument(fmt::format("stencil: expected order 4, 6 or 8, got {}", order));
}

void throw_invalid_levels(std::string_view method, int levels) {
  throw InvalidArgument(fmt::format("{}: expected at least 2 levels, got {}", method, levels));
}

void throw_invalid_ratio(double ratio) {
  throw InvalidArgument(fmt::format(
      "ridders: expected a finite ratio above 1 between successive steps, got {}", ratio));
}

void throw_invalid_trials(int trials) {
  throw InvalidArgument(fmt::format("adaptive: expected at least 1 trial, got {}", trials));
}

}  // namespace gradatim::detail
