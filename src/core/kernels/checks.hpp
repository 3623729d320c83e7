#pragma once

#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "gradatim/core/shape.hpp"

namespace gradatim::kernels {

/// Throws ShapeError naming the operation unless every size equals `expected`.
void check_sizes(std::string_view operation, std::size_t expected,
                 std::initializer_list<std::size_t> sizes);
/// Throws ShapeError naming the operation unless the rank is 2.
void check_matrix(std::string_view operation, const Shape& shape);
/// Throws ShapeError naming the operation unless the shapes are equal.
void check_shape(std::string_view operation, const Shape& expected, const Shape& shape);
/// The same unless dx is (m, n), as dy is: changes of n values.
void check_changes(std::string_view operation, std::size_t n, const Shape& dx, const Shape& dy);

}  // namespace gradatim::kernels
