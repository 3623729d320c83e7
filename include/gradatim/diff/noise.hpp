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

/// |g(x)|, 0 where that is not finite, as sin(x) / x at 0.
template <class T>
T finite_magnitude(T g_x) {
  return std::isfinite(g_x) ? std::abs(g_x) : T(0);
}

/// Seven values of g at even spacing beside x, above it for a spacing above 0: if g jumps or bends
/// at x, that is no noise.
template <class T, class G>
std::array<T, 7> values_beside(G&& g, T x, T spacing) {
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

/// What differences of order 3 and 4 of seven values at even spacing come to: they remove a smooth
/// function and amplify noise by a known factor, sqrt((2k)!)/k! (Moré and Wild, "Estimating
/// computational noise", 2011).
template <class T>
struct Look {
  T size = 0;               // the standard deviation of the noise, if it is that
  bool alternates = false;  // differences of noise change their sign

  T noise() const { return alternates ? size : T(0); }
};

template <class T>
Look<T> look_of(const std::array<T, 7>& values) {
  constexpr std::array<double, 5> kGain{1, 2, 6, 20, 70};  // (2k)! / (k!)²
  Look<T> look{.size = std::numeric_limits<T>::infinity()};
  std::array<T, 6> difference{};
  T unit = 0;  // squares stay in range
  for (std::size_t i = 0; i < difference.size(); ++i) {
    difference[i] = values[i + 1] - values[i];
    unit = std::max(unit, std::abs(difference[i]));
  }
  for (T& d : difference) d /= unit;
  for (std::size_t order = 2; order < kGain.size(); ++order) {
    const std::size_t count = values.size() - order;
    T squares = 0;
    bool rises = false;
    bool falls = false;
    for (std::size_t i = 0; i < count; ++i) {
      difference[i] = difference[i + 1] - difference[i];
      squares += difference[i] * difference[i];
      rises = rises || difference[i] > 0;
      falls = falls || difference[i] < 0;
    }
    if (order < 3) continue;
    if (order == 3) look.alternates = rises && falls;
    look.size = std::min(look.size,
                         std::sqrt(squares / static_cast<T>(count) / static_cast<T>(kGain[order])));
  }
  look.size *= unit;
  return std::isfinite(look.size) ? look : Look<T>{};
}

/// Where the noise of g is measured: so close that g is smooth but for it, and so far that more
/// than a stair or two of what is rounded in it lies between.
template <class T>
T noise_spacing(T scale) {
  constexpr T kShare = T(0.38196601125010515L / 4);
  return std::sqrt(std::numeric_limits<T>::epsilon()) * scale * kShare;
}

/// The first spacing from `first` on, then the usual one or wider ones below `widest`, at which g
/// has stairs; 0 if there is none.
template <class T, class G>
T stair_spacing(G&& g, T x, T first, T widest, Stairs<T>& stairs, std::size_t& evaluations) {
  constexpr T kWider = T(12.9);  // no power of 2
  const T usual = noise_spacing(step_scale(x));
  for (T spacing = first;;) {
    stairs.add(values_beside(g, x, spacing));
    evaluations += 7;
    if (stairs.are_seen()) return spacing;
    const T next = spacing < usual ? usual : kWider * spacing;
    if (!(next < widest) && next != usual) return 0;
    spacing = next;
  }
}

/// What is seen beside x at two spacings.
template <class T>
struct NoiseOnOneSide {
  Look<T> here;
  Look<T> closer;

  T noise() const { return std::max(here.noise(), closer.noise()); }
  bool grows() const { return here.size > 10 * closer.size; }
};

/// The noise of g by looks at a spacing and at others beside it: 0 if it is not much the same on
/// both sides, or grows with the spacing. A look that is in step with the stairs of g sees none:
/// another is taken then. `is_wide`: next to x, so that a feature of g about 0 may be as narrow as
/// the spacing and look like noise: it must be seen at eight times that, and be as large at a
/// closer one.
template <class T, class G>
T noise_at(G&& g, T x, T spacing, bool is_wide, T rounding, std::size_t& evaluations) {
  constexpr T kCloser = T(0.28656405346L);
  constexpr T kWider = T(1.7320508075688773L);
  constexpr std::array<T, 3> kOthers{kWider, T(0.41421356237310L), T(0.1458980337503154L)};
  constexpr T kBelow = T(-0.61803398874989L);
  constexpr T kAgree = 30;
  constexpr T kFar = 8;
  const auto look = [&](T at) {
    evaluations += 7;
    return look_of(values_beside(g, x, at));
  };
  const NoiseOnOneSide<T> up{look(spacing), look(kCloser * spacing)};
  const NoiseOnOneSide<T> down{look(kBelow * spacing), look(kBelow * kCloser * spacing)};
  T above = up.noise();
  T below = down.noise();
  if (std::max(above, below) <= rounding) return 0;
  if (up.grows() && down.grows() && (is_wide || look(kWider * spacing).size > 3 * up.here.size))
    return 0;
  if (is_wide && !(look(kFar * spacing).alternates && look(kFar * kBelow * spacing).alternates))
    return 0;
  for (const T other : kOthers) {
    if (kAgree * std::min(above, below) >= std::max(above, below)) break;
    T& weaker = above < below ? above : below;
    weaker = std::max(weaker, look((above < below ? 1 : kBelow) * other * spacing).noise());
  }
  const T noise = std::max(above, below);
  return noise > kAgree * std::min(above, below) ? T(0) : noise;
}

/// The standard deviation of the noise of g near x, if that is more than the rounding of its
/// values, otherwise 0. It is noise only if it is much the same on both sides, since a jump, a bend
/// or a pole beside x is on one, and does not grow with the spacing, as differences of a curve do.
/// Next to 0 it is looked for at a spacing that is near even where g is singular at 0, and if there
/// is none, at the usual one: within a stair of 1 - cos x that is divided by x, g is a curve.
template <class T, class G>
T measured_noise(G&& g, T x, T g_x, T widest, std::size_t& evaluations) {
  constexpr T kMostOfX = T(1e4);
  const T rounding = 4 * std::max(std::numeric_limits<T>::epsilon() * finite_magnitude(g_x),
                                  2 * std::numeric_limits<T>::min());
  const T usual = noise_spacing(step_scale(x));
  const T near_zero =
      std::max(noise_spacing(kMostOfX * std::abs(x)), std::numeric_limits<T>::min());
  Stairs<T> stairs;
  T first = x == 0 ? usual : std::min(near_zero, usual);
  for (bool is_again = false;; is_again = true, first = usual) {
    const T spacing = stair_spacing(g, x, first, widest, stairs, evaluations);
    if (!(spacing > 0)) return 0;
    const T noise = noise_at(g, x, spacing, is_again, rounding, evaluations);
    if (noise > 0) return std::max(noise, std::isfinite(stairs.height) ? stairs.height / 2 : T(0));
    if (!(spacing < usual)) return 0;
  }
}

}  // namespace gradatim::detail
