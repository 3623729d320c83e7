#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradatim/diff/result.hpp"
#include "gradatim/diff/step.hpp"

// What is asked of a derivative that steps of one size agree on: a difference at a far smaller
// step, and where nothing settled, steps in proportion to x.
namespace gradatim::detail {

/// What a method made of a sequence of steps: a value that rests on the central difference
/// `estimate` at `step`.
template <class T>
struct Conclusion {
  T value = std::numeric_limits<T>::quiet_NaN();
  T error = std::numeric_limits<T>::infinity();
  T step = std::numeric_limits<T>::quiet_NaN();
  T estimate = std::numeric_limits<T>::quiet_NaN();

  /// Far enough from 0 for a difference of 0 to say less than this does.
  bool is_slope() const { return std::abs(value) > 4 * error; }
};

template <class T>
T larger_slope(T f_above, T f_x, T f_below, T h) {
  return std::max(std::abs(f_above - f_x), std::abs(f_below - f_x)) / h;
}

/// The step of what is looked at again times (3 - sqrt 5)/256: far smaller, and in no simple ratio
/// to the steps before.
template <class T>
inline constexpr T kConfirmingStep = T(0.38196601125010515L / 128);

/// One difference at kConfirmingStep·h beside what was made of steps about h: how far it is off,
/// what truncation and rounding explain of that, and what noise of g as large as the error could.
template <class T>
struct SecondLook {
  T off = 0;
  T allowed = 0;
  T noise = 0;
  T bend = 0;  // |g(x+h) - 2 g(x) + g(x-h)|, where that is more than rounding
  T step = 1;  // h
  bool disagrees() const { return !(off <= allowed + noise); }
  bool disagrees_unless_noisy() const { return !(off <= allowed); }
  /// Between the slopes on either side of x.
  T gap() const { return bend / step; }
  /// The gap of a smooth g falls with the step, by some hundred times from that over h where g
  /// bends by `wider`; over a kink next to x it stays.
  bool sees_kink(T wider, T h) const { return 2 * bend * h > wider * step; }
  /// Or rises far more than that of noise, which is as large over any step: an even singularity.
  bool sees_spike(T wider, T h) const { return bend * h > T(1e4) * wider * step; }
  /// That gap, if it is the same at both steps.
  T kink(T wider, T h) const {
    return sees_kink(wider, h) && bend * h < 2 * wider * step ? gap()
                                                              : std::numeric_limits<T>::infinity();
  }
};

/// The least gap between one-sided slopes that second looks saw to stay.
template <class T>
class KinkMemory {
 public:
  /// Takes up what `look` sees, whose wider bend was that over h.
  void note(const SecondLook<T>& look, T wider, T h) { gap_ = std::min(gap_, look.kink(wider, h)); }
  /// Whether a bend over h is large enough to hold that gap.
  bool spans(T bend, T h) const { return 2 * bend > gap_ * h; }

 private:
  T gap_ = std::numeric_limits<T>::infinity();
};

/// How g bends at x.
template <class T>
T bend_between(T f_above, T f_x, T f_below) {
  return std::abs((f_above - f_x) - (f_x - f_below));
}

/// All steps of a sequence may have been whole periods of g, or have missed what happens next to x.
/// The truncation at c.step shrinks with the square of the step, `noise` of g is magnified. Where
/// the step vanishes, or a difference of 0 is all that is left of a slope, nothing is confirmed.
template <class T, class G>
SecondLook<T> look_again(G&& g, T x, T g_x, T h, const Conclusion<T>& c, T noise = 0) {
  const auto at = beside(x, h * kConfirmingStep<T>);
  if (!at.moved(x)) return {.off = std::numeric_limits<T>::quiet_NaN()};
  const T f_above = g(at.above);
  const T f_below = g(at.below);
  const T slope = (f_above - f_below) / at.width();
  if (slope == 0 && c.is_slope()) return {.off = std::abs(c.value)};
  const T per_width = 1 / at.width();
  const T per_ratio = 2 * c.step * per_width;
  const T truncation = 8 * std::abs(c.estimate - c.value) / (per_ratio * per_ratio);
  const T inexact =
      std::max(rounding_error(f_above, f_below, per_width) + argument_error(x, slope, per_width),
               2 * noise * per_width);
  // Noise that would be larger than the slope excuses anything.
  const T noise_of_slope = 8 * c.error * per_ratio;
  const bool excuses = !c.is_slope() || noise_of_slope <= std::abs(c.value);
  const T bend = bend_between(f_above, g_x, f_below);
  return {.off = std::abs(slope - c.value),
          .allowed = 4 * c.error + truncation + 8 * inexact,
          .noise = excuses ? noise_of_slope : T(0),
          .bend = bend > 8 * inexact * at.step() ? bend : T(0),
          .step = at.step()};
}

/// Of what was doubted and what was made of the steps that follow: the first, if the second has
/// nothing against it.
template <class T>
const Conclusion<T>& believed(const Conclusion<T>& doubted, const Conclusion<T>& fresh) {
  const bool refuted = std::abs(fresh.value - doubted.value) > 4 * fresh.error;
  return std::isfinite(doubted.error) && !refuted ? doubted : fresh;
}

/// What is believed: what was doubted at first only as closely as what followed, if anything did,
/// knows it.
template <class T>
Conclusion<T> conclusion(const Conclusion<T>& doubted, const Conclusion<T>& fresh) {
  Conclusion<T> c = believed(doubted, fresh);
  if (std::isfinite(doubted.error) && std::isfinite(fresh.error)) [[unlikely]]
    c.error = std::max(c.error, std::abs(fresh.value - c.value) + fresh.error);
  return c;
}

/// Says of d what the second look saw, if that is against it.
template <class T>
void mark_unconfirmed(Derivative<T>& d, const SecondLook<T>& look) {
  if (d.status == Status::kNonFinite) return;
  d.error = std::max({d.error, look.off, look.gap() / 2});
  d.status = worse(d.status, Status::kNotConverged);
}

/// Whether a slope found at steps up to |x| is known to three digits and explains the rise of g
/// over the first of them: it may be steeper, as that of 1/x and 1/x² is, but not by orders.
template <class T>
bool is_clear_slope(T slope, T error, T rise) {
  return 1000 * error < std::abs(slope) && std::abs(slope) <= 8 * rise;
}

/// Where nothing settled at steps up to 1, as of log at 1e-20, which they all leave the domain of,
/// once more at steps up to |x|. What they agree on to three digits is believed if g rises by as
/// much over the first of them: within a stair of what g rounds they agree on the stair's slope.
/// differentiate_by(first step) gives a Derivative.
template <class T, class G, class D>
void look_closer(G&& g, T x, T g_x, const D& differentiate_by, double step, Derivative<T>& d) {
  const double closer = step * static_cast<double>(std::abs(x));
  const bool is_settled = d.status == Status::kOk && d.error <= std::abs(d.value) / 10;
  if (is_settled || !std::isfinite(g_x)) return;
  if (!(closer < step) || !(closer > 16 * static_cast<double>(smallest_step(x)))) return;
  const auto at = beside(x, static_cast<T>(closer));
  const T rise = larger_slope(g(at.above), g_x, g(at.below), at.step());
  auto near = differentiate_by(closer);
  const std::size_t evaluations = d.evaluations + near.evaluations + 2;
  if (near.status == Status::kOk && is_clear_slope(near.value, near.error, rise)) d = near;
  d.evaluations = evaluations;
}

}  // namespace gradatim::detail
