#include "core/kernels/checks.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"

namespace gradatim::kernels {

void check_sizes(std::string_view operation, std::size_t expected,
                 std::initializer_list<std::size_t> sizes) {
  for (const std::size_t size : sizes)
    if (size != expected)
      throw ShapeError(fmt::format("{}: expected {} values, got {}", operation, expected, size));
}

void check_matrix(std::string_view operation, const Shape& shape) {
  if (shape.rank() != 2)
    throw ShapeError(fmt::format("{}: expected a matrix, got {}", operation, shape.to_string()));
}

void check_shape(std::string_view operation, const Shape& expected, const Shape& shape) {
  if (shape != expected)
    throw ShapeError(
        fmt::format("{}: expected {}, got {}", operation, expected.to_string(), shape.to_string()));
}

void check_changes(std::string_view operation, std::size_t n, const Shape& dx, const Shape& dy) {
  check_matrix(operation, dx);
  check_sizes(operation, n, {dx[1]});
  check_shape(operation, dx, dy);
}

}  // namespace gradatim::kernels
