#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

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

template <class T>
Derivative<T> extrapolated(const ExtrapolationTable<T>& table, std::size_t evaluations,
                           std::string_view name) {
  Derivative<T> d{.value = table.value(), .evaluations = evaluations, .method = name};
  if (!std::isfinite(table.error()) || !std::isfinite(d.value)) {
    d.status = Status::kNonFinite;
    return d;
  }
  d.error = table.error();
  d.step = table.step();
  if (d.error > std::abs(d.value) / 2 && d.error > std::sqrt(std::numeric_limits<T>::epsilon()))
    d.status = Status::kNotConverged;
  return d;
}

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Richardson& method) {
  if (method.levels < 2) throw_invalid_levels(Richardson::kName, method.levels);
  double step = method.step == 0 ? 0.0625 : method.step;
  ExtrapolationTable<T> table(2);
  for (int level = 0; level < method.levels; ++level, step /= 2) {
    const auto at = around(x, step, Richardson::kName);
    const T f_above = g(at.above);
    const T f_below = g(at.below);
    table.add((f_above - f_below) / at.width(), rounding_error(f_above, f_below, at.width()),
              at.step());
  }
  return extrapolated(table, 2 * static_cast<std::size_t>(method.levels), Richardson::kName);
}

/// Rows below which agreement may be chance, such as a step that is a whole number of periods.
inline constexpr std::size_t kLeastRows = 5;

template <class T, class G>
Derivative<T> differentiate(G&& g, T x, const Ridders& method) {
  if (method.levels < 2) throw_invalid_levels(Ridders::kName, method.levels);
  if (!(method.ratio > 1)) throw_invalid_ratio(method.ratio);
  const double step = method.step == 0 ? 0.13 : method.step;
  T h = around(x, step, Ridders::kName).step();
  const T ratio = static_cast<T>(method.ratio);
  ExtrapolationTable<T> table(ratio);
  std::size_t evaluations = 0;
  for (int level = 0; level < method.levels; ++level, h /= ratio) {
    const auto at = beside(x, h);
    if (!at.moved(x)) break;
    const T f_above = g(at.above);
    const T f_below = g(at.below);
    evaluations += 2;
    const T rise = f_above - f_below;
    if (!std::isfinite(rise)) {
      table.interrupt();
      continue;
    }
    const T rounding = rounding_error(f_above, f_below, at.width());
    table.add(rise / at.width(), rounding, at.step());
    if (table.rows() >= kLeastRows && rounding * ratio > table.error()) break;
  }
  return extrapolated(table, evaluations, Ridders::kName);
}

}  // namespace gradatim::detail
