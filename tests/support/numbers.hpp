#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "gradatim/core/random.hpp"
#include "gradatim/core/tensor.hpp"

/// Helpers that tests of several modules share.
namespace gradatim::test {

/// Sizes at which SIMD loops go wrong: none, one, primes, around multiples of vector widths.
inline constexpr std::size_t kOddSizes[] = {0,  1,  2,  3,  5,  7,  8,  15,  16,  17,
                                            31, 32, 33, 50, 63, 64, 65, 100, 127, 1009};

/// |a - b| in units of the last place of b, as float; 0 for two NaNs, infinite for one.
inline double ulp_distance(float a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b) ? 0 : HUGE_VAL;
  if (static_cast<double>(a) == b) return 0;
  const auto rounded = static_cast<float>(b);
  const float next = std::nextafter(std::abs(rounded), std::numeric_limits<float>::infinity());
  const double ulp = static_cast<double>(next) - std::abs(static_cast<double>(rounded));
  return std::abs(static_cast<double>(a) - b) / ulp;
}

inline Tensor uniform_tensor(const Shape& shape, std::uint64_t seed, float low = -1.0F,
                             float high = 1.0F) {
  Tensor x(shape);
  fill_uniform(x.values(), {.seed = seed}, low, high);
  return x;
}

inline std::vector<double> to_double(std::span<const float> x) { return {x.begin(), x.end()}; }

}  // namespace gradatim::test
