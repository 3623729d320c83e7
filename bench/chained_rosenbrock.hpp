#pragma once

#include <cstddef>
#include <span>

namespace gradatim::bench {

/// Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)², generic in the vector.
struct ChainedRosenbrock {
  template <class X>
  auto operator()(const X& x) const {
    auto sum = 0.0 * x[0];
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      const auto bend = x[i + 1] - x[i] * x[i];
      const auto rest = 1.0 - x[i];
      sum += 100.0 * (bend * bend) + rest * rest;
    }
    return sum;
  }
};

/// Of doubles, in a file that is compiled without vectorisation.
double scalar_chained_rosenbrock(std::span<const double> x);

}  // namespace gradatim::bench
