#pragma once

#include <cstddef>

namespace gradatim::kernels {

/// A matrix whose rows lie `stride` floats apart; the stride may be negative.
struct StridedRows {
  float* data;
  std::ptrdiff_t stride;
};
struct ConstStridedRows {
  const float* data;
  std::ptrdiff_t stride;
};

/// to(j, i) = from(i, j) for i < rows, j < columns. No overlap.
void transpose(std::size_t rows, std::size_t columns, ConstStridedRows from, StridedRows to);

}  // namespace gradatim::kernels
