#pragma once

#include <algorithm>
#include <cmath>

#include "gradatim/diff/jacobian.hpp"

namespace gradatim {
namespace detail {

/// The mean of the two halves; how far they are apart is part of the error.
template <class E>
void symmetrise(DerivativeMatrix<E>& h) {
  for (std::size_t i = 0; i < h.rows; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const std::size_t lower = i * h.columns + j;
      const std::size_t upper = j * h.columns + i;
      const E apart = std::abs(h.value[lower] - h.value[upper]);
      const E error = std::max({h.error[lower], h.error[upper], apart});
      h.value[lower] = h.value[upper] = (h.value[lower] + h.value[upper]) / 2;
      h.error[lower] = h.error[upper] = error;
    }
  }
}

/// The Jacobian by Ridders of the gradient by `method`, whose errors are noise to it.
template <class E, class F, class C, class M>
DerivativeMatrix<E> hessian_by_gradients(F& f, C& point, M method) {
  if constexpr (requires { method.error; }) method.error = ErrorEstimate::kMeasured;
  const auto at_x = differentiate_vector<E, C>(f, point, method);
  if constexpr (requires { method.error; }) method.error = ErrorEstimate::kNone;
  std::size_t evaluations = at_x.evaluations;
  const auto gradient_of_f = [&](C& at) {
    auto g = differentiate_vector<E, C>(f, at, method);
    evaluations += g.evaluations;
    return std::move(g.value);
  };
  auto h =
      jacobian_by_columns<E>(gradient_of_f, point, M::kName, [&](auto&& g, E at, std::size_t row) {
        return differentiate(g, at, Ridders{}, static_cast<E>(at_x.error.data()[row]));
      });
  h.evaluations = evaluations;
  h.status = worse(h.status, at_x.status);
  for (std::size_t i = 0; i < h.value.size(); ++i)
    h.error[i] += at_x.error.data()[i / h.columns] / h.step[i];
  symmetrise(h);
  return h;
}

/// x itself is moved where gradient() would; elsewhere an f that reads it has no gradient to be
/// seen, which gradient() refuses.
template <class E, class F, class X, class M>
DerivativeMatrix<E> hessian_by(F& f, X& x, const M& method) {
  if constexpr (MovingPoint<F, X, E>::kInPlace && std::same_as<X, RebindT<X, E>>) {
    return hessian_by_gradients<E>(f, x, method);
  } else {
    std::size_t asked = 0;
    if constexpr (DifferenceMethod<M> && MovingPoint<F, X, E>::kIsCopied)
      asked = differentiate_vector<E, RebindT<X, E>>(f, x, method).evaluations;
    auto point = converted<E>(x);
    auto h = hessian_by_gradients<E>(f, point, method);
    h.evaluations += asked;
    return h;
  }
}

template <class E>
bool has_nan(const DerivativeMatrix<E>& m) {
  return std::ranges::any_of(m.value, [](E value) { return std::isnan(value); });
}

/// Dual numbers of dual numbers of `Lanes` each: the rows from `first_row` on by the outer lanes,
/// the columns from `first_column` on by the inner.
template <std::size_t Lanes, class E, class F, class X>
void put_block(F& f, X& x, std::size_t first_row, std::size_t first_column,
               DerivativeMatrix<E>& h) {
  using P = std::remove_cvref_t<X>;
  using Inner = DualNumber<E, Lanes>;
  using Outer = DualNumber<Inner, Lanes>;
  const std::size_t n = length(x);
  const std::size_t rows = std::min(Lanes, n - first_row);
  const std::size_t columns = std::min(Lanes, n - first_column);
  ScratchT<StorageT<F, P, Outer>> scratch(n);
  auto& argument = *scratch;
  for (std::size_t i = 0; i < n; ++i)
    argument.data()[i] = Outer(Inner(unknown(static_cast<E>(x.data()[i]))));
  for (std::size_t k = 0; k < columns; ++k) argument.data()[first_column + k].value.tangent[k] = 1;
  for (std::size_t k = 0; k < rows; ++k) argument.data()[first_row + k].tangent[k] = Inner(1);
  const Outer y = static_cast<Outer>(call_with<F, P, Outer>(f, argument));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j)
      h.value[(first_row + i) * n + first_column + j] =
          h.value[(first_column + j) * n + first_row + i] = y.tangent[i].tangent[j];
  ++h.evaluations;
  h.status = worse(h.status, modified_status<E>(argument, x));
}

