#pragma once

#include <cstdint>
#include <vector>

#include "gradatim/core/tensor.hpp"
#include "nn/numerical/engine.hpp"

namespace gradatim {

/// One-sided slopes summed over the batch: of each parameter, or of each value that enters a layer.
struct Slopes {
  explicit Slopes(std::size_t n) : lower(n), upper(n), crossed(n) {}

  QuotientSums sums() { return {lower, upper, crossed}; }
  double middle(std::size_t i) const {
    return 0.5 * (static_cast<double>(lower[i]) + static_cast<double>(upper[i]));
  }

  AlignedVector<float> lower, upper;
  std::vector<std::uint8_t> crossed;
};

}  // namespace gradatim
