#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "gradatim/diff/finite_difference.hpp"
#include "gradatim/diff/methods.hpp"
#include "gradatim/diff/noise.hpp"
#include "gradatim/diff/result.hpp"
#include "gradatim/diff/step.hpp"

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

/// Richardson's table for estimates whose truncation is a series in every other power of the step,
/// from `first_power` (2 or 1) on, row by row as the step shrinks by `ratio`:
///   T(k, j) = T(k, j-1) + (T(k, j-1) - T(k-1, j-1)) / (ratio^(2j - 2 + first_power) - 1).
/// The error of an entry is its larger distance from the two it was made of (Ridders) plus the
/// rounding error of the estimate it rests on.
template <class T>
class ExtrapolationTable {
 public:
  static constexpr std::size_t kColumns = 10;

  explicit ExtrapolationTable(T ratio, int first_power = 2)
      : weights_(ratio == 2 && first_power == 2 ? kHalving : weights(ratio, first_power)) {}

  /// `estimate` at the next smaller step, itself uncertain by `rounding`.
  void add(T estimate, T rounding, T step) {
    T entry = estimate;
    const std::size_t columns = std::min(rows_, kColumns - 1);
    for (std::size_t j = 0; j < columns; ++j) {
      const T above = std::exchange(row_[j], entry);
      const T next = entry + (entry - above) * weights_[j];
      const T spread = std::max(std::abs(next - entry), std::abs(next - above));
      consider({next, spread + 2 * rounding, step, estimate});
      entry = next;
    }
    row_[columns] = entry;
    ++rows_;
  }
  /// Forgets the rows, not the best entry: an estimate is missing from the sequence.
  void interrupt() { rows_ = 0; }

  std::size_t rows() const { return rows_; }
  const Conclusion<T>& best() const { return best_; }
  T value() const { return best_.value; }
  T error() const { return best_.error; }
  T step() const { return best_.step; }

 private:
  void consider(const Conclusion<T>& entry) {
    if (entry.error < best_.error) best_ = entry;
  }

  using Weights = std::array<T, kColumns - 1>;  // 1 / (ratio^power - 1)

  static constexpr Weights weights(T ratio, int first_power) {
    Weights w{};
    T power = first_power == 1 ? ratio : ratio * ratio;
    for (T& weight : w) {
      weight = 1 / (power - 1);
      power *= ratio * ratio;
    }
    return w;
  }
  static constexpr Weights kHalving = weights(2, 2);

  Weights weights_;
  std::array<T, kColumns> row_{};
  std::size_t rows_ = 0;
  Conclusion<T> best_;
};

/// Whether an error of a slope is small next to what counts as none: on the scale of `secant`, the
/// larger one-sided slope at the first step (1 where f does not vary at all), or what noise of f
/// makes of slopes. A derivative within it is 0 rather than unknown.
template <class T>
bool is_zero_to(T error, T secant, T noise_of_slopes) {
  const T scale = secant > 0 ? secant : T(1);
  return error <= std::max(std::sqrt(std::numeric_limits<T>::epsilon()) * scale, noise_of_slopes);
}

/// The best entry of a table.
template <class T>
Derivative<T> extrapolated(const Conclusion<T>& best, T f_x, T secant, std::size_t evaluations,
                           std::string_view name, T noise_of_slopes = 0) {
  Derivative<T> d{.value = best.value, .evaluations = evaluations, .method = name};
  d.status = finite_status(f_x);
  if (!std::isfinite(best.error) || !std::isfinite(d.value)) {
    d.status = Status::kNonFinite;
    return d;
  }
  d.error = best.error;
  d.step = best.step;
  if (d.error > std::abs(d.value) / 10 && !is_zero_to(d.error, secant, noise_of_slopes))
    d.status = worse(d.status, Status::kNotConverged);
  return d;
}

template <class T>
T larger_slope(T f_above, T f_x, T f_below, T h) {
  return std::max(std::abs(f_above - f_x), std::abs(f_below - f_x)) / h;
}

/// Rows of Ridders' table before a second look is worth its evaluations.
inline constexpr std::size_t kLeastRows = 3;

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

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Richardson& method) {
  if (method.levels < 2) throw_invalid_levels(Richardson::kName, method.levels);
  double step = method.step == 0 ? 0.0625 : method.step;
  around(x, step, method.levels - 1, Richardson::kName);
  const T f_x = g(x);
  T secant = 0;
  T last_step = 0;
  T bend = 0;
  ExtrapolationTable<T> table(2);
  for (int level = 0; level < method.levels; ++level, step /= 2) {
    const auto at = around(x, step, Richardson::kName);
    const T f_above = g(at.above);
    const T f_below = g(at.below);
    if (level == 0) secant = larger_slope(f_above, f_x, f_below, at.step());
    last_step = at.step();
    bend = bend_between(f_above, f_x, f_below);
    const T slope = (f_above - f_below) / at.width();
    const T per_width = 1 / at.width();
    const T rounding = rounding_error(f_above, f_below, per_width);
    table.add(slope, rounding + argument_error(x, slope, per_width), last_step);
  }
  const auto look = look_again(g, x, f_x, last_step, table.best());
  const auto evaluations = 3 + 2 * static_cast<std::size_t>(method.levels);
  auto d = extrapolated(table.best(), f_x, secant, evaluations, Richardson::kName);
  // Noise, which is not measured here, bends too.
  const bool is_singular =
      std::isfinite(look.kink(bend, last_step)) || look.sees_spike(bend, last_step);
  if (is_singular || look.disagrees()) mark_unconfirmed(d, look);
  return d;
}

