#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "gradatim/diff/finite_difference.hpp"
#include "gradatim/diff/methods.hpp"
#include "gradatim/diff/result.hpp"
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
      consider(next, spread + 2 * rounding, step);
      entry = next;
    }
    row_[columns] = entry;
    ++rows_;
  }
  /// Forgets the rows, not the best entry: an estimate is missing from the sequence.
  void interrupt() { rows_ = 0; }

  std::size_t rows() const { return rows_; }
  T value() const { return value_; }
  T error() const { return error_; }
  T step() const { return step_; }

 private:
  void consider(T value, T error, T step) {
    if (!(error < error_)) return;
    value_ = value;
    error_ = error;
    step_ = step;
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
  T value_ = std::numeric_limits<T>::quiet_NaN();
  T error_ = std::numeric_limits<T>::infinity();
  T step_ = std::numeric_limits<T>::quiet_NaN();
};

/// The table's best entry. `secant` is the larger one-sided slope at the first step: the scale on
/// which a derivative counts as 0 rather than unknown (1 where f does not vary at all).
template <class T>
Derivative<T> extrapolated(const ExtrapolationTable<T>& table, T f_x, T secant,
                           std::size_t evaluations, std::string_view name) {
  Derivative<T> d{.value = table.value(), .evaluations = evaluations, .method = name};
  d.status = finite_status(f_x);
  if (!std::isfinite(table.error()) || !std::isfinite(d.value)) {
    d.status = Status::kNonFinite;
    return d;
  }
  d.error = table.error();
  d.step = table.step();
  const T zero = std::sqrt(std::numeric_limits<T>::epsilon()) * (secant > 0 ? secant : T(1));
  if (d.error > std::abs(d.value) / 2 && d.error > zero)
    d.status = worse(d.status, Status::kNotConverged);
  return d;
}

template <class T>
T larger_slope(T f_above, T f_x, T f_below, T h) {
  return std::max(std::abs(f_above - f_x), std::abs(f_below - f_x)) / h;
}

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Richardson& method) {
  if (method.levels < 2) throw_invalid_levels(Richardson::kName, method.levels);
  double step = method.step == 0 ? 0.0625 : method.step;
  around(x, step, method.levels - 1, Richardson::kName);
  const T f_x = g(x);
  T secant = 0;
  ExtrapolationTable<T> table(2);
  for (int level = 0; level < method.levels; ++level, step /= 2) {
    const auto at = around(x, step, Richardson::kName);
    const T f_above = g(at.above);
    const T f_below = g(at.below);
    if (level == 0) secant = larger_slope(f_above, f_x, f_below, at.step());
    table.add((f_above - f_below) / at.width(), rounding_error(f_above, f_below, at.width()),
              at.step());
  }
  const auto evaluations = 1 + 2 * static_cast<std::size_t>(method.levels);
  return extrapolated(table, f_x, secant, evaluations, Richardson::kName);
}

/// Rows below which agreement may be chance, such as a step that is a whole number of periods.
inline constexpr std::size_t kLeastRows = 5;

/// A step in no simple ratio to halved ones, and far smaller than the last of them.
template <class T>
inline constexpr T kConfirmingStep = T(0.37) / 64;

/// One difference at kConfirmingStep·h beside a table whose last estimate, at h, was `last`: its
/// distance from the table's value, and what truncation and rounding explain of it.
template <class T>
struct SecondLook {
  T slope;
  T off = 0;
  T allowed = 0;
  bool disagrees() const { return off > allowed; }
};

template <class T, class G>
SecondLook<T> look_again(G&& g, T x, T h, T last, const ExtrapolationTable<T>& table) {
  const auto at = beside(x, h * kConfirmingStep<T>);
  if (!at.moved(x)) return {table.value()};
  const T f_above = g(at.above);
  const T f_below = g(at.below);
  const T slope = (f_above - f_below) / at.width();
  const T truncation = 8 * kConfirmingStep<T> * kConfirmingStep<T> * std::abs(last - table.value());
  return {slope, std::abs(slope - table.value()),
          4 * table.error() + truncation + 8 * rounding_error(f_above, f_below, at.width())};
}

/// Of a table that was doubted and the one begun in its place: the first, if the second has nothing
/// against it.
template <class T>
const ExtrapolationTable<T>& believed(const ExtrapolationTable<T>& doubted,
                                      const ExtrapolationTable<T>& fresh) {
  const bool refuted = std::abs(fresh.value() - doubted.value()) > 4 * fresh.error();
  return std::isfinite(doubted.error()) && !refuted ? doubted : fresh;
}

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Ridders& method) {
  if (method.levels < 2) throw_invalid_levels(Ridders::kName, method.levels);
  if (!(method.ratio > 1)) throw_invalid_ratio(method.ratio);
  const double step = method.step == 0 ? 0.13 : method.step;
  T h = around(x, step, Ridders::kName).step();
  const T ratio = static_cast<T>(method.ratio);
  const T f_x = g(x);
  T secant = 0;
  ExtrapolationTable<T> table(ratio);
  std::size_t evaluations = 1;
  for (int level = 0; level < method.levels; ++level, h /= ratio) {
    const auto at = beside(x, h);
    if (!at.moved(x)) break;
    const T f_above = g(at.above);
    const T f_below = g(at.below);
    evaluations += 2;
    const T slope = (f_above - f_below) / at.width();
    if (!std::isfinite(slope)) {
      table.interrupt();
      continue;
    }
    if (secant == 0) secant = larger_slope(f_above, f_x, f_below, at.step());
    const T rounding = rounding_error(f_above, f_below, at.width());
    table.add(slope, rounding, at.step());
    if (table.rows() >= kLeastRows && rounding * ratio > table.error()) break;
  }
  return extrapolated(table, f_x, secant, evaluations, Ridders::kName);
}

}  // namespace gradatim::detail
