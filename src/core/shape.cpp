#include "gradatim/core/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>

#include "gradatim/core/error.hpp"

namespace gradatim {

Shape::Shape(std::initializer_list<std::size_t> extents)
    : Shape(std::span<const std::size_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::size_t> extents) : rank_(extents.size()) {
  if (rank_ > kMaxRank)
    throw ShapeError(fmt::format("shape: at most {} extents, got {}", kMaxRank, rank_));
  std::copy(extents.begin(), extents.end(), extents_.begin());
  for (const std::size_t extent : extents) {
    if (extent != 0 && size_ > SIZE_MAX / extent)
      throw ShapeError(fmt::format("shape {}: the number of elements overflows", to_string()));
    size_ *= extent;
  }
}

Shape Shape::batched(std::size_t n) const {
  std::array<std::size_t, kMaxRank + 1> extents{n};
  std::copy_n(extents_.begin(), rank_, extents.begin() + 1);
  return Shape(std::span<const std::size_t>(extents.data(), rank_ + 1));
}

Shape Shape::sample() const {
  if (rank_ == 0) throw ShapeError("shape: a scalar has no samples");
  return Shape(extents().subspan(1));
}

std::string Shape::to_string() const { return fmt::format("({})", fmt::join(extents(), ", ")); }

}  // namespace gradatim
