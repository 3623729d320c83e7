#include "nn/numerical/quotient.hpp"

#include <fmt/format.h>

#include <cmath>

#include "gradatim/core/error.hpp"

namespace gradatim {

std::string_view to_string(Difference method) {
  switch (method) {
    case Difference::forward:
      return "forward";
    case Difference::central:
      return "central";
    case Difference::richardson:
      return "richardson";
  }
  return "";
}

DifferenceQuotient make_quotient(Difference method, float step, std::size_t rows) {
  if (!std::isfinite(step) || step <= 0.0F)
    throw InvalidArgument(
        fmt::format("numerical gradient: expected a finite, positive step, got {}", step));
  const double unit = 1.0 / (static_cast<double>(step) * static_cast<double>(rows));
  const auto weight = [&](double w) { return static_cast<float>(w * unit); };
  switch (method) {
    case Difference::forward:
      return {{step}, {weight(1)}};
    case Difference::central:
      return {{step, -step}, {weight(0.5), weight(-0.5)}};
    case Difference::richardson:
      return {{step, -step, step / 2, -step / 2},
              {weight(-1.0 / 6), weight(1.0 / 6), weight(4.0 / 3), weight(-4.0 / 3)}};
  }
  throw InvalidArgument("numerical gradient: no such difference");
}

}  // namespace gradatim
