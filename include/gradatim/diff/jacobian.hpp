#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "gradatim/diff/gradient.hpp"

namespace gradatim {
namespace detail {

[[noreturn]] void throw_rows(std::size_t expected, std::size_t rows);

/// f must answer with as many values wherever it is evaluated.
inline void check_rows(std::size_t expected, std::size_t rows) {
  if (rows != expected) [[unlikely]]
    throw_rows(expected, rows);
}

/// The values of F: R^n -> R^m along one coordinate, each computed once: the m entries of a column
/// are differentiated apart, at steps that mostly coincide.
template <class Moving, class E>
class ColumnCache {
 public:
  /// `rows` of a column before, if there is one.
  ColumnCache(Moving& point, std::size_t column, std::optional<std::size_t> rows)
      : point_(point), column_(column), rows_(rows) {}

  E operator()(std::size_t row, E t) { return values_at(t)[row]; }
  std::size_t rows(E t) { return values_at(t).size(); }
  std::size_t evaluations() const { return values_.size(); }

 private:
  const std::vector<E>& values_at(E t) {
    const auto known = std::ranges::find(values_, t, &std::pair<E, std::vector<E>>::first);
    if (known != values_.end()) return known->second;
    point_.move(column_, t);
    const auto y = point_.evaluate();
    if (!rows_) rows_ = length(y);
    check_rows(*rows_, length(y));
    values_.emplace_back(t, std::vector<E>(y.data(), y.data() + length(y)));
    return values_.back().second;
  }

