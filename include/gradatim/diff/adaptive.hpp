#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "gradatim/diff/extrapolation.hpp"
#include "gradatim/diff/finite_difference.hpp"
#include "gradatim/diff/noise.hpp"

namespace gradatim::detail {

/// A stencil of order 8 with both its errors.
template <class T>
struct StencilTrial {
  T value = std::numeric_limits<T>::quiet_NaN();
  T truncation = std::numeric_limits<T>::infinity();
  T noise = 0;
  T step = std::numeric_limits<T>::quiet_NaN();
  T innermost = 0;  // its central difference
  T error() const { return truncation + noise; }
};

template <class T, class G>
StencilTrial<T> try_stencil(G&& g, T x, T h, T noise, std::size_t& evaluations) {
  constexpr std::size_t kPairs = 4;
  const auto s = apply_stencil<kPairs>(g, x, beside(x, h));
  evaluations += 2 * kPairs;
  if (!std::isfinite(s.value) || !std::isfinite(s.rounding)) return {.step = h};
  const T measured = 2 * noise / h;
  const T rounding = s.rounding + argument_error(x, s.innermost, h);
  return {.value = s.value,
          .truncation = s.truncation,
          .noise = std::max(measured, rounding),
          .step = h,
          .innermost = s.innermost};
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

/// The best of at most `trials` stencils, from step h on, each at the step that the one before
/// proposes.
template <class T, class G>
StencilTrial<T> best_trial(G&& g, T x, T h, T noise, int trials, std::size_t& evaluations) {
  const T smallest = 2 * smallest_step(x) * step_scale(x);
  const T largest = kLargestGrowth * h;
  StencilTrial<T> best;
  for (int i = 0; i < trials && h >= smallest; ++i) {
    const auto trial = try_stencil(g, x, h, noise, evaluations);
    if (trial.error() < best.error()) best = trial;
    const T next = std::min(balanced_step(trial), largest);
    if (i >= 2 && next > h / 2 && next < 2 * h) break;
    h = next;
  }
  return best;
}

/// How often the trials begin anew, at far smaller steps, where a second look refutes the best.
inline constexpr int kMostBeginnings = 4;

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Adaptive& method) {
  if (method.trials < 1) throw_invalid_trials(method.trials);
  const auto at = around(x, method.step == 0 ? 0.05 : method.step, Adaptive::kName);
  Derivative<T> d{.method = Adaptive::kName};
  const T f_x = g(x);
  const T noise = std::max({measured_noise(g, x, f_x, at.step() / 16, ++d.evaluations),
                            std::numeric_limits<T>::epsilon() * std::abs(f_x) / 2,
                            std::numeric_limits<T>::min()});
  SecondLook<T> look;
  T h = at.step();
  for (int begun = 0; begun == 0 || (look.disagrees() && begun < kMostBeginnings); ++begun) {
    const auto best = best_trial(g, x, h, noise, method.trials, d.evaluations);
    if (!std::isfinite(best.value)) break;
    const bool is_lost = best.value == 0 && std::abs(d.value) > 4 * d.error;
    if (is_lost) break;  // in the resolution of g, of which a slope is known
    if (std::abs(best.value - d.value) <= 4 * best.error()) {  // nothing against the one doubted
      look = {};
      break;
    }
    d.value = best.value;
    d.error = best.error();
    d.step = best.step;
    look = look_again(g, x, d.step, Conclusion<T>{d.value, d.error, d.step, best.innermost}, noise);
    d.evaluations += 2;
    h = d.step * kConfirmingStep<T>;
  }
  d.status = finite_status(d.value);
  if (look.disagrees()) mark_unconfirmed(d, look);
  return d;
}

}  // namespace gradatim::detail