/// Whether the noise of g is known: if not, doubt is a reason to measure it.
enum class Noise { kUnknown, kKnown };

/// Ridders' table, and the best of the one before it if a second look refuted that: at steps that
/// were whole periods of g, say.
template <class T>
class RiddersTables {
 public:
  explicit RiddersTables(T ratio) : ratio_(ratio), table_(ratio) {}

  void add(T estimate, T rounding, T step) {
    table_.add(estimate, rounding, step);
    rounding_shrinks_ = rounding < T(0.8) * rounding_;
    rounding_ = rounding;
  }
  void interrupt() { table_.interrupt(); }

  /// Whether the next row can gain nothing: its rounding alone, twice that of this row times the
  /// ratio of their steps, would outweigh the best error. Next to a multiple root of g values
  /// shrink faster than steps, and rounding with them.
  bool settled() const {
    return table_.rows() >= kLeastRows && !rounding_shrinks_ &&
           2 * ratio_ * rounding_ > table_.error();
  }

  /// Whether a second look has nothing against the table, over whose last row g bends by `bend`;
  /// the next begins if it has.
  template <Noise N, class G>
  bool confirm(G&& g, T x, T g_x, T bend, T h, T noise) {
    const auto look = look_again(g, x, g_x, table_.step(), table_.best(), noise);
    const bool sees_kink = look.sees_kink(bend, h);
    if (sees_kink) [[unlikely]]
      kink_ = std::min(kink_, look.kink(bend, h));
    const bool refuted = N == Noise::kKnown ? look.disagrees_unless_noisy() : look.disagrees();
    const bool disagrees = refuted || sees_kink || 2 * bend > kink_ * h;
    if (disagrees) [[unlikely]]
      set_aside();
    return !disagrees;
  }

  /// Whether `slope`, if it is 0, was lost in the resolution of g, of which a slope is known. It is
  /// no row then, and the rows before it are no neighbours of those behind.
  bool set_aside_lost(T slope) {
    if (slope != 0) [[likely]]
      return false;
    if (!knows_a_slope()) return false;
    has_lost_ = true;
    interrupt();
    return true;
  }

  /// Whether a second look ever had something against a table, or differences were lost.
  bool is_doubtful() const { return has_doubted() || has_lost_; }

  Conclusion<T> conclusion() const { return detail::conclusion(doubted_, table_.best()); }

 private:
  const Conclusion<T>& best() const { return believed(doubted_, table_.best()); }
  bool has_doubted() const { return std::isfinite(doubted_.error); }

  [[gnu::noinline, gnu::cold]] bool knows_a_slope() const { return best().is_slope(); }

  [[gnu::noinline, gnu::cold]] void set_aside() {
    doubted_ = best();
    table_ = ExtrapolationTable<T>(ratio_);
  }

  T ratio_;
  ExtrapolationTable<T> table_;
  Conclusion<T> doubted_;
  T kink_ = std::numeric_limits<T>::infinity();  // the gap between slopes that was seen to stay
  T rounding_ = 0;
  bool rounding_shrinks_ = false;
  bool has_lost_ = false;
};

/// The second look at a result that none has confirmed. Where there was doubt, agreement now may be
/// chance: of so many entries made of noise, some agree.
template <class T, class G>
[[gnu::noinline, gnu::cold]] void look_at_last(G&& g, T x, T g_x, const RiddersTables<T>& tables,
                                               T noise, Derivative<T>& d) {
  if (d.status == Status::kNonFinite) return;
  const auto conclusion = tables.conclusion();
  const auto look = look_again(g, x, g_x, conclusion.step, conclusion, noise);
  d.evaluations += 2;
  if (tables.is_doubtful() || look.disagrees_unless_noisy()) mark_unconfirmed(d, look);
}

template <Noise N, class T, class G>
Derivative<T> ridders(G&& g, T x, const Ridders& method, T noise);

