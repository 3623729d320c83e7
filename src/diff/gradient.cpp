#include "gradatim/diff/directional.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"
#include "gradatim/diff/jacobian.hpp"

namespace gradatim::detail {

void throw_coordinate(std::size_t i, std::size_t n) {
  throw InvalidArgument(
      fmt::format("partial: expected a coordinate below {}, the size of x, got {}", n, i));
}

void throw_direction(std::size_t n, std::size_t direction) {
  throw ShapeError(fmt::format("directional: expected a direction of {} values, as x has, got {}",
                               n, direction));
}

void throw_unusable_direction(std::size_t i, double value) {
  throw InvalidArgument(
      fmt::format("directional: expected a direction of finite entries that x can be moved along, "
                  "entry {} is {}",
                  i, value));
}

void throw_rows(std::size_t expected, std::size_t rows) {
  throw ShapeError(
      fmt::format("jacobian: f answered with {} values, and beside x with {}", expected, rows));
}

void throw_reads_another_x(std::string_view method) {
  throw InvalidArgument(
      fmt::format("{}: f reads another x than the one it is given, which is a copy, and only that "
                  "is moved; let f use its argument",
                  method));
}

void throw_output_size(std::size_t n, std::size_t output) {
  throw ShapeError(fmt::format(
      "value_and_gradient: expected room for {} derivatives, as x has values, got {}", n, output));
}

}  // namespace gradatim::detail