  Moving& point_;
  std::size_t column_;
  std::optional<std::size_t> rows_;
  std::vector<std::pair<E, std::vector<E>>> values_;
};

template <class T>
void resize(DerivativeMatrix<T>& m, std::size_t rows, std::size_t columns) {
  m.rows = rows;
  m.columns = columns;
  m.value.assign(rows * columns, T(0));
  m.error.assign(rows * columns, std::numeric_limits<T>::quiet_NaN());
  m.step = m.error;
}

template <class E>
std::vector<std::size_t> zero_rows(const DerivativeMatrix<E>& m) {
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < m.rows; ++row) {
    const auto first = m.value.begin() + static_cast<std::ptrdiff_t>(row * m.columns);
    if (std::all_of(first, first + static_cast<std::ptrdiff_t>(m.columns),
                    [](E value) { return value == 0; }))
      rows.push_back(row);
  }
  return rows;
}

/// entry(g, x_j, i) differentiates g(t) = f_i(x with x_j = t).
template <class E, class F, class X, class Entry>
DerivativeMatrix<E> jacobian_by_columns(F& f, X& x, std::string_view method, const Entry& entry) {
  using Moving = MovingPoint<F, X, E>;
  Moving point(f, x);
  DerivativeMatrix<E> jacobian{.method = method};
  for (std::size_t j = 0; j < point.size(); ++j) {
    ColumnCache<Moving, E> column(point, j, j == 0 ? std::nullopt : std::optional(jacobian.rows));
    if (j == 0) resize(jacobian, column.rows(point.original(0)), point.size());
    for (std::size_t i = 0; i < jacobian.rows; ++i) {
      const auto d = entry([&](E t) { return column(i, t); }, point.original(j), i);
      jacobian.value[i * jacobian.columns + j] = d.value;
      jacobian.error[i * jacobian.columns + j] = d.error;
      jacobian.step[i * jacobian.columns + j] = d.step;
      jacobian.status = worse(jacobian.status, d.status);
    }
    point.put_back(j);
    jacobian.evaluations += column.evaluations();
  }
  if (point.modified()) jacobian.status = worse(jacobian.status, Status::kInputModified);
  if (point.reads_original(jacobian.evaluations, zero_rows(jacobian)))
    throw_reads_another_x(method);
  return jacobian;
}

template <class E, class F, class X, class M>
  requires DifferenceMethod<M>
DerivativeMatrix<E> jacobian_by(F& f, X& x, const M& method) {
  return jacobian_by_columns<E>(
      f, x, M::kName, [&](auto&& g, E at, std::size_t) { return differentiate(g, at, method); });
}

/// The columns first, ..., first + count - 1 from the lanes of y.
template <class E, class Y>
void put_tangents(DerivativeMatrix<E>& jacobian, const Y& y, std::size_t first, std::size_t count) {
  check_rows(jacobian.rows, length(y));
  for (std::size_t i = 0; i < jacobian.rows; ++i)
    for (std::size_t k = 0; k < count; ++k)
      jacobian.value[i * jacobian.columns + first + k] = y.data()[i].tangent[k];
}

/// Those columns again, where an infinite slope by one variable leaves the others theirs.
template <class E, class F, class X>
[[gnu::noinline, gnu::cold]] void mend_columns(F& f, X& x, std::size_t first, std::size_t count,
                                               DerivativeMatrix<E>& jacobian) {
  using P = std::remove_cvref_t<X>;
  using D = DualNumber<E, kTrackedLanes>;
  if constexpr (TakesVector<F, P, D>) {
    ScratchT<StorageT<F, P, D>> argument(length(x));
    put_tangents(jacobian, call_with_lanes<D, F, P>(f, x, *argument, first, count), first, count);
    ++jacobian.evaluations;
  }
}

template <class E, class F, class X>
DerivativeMatrix<E> jacobian_by(F& f, X& x, const Dual&) {
  using P = std::remove_cvref_t<X>;
  constexpr std::size_t kWidth = kLanes<P>;
  using D = DualNumber<E, kWidth>;
  static_assert(CarriesDerivatives<F, P, D>,
                "f must answer in the DualNumbers that Dual calls it with");
  const std::size_t n = length(x);
  ScratchT<StorageT<F, P, D>> scratch(n);
  auto& argument = *scratch;
  DerivativeMatrix<E> jacobian{.method = Dual::kName};
  for (std::size_t first = 0; first < n; first += kWidth) {
    const std::size_t count = std::min(kWidth, n - first);
    const auto y = call_with_lanes<D, F, P>(f, x, argument, first, count);
    if (first == 0) resize(jacobian, length(y), n);
    put_tangents(jacobian, y, first, count);
    if (std::any_of(y.data(), y.data() + length(y), [](const D& row) { return has_nan(row); }))
        [[unlikely]]
      mend_columns(f, x, first, count, jacobian);
    ++jacobian.evaluations;
    jacobian.status = worse(jacobian.status, modified_status<E>(argument, x));
  }
  return jacobian;
}

template <class E, class F, class X>
DerivativeMatrix<E> jacobian_by(F& f, X& x, const Tape&) {
  using P = std::remove_cvref_t<X>;
  using V = Variable<E>;
  static_assert(CarriesDerivatives<F, P, V>,
                "f must answer in the Variables that Tape calls it with");
  const std::size_t n = length(x);
  Recording<E> recording;
  ScratchT<StorageT<F, P, V>> scratch(n);
  auto& argument = *scratch;
  DerivativeMatrix<E> jacobian{.method = Tape::kName};
  const auto y = record(recording, [&](Recording<E>& r) {
    ++jacobian.evaluations;
    r.inputs(n, argument.data(), [&x](std::size_t i) { return static_cast<E>(x.data()[i]); });
    return call_with<F, P, V>(f, argument);
  });
  jacobian.status = modified_status<E>(argument, x);
  resize(jacobian, length(y), n);
  for (std::size_t i = 0; i < jacobian.rows; ++i)
    std::ranges::copy(recording.gradient(y.data()[i]),
                      jacobian.value.begin() + static_cast<std::ptrdiff_t>(i * n));
  return jacobian;
}

template <class E, class F, class X>
DerivativeMatrix<E> jacobian_by(F& f, X& x, const ComplexStep& method) {
  using Z = std::complex<E>;
  const std::size_t n = length(x);
  ComplexPoint<E, F, X> point(f, x);
  DerivativeMatrix<E> jacobian{.method = ComplexStep::kName};
  bool modified = false;
  for (std::size_t j = 0; j < n; ++j) {
    const E at = point.original(j);
    const auto evaluate = [&](const Z& z) { return point.evaluate(j, z, modified); };
    const E h = complex_step_at(at, method);
    const auto y = evaluate(Z(at, h));
    ++jacobian.evaluations;
    if (j == 0) resize(jacobian, length(y), n);
    check_rows(jacobian.rows, length(y));
    for (std::size_t i = 0; i < jacobian.rows; ++i) {
      E& slope = jacobian.value[i * n + j] = y.data()[i].imag() / h;
      if (is_ordinary(y.data()[i], at, h)) continue;
      const auto row = [&](const Z& z) { return ComplexValue<E>{evaluate(z).data()[i]}; };
      const auto d = judge_complex(row, at, h, ComplexValue<E>{y.data()[i]});
      slope = d.value;
      jacobian.status = worse(jacobian.status, d.status);
      jacobian.evaluations += d.evaluations - 1;
    }
  }
  if (modified) jacobian.status = worse(jacobian.status, Status::kInputModified);
  return jacobian;
}

/// by(at), with the error of a method that is exact but for rounding if it is to be measured.
template <class E, class X, class By>
DerivativeMatrix<E> with_error(const X& x, ErrorEstimate error, const By& by) {
  DerivativeMatrix<E> m = by(x);
  if (!measures<E>(error)) return m;
  DerivativeMatrix<E> there;
  measure_rounding(m.value.data(), m.error.data(), m.value.size(), x, [&](const auto& neighbour) {
    there = by(neighbour);
    m.evaluations += there.evaluations;
    check_rows(m.rows, there.rows);
    return there.value.data();
  });
  return m;
}

template <class T, class E>
DerivativeMatrix<T> narrowed_matrix(DerivativeMatrix<E>&& wide) {
  for (const E value : wide.value) wide.status = worse(wide.status, finite_status(value));
  if constexpr (std::same_as<T, E>) {
    return std::move(wide);
  } else {
    DerivativeMatrix<T> m{
        .evaluations = wide.evaluations, .status = wide.status, .method = wide.method};
    resize(m, wide.rows, wide.columns);
    for (std::size_t i = 0; i < wide.value.size(); ++i) {
      const auto d = narrowed<T>(
          Derivative<E>{.value = wide.value[i], .error = wide.error[i], .step = wide.step[i]});
      m.value[i] = d.value;
      m.error[i] = d.error;
      m.step[i] = d.step;
      m.status = worse(m.status, d.status);
    }
    return m;
  }
}

}  // namespace detail

