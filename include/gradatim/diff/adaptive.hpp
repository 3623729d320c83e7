#pragma once

#include <algorithm>
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
  T bend = 0;       // |f(x+h) - 2 f(x) + f(x-h)| over the same step
  T error() const { return truncation + noise; }
};

template <class T, class G>
StencilTrial<T> try_stencil(G&& g, T x, T g_x, T h, T noise, std::size_t& evaluations) {
  constexpr std::size_t kPairs = 4;
  const auto s = apply_stencil<kPairs>(g, x, beside(x, h));
  evaluations += 2 * kPairs;
  if (!std::isfinite(s.value) || !std::isfinite(s.rounding)) return {.step = h};
  const T measured = 2 * noise / h;
  const T rounding = s.rounding + argument_error(x, s.innermost, 1 / h);
  return {.value = s.value,
          .truncation = s.truncation,
          .noise = std::max(measured, rounding),
          .step = h,
          .innermost = s.innermost,
          .bend = bend_between(s.f_above, g_x, s.f_below)};
}

/// The step at which a truncation of order 7 (the sixth-order stencil's is what is measured) would
/// meet the noise, kept within a factor of 8 to 64 of the last.
template <class T>
T balanced_step(const StencilTrial<T>& trial) {
  if (!std::isfinite(trial.truncation)) return trial.step / 8;
  const T imbalance = trial.noise / std::max(trial.truncation, std::numeric_limits<T>::min());
  return trial.step * std::clamp(std::pow(imbalance, T(1) / 7), T(1) / 64, T(8));
}

/// How far the first step may grow where no truncation is seen, as for an even function at 0. Where
/// a second look refuted what steps came to, not back to those.
inline constexpr int kLargestGrowth = 512;
inline constexpr int kLargestGrowthAnew = 64;

/// The best of at most `trials` stencils, from step h on, each at the step that the one before
/// proposes, up to `largest`.
template <class T, class G>
StencilTrial<T> best_trial(G&& g, T x, T g_x, T h, T largest, T noise, int trials,
                           std::size_t& evaluations) {
  const T smallest = 2 * smallest_step(x) * step_scale(x);
  StencilTrial<T> best;
  for (int i = 0; i < trials && h >= smallest; ++i) {
    const auto trial = try_stencil(g, x, g_x, h, noise, evaluations);
    if (trial.error() < best.error()) best = trial;
    const T next = std::min(balanced_step(trial), largest);
    if (i >= 2 && next > h / 2 && next < 2 * h) break;
    h = next;
  }
  return best;
}

/// How often the trials begin anew, at far smaller steps, where a second look refutes the best.
inline constexpr int kMostBeginnings = 3;

/// From a first step on, where g is right to `noise`. What was doubted and is believed in the end,
/// since the trials behind it have nothing against it, is known as closely as they know it.
template <class T, class G>
Derivative<T> adapt(G&& g, T x, T f_x, double step, int trials, T noise) {
  const T first_step = around(x, step, Adaptive::kName).step();
  Derivative<T> d{.method = Adaptive::kName};
  SecondLook<T> look;
  bool is_doubted = true;
  KinkMemory<T> kinks;
  T h = first_step;
  for (int begun = 0; is_doubted && begun <= kMostBeginnings; ++begun) {
    const T largest = (begun == 0 ? kLargestGrowth : kLargestGrowthAnew) * h;
    const auto best = best_trial(g, x, f_x, h, largest, noise, trials, d.evaluations);
    if (!std::isfinite(best.value)) break;
    const bool is_lost = best.value == 0 && std::abs(d.value) > 4 * d.error;
    if (is_lost) break;  // in the resolution of g, of which a slope is known
    const T off = std::abs(best.value - d.value);
    if (off <= 4 * best.error()) {
      d.error = std::max(d.error, off + best.error());
      is_doubted = kinks.spans(best.bend, best.step);
      break;
    }
    d.value = best.value;
    d.error = best.error();
    d.step = best.step;
    // A step that has grown, since nothing was seen, may have grown beyond all there is to see.
    const T from = std::min(d.step, first_step);
    look =
        look_again(g, x, f_x, from, Conclusion<T>{d.value, d.error, d.step, best.innermost}, noise);
    d.evaluations += 2;
    const bool sees_kink = look.sees_kink(best.bend, best.step);
    kinks.note(look, best.bend, best.step);
    is_doubted = look.disagrees_unless_noisy() || sees_kink || kinks.spans(best.bend, best.step);
    h = from * kConfirmingStep<T>;
  }
  d.status = worse(finite_status(f_x), finite_status(d.value));
  if (is_doubted) mark_unconfirmed(d, look);
  if (d.error > std::abs(d.value) / 10) {
    const auto at = beside(x, first_step);
    const T secant = larger_slope(g(at.above), f_x, g(at.below), first_step);
    d.evaluations += 2;
    if (!is_zero_to(d.error, secant, 32 * noise / first_step))
      d.status = worse(d.status, Status::kNotConverged);
  }
  return d;
}

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Adaptive& method) {
  if (method.trials < 1) throw_invalid_trials(method.trials);
  if (method.step != 0) around(x, method.step, 1, Adaptive::kName);  // twice the smallest at least
  const double step = method.step == 0 ? 0.05 : method.step;
  const T first_step = around(x, step, Adaptive::kName).step();
  const T f_x = g(x);
  std::size_t evaluations = 1;
  const T noise = std::max(measured_noise(g, x, f_x, first_step / 16, evaluations),
                           std::numeric_limits<T>::min());
  const auto from = [&](double first) { return adapt(g, x, f_x, first, method.trials, noise); };
  auto d = from(step);
  d.evaluations += evaluations;
  if (method.step == 0) look_closer(g, x, f_x, from, step, d);
  return d;
}

}  // namespace gradatim::detail
