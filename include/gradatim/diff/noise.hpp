#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "gradatim/diff/step.hpp"

// How far the values of a function are off what a smooth function beside it would have: rounding
// inside it, of 1 - cos x or log(1 + y), may be far more than a unit in the last place of its
// value.
namespace gradatim::detail {

/// Seven values of g at even spacing, above x: if g jumps at x, that is no noise.
template <class T, class G>
std::array<T, 7> values_above(G&& g, T x, T spacing) {
  std::array<T, 7> values{};
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = g(x + (static_cast<T>(i) + 2) * spacing);
  return values;
}

/// What the values of a g that is computed in fewer digits than T has look like: stairs.
template <class T>
struct Stairs {
  T height = std::numeric_limits<T>::infinity();  // of the lowest, where some values are equal
  int rises = 0;                                  // of the last values, of six
  int changes = 0;                                // of those between rises and none

  void add(const std::array<T, 7>& values) {
    rises = 0;
    changes = 0;
    T lowest = std::numeric_limits<T>::infinity();
    bool rose = values[1] != values[0];
    for (std::size_t i = 1; i < values.size(); ++i) {
      const bool is_rise = values[i] != values[i - 1];
      changes += is_rise != rose ? 1 : 0;
      rose = is_rise;
      if (!is_rise) continue;
      lowest = std::min(lowest, std::abs(values[i] - values[i - 1]));
      ++rises;
    }
    if (changes > 1) height = std::min(height, lowest);
  }
  /// One rise may be a jump of g, and all of them on one side a bend.
  bool are_seen() const { return rises >= 3 && changes != 1; }
};

/// The standard deviation of the noise of g that the differences of order 3 and 4 of seven values
/// at even spacing show: differencing removes a smooth function and amplifies noise by a known
/// factor, sqrt((2k)!)/k! (Moré and Wild, "Estimating computational noise").
template <class T>
T noise_in(std::array<T, 7> difference) {
  constexpr std::array<double, 5> kGain{1, 2, 6, 20, 70};  // (2k)! / (k!)²
  T noise = std::numeric_limits<T>::infinity();
  for (std::size_t order = 1; order < kGain.size(); ++order) {
    const std::size_t count = difference.size() - order;
    T squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
      difference[i] = difference[i + 1] - difference[i];
      squares += difference[i] * difference[i];
    }
    if (order >= 3)
      noise = std::min(noise,
                       std::sqrt(squares / static_cast<T>(count) / static_cast<T>(kGain[order])));
  }
  return std::isfinite(noise) ? noise : T(0);
}

/// Where the noise of g is measured first: so close that g is smooth but for it, be it singular at
/// 0, and so far that more than a stair or two of what is rounded in it lies between.
template <class T>
T noise_spacing(T x) {
  constexpr T kShare = T(0.38196601125010515L / 4);
  constexpr T kMostOfX = T(1e4);
  const T scale = x == 0 ? T(1) : std::min(kMostOfX * std::abs(x), step_scale(x));
  const T spacing = std::sqrt(std::numeric_limits<T>::epsilon()) * scale * kShare;
  return std::max(spacing, std::numeric_limits<T>::min());
}

/// The standard deviation of the noise of g near x, at least half a unit in the last place of g(x).
/// Where the values are equal the spacing grows, up to `widest`, until stairs of g are seen.
template <class T, class G>
T measured_noise(G&& g, T x, T widest, std::size_t& evaluations) {
  // No powers of 2, and not one spacing: between stairs of nearly that width a straight g looks
  // exact.
  constexpr T kCloser = T(0.28656405346L);
  constexpr T kFarther = T(1.6180339887498949L);
  constexpr T kWider = T(12.9);
  T spacing = noise_spacing(x);
  auto values = values_above(g, x, spacing);
  evaluations += values.size();
  const T floor = std::max(std::numeric_limits<T>::epsilon() * std::abs(values[3]) / 2,
                           std::numeric_limits<T>::min());
  Stairs<T> stairs;
  stairs.add(values);
  while (!stairs.are_seen() && kWider * spacing < widest) {
    spacing *= kWider;
    values = values_above(g, x, spacing);
    evaluations += values.size();
    stairs.add(values);
  }
  if (!stairs.are_seen()) return floor;
  const T here = noise_in(values);
  const T closer = noise_in(values_above(g, x, kCloser * spacing));
  const T wider = noise_in(values_above(g, x, kFarther * spacing));
  evaluations += 2 * values.size();
  // Differences of a smooth g grow with the spacing, from a third power on; noise does not.
  const bool is_smooth = wider > T(2.5) * here && here > 10 * closer;
  const T noise = is_smooth ? closer : std::max({here, closer, wider});
  return std::max({floor, noise, std::isfinite(stairs.height) ? stairs.height / 2 : T(0)});
}

}  // namespace gradatim::detail