/// Where nothing settled at steps up to 1, as of log at 1e-20, which they all leave the domain of,
/// once more at steps up to |x|. What they agree on to three digits is believed if g rises by as
/// much over the first of them: within a stair of what g rounds they agree on the stair's slope.
/// differentiate_by(first step) gives a Derivative.
template <class T, class G, class D>
void look_closer(G&& g, T x, T g_x, const D& differentiate_by, double step, Derivative<T>& d) {
  constexpr T kSteeper = 8;  // than over the first step, as 1/x and 1/x² may be
  const double closer = step * static_cast<double>(std::abs(x));
  const bool is_settled = d.status == Status::kOk && d.error <= std::abs(d.value) / 10;
  if (is_settled || !std::isfinite(g_x)) return;
  if (!(closer < step) || !(closer > 16 * static_cast<double>(smallest_step(x)))) return;
  const auto at = beside(x, static_cast<T>(closer));
  const T rise = larger_slope(g(at.above), g_x, g(at.below), at.step());
  auto near = differentiate_by(closer);
  const std::size_t evaluations = d.evaluations + near.evaluations + 2;
  if (near.status == Status::kOk && 1000 * near.error < std::abs(near.value) &&
      std::abs(near.value) <= kSteeper * rise)
    d = near;
  d.evaluations = evaluations;
}

/// From the beginning, with the noise of g measured, behind so many evaluations.
template <class T, class G>
[[gnu::noinline, gnu::cold]] Derivative<T> begin_with_noise(G&& g, T x, const Ridders& method,
                                                            T g_x, T first_step,
                                                            std::size_t evaluations) {
  const T noise = measured_noise(g, x, g_x, first_step / 16384, evaluations);
  auto d = ridders<Noise::kKnown>(g, x, method, noise);
  d.evaluations += evaluations;
  if (method.step != 0) return d;
  Ridders closer = method;
  const auto differentiate_by = [&](double step) {
    closer.step = step;
    return ridders<Noise::kKnown>(g, x, closer, noise);
  };
  look_closer(g, x, g_x, differentiate_by, 0.37, d);
  return d;
}

template <Noise N, class T, class G>
Derivative<T> ridders(G&& g, T x, const Ridders& method, T noise) {
  const double step = method.step == 0 ? 0.37 : method.step;
  const T first_step = around(x, step, Ridders::kName).step();
  const T ratio = static_cast<T>(method.ratio);
  const T shrink = 1 / ratio;
  const T f_x = g(x);
  T h = first_step;
  T secant = 0;
  RiddersTables<T> tables(ratio);
  std::size_t evaluations = 1;
  bool confirmed = false;
  for (int level = 0; level < method.levels && !confirmed; ++level, h *= shrink) {
    const auto at = beside(x, h);
    if (!at.moved(x)) break;
    const T f_above = g(at.above);
    const T f_below = g(at.below);
    evaluations += 2;
    const T slope = (f_above - f_below) / at.width();
    if (!std::isfinite(slope)) {
      tables.interrupt();
      continue;
    }
    if (secant == 0) secant = larger_slope(f_above, f_x, f_below, at.step());
    if (tables.set_aside_lost(slope)) [[unlikely]]
      continue;
    const T per_width = 1 / at.width();
    // f may be infinite at x alone.
    const T both_sides = (std::abs(f_above - f_x) + std::abs(f_x - f_below)) * per_width;
    const T steepness = std::isfinite(both_sides) ? both_sides : slope;
    const T rounding =
        rounding_error(f_above, f_below, per_width) + argument_error(x, steepness, per_width);
    tables.add(slope, std::max(rounding, 2 * noise * per_width), at.step());
    if (!tables.settled()) continue;
    evaluations += 2;
    const T bend = bend_between(f_above, f_x, f_below);
    confirmed = tables.template confirm<N>(g, x, f_x, bend, at.step(), noise);
    if (N == Noise::kUnknown && !confirmed) break;
  }
  if constexpr (N == Noise::kUnknown)
    if (!confirmed) [[unlikely]]
      return begin_with_noise(g, x, method, f_x, first_step, evaluations);
  auto d = extrapolated(tables.conclusion(), f_x, secant, evaluations, Ridders::kName,
                        32 * noise / first_step);
  if (!confirmed) [[unlikely]]
    look_at_last(g, x, f_x, tables, noise, d);
  return d;
}

/// Two more rows, without which there is no table, take usable steps too.
template <class T>
void check_options(T x, const Ridders& method) {
  if (method.levels < 2) throw_invalid_levels(Ridders::kName, method.levels);
  if (!(static_cast<T>(method.ratio) > 1) || !std::isfinite(method.ratio))
    throw_invalid_ratio(method.ratio);
  if (method.step != 0)
    around(x, method.step, static_cast<int>(std::ceil(2 * std::log2(method.ratio))),
           Ridders::kName);
}

/// Where steps are refuted by the second look, or never settle, the noise of g is measured and they
/// are taken once more: rounding inside g may be far more than that of its value.
template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Ridders& method) {
  check_options(x, method);
  return ridders<Noise::kUnknown>(g, x, method, T(0));
}

/// Where g is right to `noise`.
template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Ridders& method, T noise) {
  check_options(x, method);
  return ridders<Noise::kKnown>(g, x, method, noise);
}

}  // namespace gradatim::detail
