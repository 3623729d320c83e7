#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "gradatim/diff/finite_difference.hpp"

namespace gradatim::detail {

/// The standard deviation of the noise of g near x, from the differences of order 3 to 6 of seven
/// values at even spacing: differencing removes a smooth function and amplifies noise by a known
/// factor, sqrt((2k)!)/k! (Moré and Wild, "Estimating computational noise"). At least half a unit
/// in the last place of g(x).
template <class T, class G>
T measured_noise(G&& g, T x, std::size_t& evaluations) {
  constexpr std::array<double, 7> kGain{1, 2, 6, 20, 70, 252, 924};  // (2k)! / (k!)²
  const T spacing = std::sqrt(std::numeric_limits<T>::epsilon()) * step_scale(x) / 8;
  std::array<T, 7> difference{};
  for (std::size_t i = 0; i < difference.size(); ++i)
    difference[i] = g(x + (static_cast<T>(i) - 3) * spacing);
  evaluations += difference.size();
  const T floor = std::max(std::numeric_limits<T>::epsilon() * std::abs(difference[3]) / 2,
                           std::numeric_limits<T>::min());
  T noise = std::numeric_limits<T>::infinity();
  for (std::size_t order = 1; order < difference.size(); ++order) {
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
  return std::isfinite(noise) ? std::max(noise, floor) : floor;
}

/// A stencil of order 8 with both its errors.
template <class T>
struct StencilTrial {
  T value = std::numeric_limits<T>::quiet_NaN();
  T truncation = std::numeric_limits<T>::infinity();
  T noise = 0;
  T step = std::numeric_limits<T>::quiet_NaN();
  T error() const { return truncation + noise; }
};

template <class T, class G>
StencilTrial<T> try_stencil(G&& g, T x, T h, T noise, std::size_t& evaluations) {
  constexpr std::size_t kPairs = 4;
  const auto s = apply_stencil<kPairs>(g, x, beside(x, h));
  evaluations += 2 * kPairs;
  if (!std::isfinite(s.value) || !std::isfinite(s.rounding)) return {.step = h};
  const T measured = 2 * noise / h;
  return {.value = s.value,
          .truncation = s.truncation,
          .noise = std::max(measured, s.rounding),
          .step = h};
}

/// The step at which a truncation of order 7 (the sixth-order stencil's is what is measured) would
/// meet the noise, kept within a factor of 8 to 64 of the last.
template <class T>
T balanced_step(const StencilTrial<T>& trial) {
  if (!std::isfinite(trial.truncation)) return trial.step / 8;
  const T imbalance = trial.noise / std::max(trial.truncation, std::numeric_limits<T>::min());
  return trial.step * std::clamp(std::pow(imbalance, T(1) / 7), T(1) / 64, T(8));
}

/// How far the first step may grow where no truncation is seen, as for an even function at 0.
inline constexpr int kLargestGrowth = 512;

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Adaptive& method) {
  const auto at = around(x, method.step == 0 ? 0.05 : method.step, Adaptive::kName);
  Derivative<T> d{.method = Adaptive::kName};
  const T noise = measured_noise(g, x, d.evaluations);
  const T smallest = 2 * smallest_step(x) * step_scale(x);
  const T largest = kLargestGrowth * at.step();
  StencilTrial<T> best;
  T h = at.step();
  for (int i = 0; i < method.trials && h >= smallest; ++i) {
    const auto trial = try_stencil(g, x, h, noise, d.evaluations);
    if (trial.error() < best.error()) best = trial;
    const T next = std::min(balanced_step(trial), largest);
    if (i >= 2 && next > h / 2 && next < 2 * h) break;
    h = next;
  }
  d.value = best.value;
  d.step = best.step;
  d.status = finite_status(d.value);
  if (d.status == Status::kOk) d.error = best.error();
  return d;
}

}  // namespace gradatim::detail
