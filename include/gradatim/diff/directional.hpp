#pragma once

#include "gradatim/diff/gradient.hpp"

namespace gradatim {
namespace detail {

[[noreturn]] void throw_direction(std::size_t n, std::size_t direction);

template <class E, class C>
E largest_magnitude(const C& c) {
  E largest = 0;
  for (std::size_t i = 0; i < length(c); ++i)
    largest = std::max(largest, static_cast<E>(std::abs(c.data()[i])));
  return largest;
}

/// d/dt f(x + t v) at 0 by differences, in units of t that move x by the scale of its largest
/// entry.
template <class E, class F, class X, class V, class M>
Derivative<E> directional_difference(F& f, X& x, const V& v, const M& method) {
  const E length_of_v = largest_magnitude<E>(v);
  if (length_of_v == 0)
    return {.value = 0, .error = std::numeric_limits<E>::min(), .method = M::kName};
  const E unit = step_scale(largest_magnitude<E>(x)) / length_of_v;
  MovingPoint<F, X, E> point(f, x);
  const auto slice = [&](E t) {
    for (std::size_t i = 0; i < point.size(); ++i)
      point.move(i, point.original(i) + t * unit * static_cast<E>(v.data()[i]));
    return static_cast<E>(point.evaluate());
  };
  auto d = differentiate(slice, E(0), method);
  d.value /= unit;
  d.error /= unit;
  d.step *= unit;
  if (point.modified()) d.status = worse(d.status, Status::kInputModified);
  return d;
}

/// d/dt f(x + t v), carried by D.
template <class D, class F, class X, class V>
D directional_pass(F& f, const X& x, const V& v, Status& status) {
  using E = typename D::Base;
  const std::size_t n = length(x);
  ScratchT<StorageT<F, X, D>> scratch(n);
  auto& argument = *scratch;
  for (std::size_t i = 0; i < n; ++i)
    argument.data()[i] = D(unknown(static_cast<E>(x.data()[i])), {static_cast<E>(v.data()[i])});
  const D y = static_cast<D>(call_with<F, X, D>(f, argument));
  status = worse(status, modified_status<E>(argument, x));
  return y;
}

template <class E, class F, class X, class V>
Derivative<E> directional_dual(F& f, const X& x, const V& v) {
  using Tracked = DualNumber<E, kTrackedLanes>;
  Derivative<E> d{.evaluations = 1, .method = Dual::kName};
  const auto y = directional_pass<DualNumber<E>>(f, x, v, d.status);
  d.value = y.tangent[0];
  if constexpr (TakesVector<F, X, Tracked>) {
    if (std::isnan(d.value)) [[unlikely]] {
      d.value = directional_pass<Tracked>(f, x, v, d.status).tangent[0];
      ++d.evaluations;
    }
  }
  d.status = worse(d.status, worse(finite_status(y.value), finite_status(d.value)));
  return d;
}

template <class E, class F, class X, class V>
Derivative<E> directional_exact(F& f, const X& x, const V& v, const Dual& method) {
  Derivative<E> d = directional_dual<E>(f, x, v);
  if (!measures<E>(method.error)) return d;
  Derivative<E> there;
  measure_rounding(&d.value, &d.error, 1, x, [&](const auto& neighbour) {
    there = directional_dual<E>(f, neighbour, v);
    ++d.evaluations;
    return &there.value;
  });
  return d;
}

/// The product of the gradient and v, for methods that give the gradient whole.
template <class E, class F, class X, class V, class M>
Derivative<E> directional_exact(F& f, const X& x, const V& v, const M& method) {
  const auto g = differentiate_vector<E, RebindT<X, E>>(f, x, method);
  Derivative<E> d{
      .value = 0, .error = 0, .evaluations = g.evaluations, .status = g.status, .method = g.method};
  for (std::size_t i = 0; i < g.size(); ++i) {
    d.value += g.value.data()[i] * static_cast<E>(v.data()[i]);
    d.error += g.error.data()[i] * static_cast<E>(std::abs(v.data()[i]));
  }
  return d;
}

}  // namespace detail

/// d/dt f(x + t v) at t = 0: the gradient's product with v, without forming the gradient where the
/// method allows. Throws ShapeError unless v.size() == x.size().
template <class F, class X, class V, Method M>
  requires Point<std::remove_cvref_t<X>> && Point<V>
auto directional(F&& f, X&& x, const V& v, const M& method) {
  using T = detail::ElementT<X>;
  using E = detail::ValueT<F, X>;
  if (detail::length(x) != detail::length(v))
    detail::throw_direction(detail::length(x), detail::length(v));
  if constexpr (DifferenceMethod<M>)
    return detail::narrowed<T>(detail::directional_difference<E>(f, x, v, method));
  else
    return detail::narrowed<T>(detail::directional_exact<E>(f, x, v, method));
}

/// By Dual with its rounding measured where f takes and answers in DualNumber, otherwise by
/// Ridders.
template <class F, class X, class V>
  requires Point<std::remove_cvref_t<X>> && Point<V>
auto directional(F&& f, X&& x, const V& v) {
  using E = detail::ValueT<F, X>;
  if constexpr (detail::CarriesDerivatives<F, std::remove_cvref_t<X>, DualNumber<E>>)
    return directional(f, x, v, Dual{.error = ErrorEstimate::kMeasured});
  else
    return directional(f, x, v, Ridders{});
}

}  // namespace gradatim
