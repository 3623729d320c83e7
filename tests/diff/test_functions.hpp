#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gradatim/diff/elementary.hpp"

// Functions of a vector with known gradients and minima, generic in the vector.
namespace gradatim::test {

/// Noise: uniform in [-1, 1], a function of the bits of x.
inline double hashed(double x) {
  auto bits = std::bit_cast<std::uint64_t>(x);
  for (const std::uint64_t factor : {0xff51afd7ed558ccdULL, 0xc4ceb9fe1a85ec53ULL})
    bits = (bits ^ (bits >> 33U)) * factor;
  return static_cast<double>(bits >> 11U) * 0x1p-52 - 1;
}

template <class S>
S square(const S& x) {
  return x * x;
}

inline const auto kBowl = [](const auto& x) { return x[0] * x[0] + x[1] * x[1]; };
inline const auto kRosenbrock = [](const auto& x) {
  return 100.0 * square(x[1] - x[0] * x[0]) + square(1.0 - x[0]);
};
inline const auto kPowellSingular = [](const auto& x) {
  return square(x[0] + 10.0 * x[1]) + 5.0 * square(x[2] - x[3]) +
         square(square(x[1] - 2.0 * x[2])) + 10.0 * square(square(x[0] - x[3]));
};
inline const auto kWood = [](const auto& x) {
  return 100.0 * square(x[1] - x[0] * x[0]) + square(1.0 - x[0]) +
         90.0 * square(x[3] - x[2] * x[2]) + square(1.0 - x[2]) + 10.0 * square(x[1] + x[3] - 2.0) +
         square(x[1] - x[3]) / 10.0;
};
inline const auto kBeale = [](const auto& x) {
  return square(1.5 - x[0] * (1.0 - x[1])) + square(2.25 - x[0] * (1.0 - x[1] * x[1])) +
         square(2.625 - x[0] * (1.0 - x[1] * x[1] * x[1]));
};
inline const auto kPowellBadlyScaled = [](const auto& x) {
  return square(1e4 * x[0] * x[1] - 1.0) + square(exp(-x[0]) + exp(-x[1]) - 1.0001);
};
inline const auto kBrownBadlyScaled = [](const auto& x) {
  return square(x[0] - 1e6) + square(x[1] - 2e-6) + square(x[0] * x[1] - 2.0);
};
inline const auto kXyzPlusExp = [](const auto& x) { return x[0] * x[1] * x[2] + exp(x[0]) * x[1]; };

/// Rosenbrock's function chained over n coordinates.
inline const auto kChainedRosenbrock = [](const auto& x) {
  auto sum = 0.0 * x[0];
  for (std::size_t i = 0; i + 1 < x.size(); ++i)
    sum += 100.0 * square(x[i + 1] - x[i] * x[i]) + square(1.0 - x[i]);
  return sum;
};

inline std::vector<double> chained_rosenbrock_gradient(const std::vector<double>& x) {
  std::vector<double> g(x.size());
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double bend = x[i + 1] - x[i] * x[i];
    g[i] += -400 * bend * x[i] - 2 * (1 - x[i]);
    g[i + 1] += 200 * bend;
  }
  return g;
}

}  // namespace gradatim::test
