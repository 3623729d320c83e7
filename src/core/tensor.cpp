#include "gradatim/core/tensor.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"

namespace gradatim::detail {

void throw_view_size(const Shape& shape, std::size_t values) {
  throw ShapeError(fmt::format("tensor view {}: expected {} values, got {}", shape.to_string(),
                               shape.size(), values));
}

void throw_row_range(const Shape& shape, std::size_t first, std::size_t count) {
  throw ShapeError(fmt::format("tensor {}: rows [{}, {}) are out of range", shape.to_string(),
                               first, first + count));
}

}  // namespace gradatim::detail
