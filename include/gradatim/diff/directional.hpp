#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "gradatim/diff/gradient.hpp"

namespace gradatim {
namespace detail {

[[noreturn]] void throw_coordinate(std::size_t i, std::size_t n);
[[noreturn]] void throw_direction(std::size_t n, std::size_t direction);
[[noreturn]] void throw_unusable_direction(std::size_t i, double value);

template <class X, class V>
void check_direction(const X& x, const V& v) {
  if (length(x) != length(v)) throw_direction(length(x), length(v));
  for (std::size_t i = 0; i < length(v); ++i)
    if (!std::isfinite(v.data()[i])) throw_unusable_direction(i, static_cast<double>(v.data()[i]));
}

/// What of x moves along v, and how far a step of 1 in t is to move it.
template <class E>
struct Direction {
  std::size_t moving = 0;   // entries of v that are not 0
  std::size_t fastest = 0;  // the largest of them
  E unit = 1;               // of t: moves the fastest by the scale of the largest entry that moves
};

template <class E, class X, class V>
Direction<E> direction_of(const X& x, const V& v) {
  Direction<E> d;
  E speed = 0;
  E largest = 0;
  for (std::size_t i = 0; i < length(v); ++i) {
    const E magnitude = static_cast<E>(std::abs(v.data()[i]));
    if (magnitude == 0) continue;
    ++d.moving;
    largest = std::max(largest, static_cast<E>(std::abs(x.data()[i])));
    if (magnitude > speed) {
      speed = magnitude;
      d.fastest = i;
    }
  }
  if (d.moving > 0) d.unit = step_scale(largest) / speed;
  if (!std::isfinite(d.unit) || d.unit == 0)
    throw_unusable_direction(d.fastest, static_cast<double>(v.data()[d.fastest]));
  return d;
}

/// Throws if a step that was asked for does not move even the fastest entry.
template <class E, class X, class V, class M>
void check_moves(const X& x, const V& v, const Direction<E>& d, const M& method) {
  if (method.step == 0) return;
  const E at = static_cast<E>(x.data()[d.fastest]);
  const E scale = d.unit * static_cast<E>(std::abs(v.data()[d.fastest]));
  if (!std::isfinite(at) || beside(at, static_cast<E>(method.step) * scale).moved(at)) return;
  const E smallest = smallest_step(at) * step_scale(at) / scale;
  throw_vanishing_step(M::kName, method.step, static_cast<double>(at),
                       static_cast<double>(smallest), std::numeric_limits<E>::digits);
}

/// d/dt f(x + t v) at 0 by differences; where a single entry moves, by that coordinate.
template <class E, class F, class X, class V, class M>
Derivative<E> directional_difference(F& f, X& x, const V& v, const M& method) {
  const auto direction = direction_of<E>(x, v);
  if (direction.moving == 0)
    return {.value = 0, .error = std::numeric_limits<E>::min(), .method = M::kName};
  MovingPoint<F, X, E> point(f, x);
  Derivative<E> d;
  E unit = 1;
  if (direction.moving == 1) {
    const std::size_t i = direction.fastest;
    CoordinateSlice<MovingPoint<F, X, E>, E> slice{point, i};
    d = differentiate(slice, point.original(i), method);
    unit = 1 / static_cast<E>(v.data()[i]);
  } else {
    check_moves(x, v, direction, method);
    unit = direction.unit;
    const auto slice = [&](E t) {
      for (std::size_t i = 0; i < point.size(); ++i)
        point.move(i, point.original(i) + t * unit * static_cast<E>(v.data()[i]));
      return static_cast<E>(point.evaluate());
    };
    d = differentiate(slice, E(0), method);
  }
  if (d.value == 0 && point.reads_original(d.evaluations)) throw_reads_another_x(M::kName);
  d.value /= unit;
  d.error /= std::abs(unit);
  d.step *= std::abs(unit);
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

/// The product of the gradient and v, for methods that give the gradient whole; entries of which v
/// has nothing may be infinite.
template <class E, class F, class X, class V, class M>
Derivative<E> directional_product(F& f, const X& x, const V& v, const M& method) {
  auto gradient = filled<RebindT<X, E>>(length(x), E(0));
  const auto exact = exact_gradient<E>(f, x, gradient.data(), method);
  Derivative<E> d{.value = 0, .evaluations = exact.evaluations, .method = M::kName};
  for (std::size_t i = 0; i < length(x); ++i)
    if (v.data()[i] != 0) d.value += gradient.data()[i] * static_cast<E>(v.data()[i]);
  d.status = worse(exact.status, worse(finite_status(exact.value), finite_status(d.value)));
  return d;
}

template <class E, class F, class X, class V, class M>
Derivative<E> directional_once(F& f, const X& x, const V& v, const M& method) {
  if constexpr (std::same_as<M, Dual>)
    return directional_dual<E>(f, x, v);
  else
    return directional_product<E>(f, x, v, method);
}

/// once(x) by `method`, with its rounding if that is to be measured.
template <class E, class X, class M, class Once>
Derivative<E> exact_with_error(const X& x, const M& method, const Once& once) {
  Derivative<E> d = once(x);
  if (!measures<E>(method.error)) return d;
  Derivative<E> there;
  measure_rounding(&d.value, &d.error, 1, x, [&](const auto& neighbour) {
    there = once(neighbour);
    d.evaluations += there.evaluations;
    return &there.value;
  });
  return d;
}

/// d by method M in a direction; throws if it is 0 since f reads the caller's x and not its
/// argument.
template <class M, class E, class F, class X>
Derivative<E> used_argument(F& f, X& x, bool has_direction, Derivative<E> d) {
  if (has_direction) refuse_if_flat<M, E>(f, x, std::array{d.value}, d.evaluations);
  return d;
}

}  // namespace detail

/// d/dt f(x + t v) at t = 0: the gradient's product with v, without forming the gradient where the
/// method allows. Throws ShapeError unless v.size() == x.size(), InvalidArgument unless v is
/// finite and not too small to be scaled.
template <class F, class X, class V, Method M>
  requires Point<std::remove_cvref_t<X>> && Point<V>
auto directional(F&& f, X&& x, const V& v, const M& method) {
  using T = detail::ElementT<X>;
  using E = detail::ValueT<F, X>;
  detail::check_direction(x, v);
  if constexpr (DifferenceMethod<M>)
    return detail::narrowed<T>(detail::directional_difference<E>(f, x, v, method));
  else
    return detail::narrowed<T>(detail::used_argument<M>(
        f, x, !detail::is_zero(v), detail::exact_with_error<E>(x, method, [&](const auto& at) {
          return detail::directional_once<E>(f, at, v, method);
        })));
}

namespace detail {

/// The method for f in one direction where the caller names none.
template <class F, class X>
auto default_directional_method() {
  if constexpr (CarriesDerivatives<F, std::remove_cvref_t<X>, DualNumber<ValueT<F, X>>>)
    return Dual{.error = ErrorEstimate::kMeasured};
  else
    return Ridders{};
}

}  // namespace detail

/// By Dual with its rounding measured where f takes and answers in DualNumber, otherwise by
/// Ridders.
template <class F, class X, class V>
  requires Point<std::remove_cvref_t<X>> && Point<V>
auto directional(F&& f, X&& x, const V& v) {
  return directional(f, x, v, detail::default_directional_method<F, X>());
}

/// d f / d x_i; one evaluation by Dual and ComplexStep, as many as the gradient by Tape. Its status
/// is that of f and this entry; others may be infinite. Throws InvalidArgument unless i < x.size().
template <class F, class X, Method M>
  requires Point<std::remove_cvref_t<X>>
auto partial(F&& f, X&& x, std::size_t i, const M& method) {
  using T = detail::ElementT<X>;
  using E = detail::ValueT<F, X>;
  if (i >= detail::length(x)) detail::throw_coordinate(i, detail::length(x));
  if constexpr (DifferenceMethod<M>) {
    using Moving = detail::MovingPoint<std::remove_reference_t<F>, std::remove_reference_t<X>, E>;
    Moving point(f, x);
    detail::CoordinateSlice<Moving, E> slice{point, i};
    auto d = detail::differentiate(slice, point.original(i), method);
    if (point.modified()) d.status = detail::worse(d.status, Status::kInputModified);
    if (d.value == 0 && point.reads_original(d.evaluations))
      detail::throw_reads_another_x(M::kName);
    return detail::narrowed<T>(d);
  } else if constexpr (std::same_as<M, ComplexStep>) {
    return detail::narrowed<T>(detail::used_argument<M>(
        f, x, true, detail::exact_with_error<E>(x, method, [&](const auto& at) {
          using At = std::remove_cvref_t<decltype(at)>;
          return detail::ComplexPoint<E, std::remove_reference_t<F>, At>(f, at).partial(i, method);
        })));
  } else {
    auto axis = detail::filled<detail::RebindT<X, E>>(detail::length(x), E(0));
    axis.data()[i] = 1;
    return directional(f, x, axis, method);
  }
}

/// By the method that directional() takes.
template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto partial(F&& f, X&& x, std::size_t i) {
  return partial(f, x, i, detail::default_directional_method<F, X>());
}

template <class F, Arithmetic T, class... M>
auto partial(F&& f, std::initializer_list<T> x, std::size_t i, const M&... method) {
  const auto point = detail::point_of(x);
  return partial(f, point, i, method...);
}

}  // namespace gradatim
