#pragma once

#include <cstdint>
#include <vector>

#include "gradatim/core/random.hpp"
#include "gradatim/data/dataset.hpp"

namespace gradatim::test {

/// A small data set that a small network can learn: square images whose class is the one of the
/// first four rows that is bright, on a noisy background that is zero for about half of the pixels.
inline Split striped_split(std::size_t samples, std::uint64_t seed, std::size_t side = 6) {
  Split split{ByteTensor({samples, side, side}), std::vector<std::int32_t>(samples)};
  std::vector<float> noise(split.images.size());
  fill_uniform(noise, {.seed = seed}, -100, 100);
  for (std::size_t i = 0; i < samples; ++i) {
    split.labels[i] = static_cast<std::int32_t>(i % 4);
    for (std::size_t p = 0; p < side * side; ++p) {
      const std::size_t at = i * side * side + p;
      const float bright = p / side == i % 4 ? 120.0F : 0.0F;
      const float value = noise[at] + bright;
      split.images.values()[at] = value <= 0 ? 0 : static_cast<std::uint8_t>(value);
    }
  }
  return split;
}

inline Dataset striped_dataset(std::size_t side = 6) {
  return {"stripes",
          {"first", "second", "third", "fourth"},
          striped_split(400, 1, side),
          striped_split(100, 2, side)};
}

}  // namespace gradatim::test