template <std::size_t Lanes, class E, class F, class X>
void put_blocks(F& f, X& x, DerivativeMatrix<E>& h) {
  for (std::size_t i = 0; i < h.rows; i += Lanes)
    for (std::size_t j = i; j < h.columns; j += Lanes) put_block<Lanes>(f, x, i, j, h);
}

template <class E, class F, class X>
DerivativeMatrix<E> hessian_by(F& f, X& x, Dual) {
  using Tracked = DualNumber<DualNumber<E, kTrackedLanes>, kTrackedLanes>;
  DerivativeMatrix<E> h{.method = Dual::kName};
  resize(h, length(x), length(x));
  put_blocks<1>(f, x, h);
  if constexpr (TakesVector<F, std::remove_cvref_t<X>, Tracked>)
    if (has_nan(h)) [[unlikely]]
      put_blocks<kTrackedLanes>(f, x, h);
  return h;
}

/// Forward over reverse: the tangent of a tape's adjoints is a row of the Hessian.
template <std::size_t Lanes, class E, class F, class X>
void put_rows(F& f, X& x, DerivativeMatrix<E>& h) {
  using P = std::remove_cvref_t<X>;
  using D = DualNumber<E, Lanes>;
  using V = Variable<D>;
  const std::size_t n = length(x);
  for (std::size_t first = 0; first < n; first += Lanes) {
    const std::size_t count = std::min(Lanes, n - first);
    Recording<D> recording;
    ScratchT<StorageT<F, P, V>> scratch(n);
    auto& argument = *scratch;
    const V y = record(recording, [&](Recording<D>& r) {
      ++h.evaluations;
      r.inputs(n, argument.data(), [&](std::size_t i) {
        D value(unknown(static_cast<E>(x.data()[i])));
        if (i >= first && i < first + count) value.tangent[i - first] = 1;
        return value;
      });
      return static_cast<V>(call_with<F, P, V>(f, argument));
    });
    h.status = worse(h.status, modified_status<E>(argument, x));
    const auto adjoint = recording.gradient(y);
    for (std::size_t k = 0; k < count; ++k)
      for (std::size_t j = 0; j < n; ++j) h.value[(first + k) * n + j] = adjoint[j].tangent[k];
  }
}

template <class E, class F, class X>
DerivativeMatrix<E> hessian_by(F& f, X& x, Tape) {
  using Tracked = Variable<DualNumber<E, kTrackedLanes>>;
  DerivativeMatrix<E> h{.method = Tape::kName};
  resize(h, length(x), length(x));
  put_rows<4>(f, x, h);
  if constexpr (TakesVector<F, std::remove_cvref_t<X>, Tracked>)
    if (has_nan(h)) [[unlikely]]
      put_rows<kTrackedLanes>(f, x, h);
  return h;
}

}  // namespace detail

/// The (n, n) matrix of second derivatives of f: R^n -> R at x. Dual takes n(n+1)/2 evaluations,
/// Tape n/4 and as many sweeps; any other method differentiates its own gradient by Ridders, moving
/// x itself as gradient() does.
template <class F, class X, Method M>
  requires Point<std::remove_cvref_t<X>>
auto hessian(F&& f, X&& x, const M& method) {
  using T = detail::ElementT<X>;
  using E = detail::ValueT<F, X>;
  if constexpr (AutomaticMethod<M>) {
    auto h = detail::with_error<E>(
        x, method.error, [&](const auto& at) { return detail::hessian_by<E>(f, at, method); });
    detail::refuse_if_flat<M, E>(f, x, h.value, h.evaluations);
    return detail::narrowed_matrix<T>(std::move(h));
  } else {
    return detail::narrowed_matrix<T>(detail::hessian_by<E>(f, x, method));
  }
}

/// By Tape with its rounding measured where f takes and answers in Variable<DualNumber>, otherwise
/// by Ridders.
template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto hessian(F&& f, X&& x) {
  using V = Variable<DualNumber<detail::ValueT<F, X>, 4>>;
  if constexpr (detail::CarriesDerivatives<F, std::remove_cvref_t<X>, V>)
    return hessian(f, x, Tape{.error = ErrorEstimate::kMeasured});
  else
    return hessian(f, x, Ridders{});
}

template <class F, Arithmetic T, class... M>
auto hessian(F&& f, std::initializer_list<T> x, const M&... method) {
  const auto point = detail::point_of(x);
  return hessian(f, point, method...);
}

}  // namespace gradatim