/// d f_i / d x_j of f: R^n -> R^m, where f answers with a container that has data() and size().
/// Dual needs n/4 evaluations, Tape one and m sweeps. Throws ShapeError if m varies.
template <class F, class X, Method M>
  requires Point<std::remove_cvref_t<X>>
auto jacobian(F&& f, X&& x, const M& method) {
  using T = detail::ElementT<X>;
  using E = detail::ValueT<F, X>;
  if constexpr (DifferenceMethod<M>)
    return detail::narrowed_matrix<T>(detail::jacobian_by<E>(f, x, method));
  else
    return detail::narrowed_matrix<T>(detail::with_error<E>(
        x, method.error, [&](const auto& at) { return detail::jacobian_by<E>(f, at, method); }));
}

/// By Dual with its rounding measured where f takes and answers in DualNumber, otherwise by
/// Ridders.
template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto jacobian(F&& f, X&& x) {
  using P = std::remove_cvref_t<X>;
  if constexpr (detail::CarriesDerivatives<F, P,
                                           DualNumber<detail::ValueT<F, X>, detail::kLanes<P>>>)
    return jacobian(f, x, Dual{.error = ErrorEstimate::kMeasured});
  else
    return jacobian(f, x, Ridders{});
}

template <class F, Arithmetic T, class... M>
auto jacobian(F&& f, std::initializer_list<T> x, const M&... method) {
  const auto point = detail::point_of(x);
  return jacobian(f, point, method...);
}

}  // namespace gradatim
