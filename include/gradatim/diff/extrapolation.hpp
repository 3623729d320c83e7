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
#include "gradatim/diff/second_look.hpp"
#include "gradatim/diff/step.hpp"

namespace gradatim::detail {

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

/// Rows of Ridders' table before a second look is worth its evaluations.
inline constexpr std::size_t kLeastRows = 3;

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
      kinks_.note(look, bend, h);
    const bool refuted = N == Noise::kKnown ? look.disagrees_unless_noisy() : look.disagrees();
    const bool disagrees = refuted || sees_kink || kinks_.spans(bend, h);
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
  KinkMemory<T> kinks_;
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
