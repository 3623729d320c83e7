#pragma once

#include <algorithm>
#include <complex>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "gradatim/diff/derivative.hpp"
#include "gradatim/diff/moving_point.hpp"

namespace gradatim {
namespace detail {

[[noreturn]] void throw_coordinate(std::size_t i, std::size_t n);
[[noreturn]] void throw_direction(std::size_t n, std::size_t direction);
[[noreturn]] void throw_output_size(std::size_t n, std::size_t output);

template <class F, class X>
using ValueT = VectorEvaluationT<F, std::remove_cvref_t<X>>;

/// f's value beside what else one evaluation by an exact method tells.
template <class E>
struct ExactValue {
  E value = 0;
  std::size_t evaluations = 0;
  Status status = Status::kOk;
};

inline constexpr std::size_t kMostLanes = 8;
/// Directions a DualNumber carries at once: all of a small array's, four of a vector's.
template <class X>
inline constexpr std::size_t kLanes =
    FixedSize<X>::value >= 1 && FixedSize<X>::value <= kMostLanes ? FixedSize<X>::value : 4;

template <class E, class D, class X>
inline bool was_modified(const D* argument, const X& x) {
  bool modified = false;
  for (std::size_t i = 0; i < length(x); ++i)
    modified |= !same_bits(argument[i].value, static_cast<E>(x.data()[i]));
  return modified;
}

/// One evaluation: the derivatives in the directions first, ..., first + count - 1.
template <class E, class F, class X, class Storage>
inline ExactValue<E> dual_pass(F& f, const X& x, Storage& argument, std::size_t first,
                               std::size_t count, E* d_x) {
  using D = DualNumber<E, kLanes<X>>;
  for (std::size_t i = 0; i < length(x); ++i) argument.data()[i] = D(static_cast<E>(x.data()[i]));
  for (std::size_t k = 0; k < count; ++k) argument.data()[first + k].tangent[k] = 1;
  const D y = static_cast<D>(call_with<F, X, D>(f, argument));
  for (std::size_t k = 0; k < count; ++k) d_x[first + k] = y.tangent[k];
  const bool modified = was_modified<E>(argument.data(), x);
  return {y.value, 1, modified ? Status::kInputModified : Status::kOk};
}

template <class E, class F, class X>
inline ExactValue<E> exact_gradient(F& f, const X& x, E* d_x, const Dual&) {
  constexpr std::size_t kWidth = kLanes<X>;
  using Storage = StorageT<F, X, DualNumber<E, kWidth>>;
  if constexpr (FixedSize<X>::value == kWidth) {
    Storage argument;
    return dual_pass<E>(f, x, argument, 0, kWidth, d_x);
  } else {
    const std::size_t n = length(x);
    ScratchT<Storage> scratch(n);
    ExactValue<E> result;
    for (std::size_t first = 0; first < n; first += kWidth) {
      const auto pass = dual_pass<E>(f, x, *scratch, first, std::min(kWidth, n - first), d_x);
      result = {pass.value, result.evaluations + 1, worse(result.status, pass.status)};
    }
    return result;
  }
}

template <class E, class F, class X>
ExactValue<E> exact_gradient(F& f, const X& x, E* d_x, const Tape&) {
  using V = Variable<E>;
  using Storage = StorageT<F, X, V>;
  const std::size_t n = length(x);
  Recording<E> recording;
  ScratchT<Storage> scratch(n);
  Storage& argument = *scratch;
  ExactValue<E> result;
  const V y = record(recording, [&](Recording<E>& r) {
    ++result.evaluations;
    r.inputs(n, argument.data(), [&x](std::size_t i) { return static_cast<E>(x.data()[i]); });
    return static_cast<V>(call_with<F, X, V>(f, argument));
  });
  result.value = y.value;
  if (was_modified<E>(argument.data(), x)) result.status = Status::kInputModified;
  std::ranges::copy(recording.gradient(y), d_x);
  return result;
}

template <class E, class F, class X>
ExactValue<E> exact_gradient(F& f, const X& x, E* d_x, const ComplexStep& method) {
  using Z = std::complex<E>;
  const std::size_t n = length(x);
  ScratchT<StorageT<F, X, Z>> scratch(n);
  auto& argument = *scratch;
  std::copy_n(x.data(), n, argument.data());
  ExactValue<E> result;
  for (std::size_t i = 0; i < n; ++i) {
    const auto slice = [&](const Z& z) {
      argument.data()[i] = z;
      const Z value(call_with<F, X, Z>(f, argument));
      if (argument.data()[i] != z) result.status = Status::kInputModified;
      argument.data()[i] = static_cast<E>(x.data()[i]);
      result.value = value.real();
      return value;
    };
    const auto at = static_cast<E>(x.data()[i]);
    auto d = differentiate_complex(slice, at, method);
    if (is_suspect(d)) look_on_the_axis(slice, at, d);
    d_x[i] = d.value;
    result.status = worse(result.status, d.status);
    result.evaluations += d.evaluations;
  }
  return result;
}

/// As measure_rounding of one number: every coordinate moved by one unit in the last place, up and
/// down in turn, then the other way.
template <class E, class C, class F, class X, class M>
void measure_gradient_rounding(Gradient<C>& g, F& f, const X& x, const M& method) {
  constexpr E kEpsilon = std::numeric_limits<E>::epsilon();
  const std::size_t n = length(x);
  auto neighbour = converted<E>(x);
  auto there = filled<C>(n, E(0));
  std::fill_n(g.error.data(), n, E(0));
  for (const E direction : {E(1), E(-1)}) {
    for (std::size_t i = 0; i < n; ++i) {
      const E at = static_cast<E>(x.data()[i]);
      const E ulp = at == 0 ? kEpsilon : kEpsilon * std::abs(at);
      neighbour.data()[i] = at + (i % 2 == 0 ? direction : -direction) * ulp;
    }
    g.evaluations += exact_gradient<E>(f, neighbour, there.data(), method).evaluations;
    for (std::size_t i = 0; i < n; ++i) {
      const E moved = std::abs(there.data()[i] - g.value.data()[i]);
      if (std::isfinite(moved)) g.error.data()[i] = std::max(g.error.data()[i], moved);
    }
  }
  for (std::size_t i = 0; i < n; ++i)
    g.error.data()[i] = std::max(g.error.data()[i] + kEpsilon / 2 * std::abs(g.value.data()[i]),
                                 std::numeric_limits<E>::min());
}

template <class C, class E>
inline Gradient<C> empty_gradient(std::size_t n, std::string_view method) {
  constexpr E kUnknown = std::numeric_limits<E>::quiet_NaN();
  return {.value = filled<C>(n, E(0)),
          .error = filled<C>(n, kUnknown),
          .step = filled<C>(n, kUnknown),
          .method = method};
}

template <class E, class C, class F, class X, class M>
inline Gradient<C> differentiate_vector(F& f, X& x, const M& method) {
  const std::size_t n = length(x);
  auto g = empty_gradient<C, E>(n, M::kName);
  if constexpr (DifferenceMethod<M>) {
    MovingPoint<F, X, E> point(f, x);
    for (std::size_t i = 0; i < n; ++i) {
      CoordinateSlice<MovingPoint<F, X, E>, E> slice{point, i};
      const auto d = differentiate(slice, point.original(i), method);
      point.put_back(i);
      g.value.data()[i] = d.value;
      g.error.data()[i] = d.error;
      g.step.data()[i] = d.step;
      g.evaluations += d.evaluations;
      g.status = worse(g.status, d.status);
    }
    if (point.modified()) g.status = worse(g.status, Status::kInputModified);
  } else {
    const auto exact = exact_gradient<E>(f, x, g.value.data(), method);
    g.evaluations = exact.evaluations;
    g.status = worse(exact.status, finite_status(exact.value));
    for (std::size_t i = 0; i < n; ++i)
      g.status = worse(g.status, finite_status(g.value.data()[i]));
    if (measures<E>(method.error)) measure_gradient_rounding<E>(g, f, x, method);
  }
  return g;
}

template <class C, class T, class E, class Wide>
Gradient<C> narrowed_gradient(const Gradient<Wide>& wide) {
  const std::size_t n = wide.size();
  auto g = empty_gradient<C, T>(n, wide.method);
  g.evaluations = wide.evaluations;
  g.status = wide.status;
  for (std::size_t i = 0; i < n; ++i) {
    const auto d = narrowed<T>(Derivative<E>{
        .value = wide.value.data()[i], .error = wide.error.data()[i], .step = wide.step.data()[i]});
    g.value.data()[i] = d.value;
    g.error.data()[i] = d.error;
    g.step.data()[i] = d.step;
  }
  return g;
}

}  // namespace detail

/// The gradient of f: R^n -> R at x by `method`. f is given a container of the kind of x, or a
/// std::span or std::vector if it takes only that, of the scalar the method works in. Where x can
/// be written to and the method takes differences, x itself is moved and restored bit for bit (see
/// MovingPoint). Throws as derivative().
template <class F, class X, Method M>
  requires Point<std::remove_cvref_t<X>>
auto gradient(F&& f, X&& x, const M& method) {
  using T = detail::ElementT<X>;
  using E = detail::ValueT<F, X>;
  using C = detail::RebindT<X, T>;
  using Wide = detail::RebindT<X, E>;
  auto g = detail::differentiate_vector<E, Wide>(f, x, method);
  if constexpr (std::same_as<T, E>)
    return g;
  else
    return detail::narrowed_gradient<C, T, E>(g);
}

namespace detail {

/// The method for f at x where the caller names none.
template <class F, class X>
auto default_method(ErrorEstimate error) {
  using E = ValueT<F, X>;
  using P = std::remove_cvref_t<X>;
  constexpr bool kSmall = FixedSize<P>::value >= 1 && FixedSize<P>::value <= kMostLanes;
  if constexpr (kSmall && TakesVector<F, P, DualNumber<E, kLanes<P>>>)
    return Dual{.error = error};
  else if constexpr (TakesVector<F, P, Variable<E>>)
    return Tape{.error = error};
  else
    return Ridders{};
}

}  // namespace detail

/// By Tape (Dual for arrays of up to 8) with its rounding measured where f takes Variable,
/// otherwise by Ridders.
template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto gradient(F&& f, X&& x) {
  return gradient(f, x, detail::default_method<F, X>(ErrorEstimate::kMeasured));
}

template <class F, std::floating_point T, class... M>
auto gradient(F&& f, std::initializer_list<T> x, const M&... method) {
  const std::vector<T> point(x);
  return gradient(f, point, method...);
}

/// f(x), with the gradient written to d_x: what descent needs. By Tape nothing is allocated after a
/// thread's first call of that size. Throws ShapeError unless d_x.size() == x.size().
template <class F, class X, class M>
  requires AutomaticMethod<M> && std::same_as<detail::ElementT<X>, detail::ValueT<F, X>>
auto value_and_gradient(F&& f, const X& x, std::span<detail::ElementT<X>> d_x, const M& method) {
  if (d_x.size() != detail::length(x)) detail::throw_output_size(detail::length(x), d_x.size());
  return detail::exact_gradient<detail::ElementT<X>>(f, x, d_x.data(), method).value;
}

/// d f / d x_i. Throws InvalidArgument unless i < x.size().
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
    return detail::narrowed<T>(d);
  } else {
    const auto g = gradient(f, x, method);
    return Derivative<T>{g.value.data()[i], g.error.data()[i], g.step.data()[i],
                         g.evaluations,     g.status,          g.method};
  }
}

template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto partial(F&& f, X&& x, std::size_t i) {
  return partial(f, x, i, detail::default_method<F, X>(ErrorEstimate::kMeasured));
}

template <class F, std::floating_point T, class... M>
auto partial(F&& f, std::initializer_list<T> x, std::size_t i, const M&... method) {
  const std::vector<T> point(x);
  return partial(f, point, i, method...);
}

namespace detail {

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

template <class E, class F, class X, class V>
Derivative<E> directional_exact(F& f, const X& x, const V& v, const Dual&) {
  using D = DualNumber<E>;
  const std::size_t n = length(x);
  ScratchT<StorageT<F, X, D>> scratch(n);
  auto& argument = *scratch;
  for (std::size_t i = 0; i < n; ++i)
    argument.data()[i] = D(static_cast<E>(x.data()[i]), {static_cast<E>(v.data()[i])});
  const D y = static_cast<D>(call_with<F, X, D>(f, argument));
  return {.value = y.tangent[0],
          .evaluations = 1,
          .status = worse(finite_status(y.value), finite_status(y.tangent[0])),
          .method = Dual::kName};
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

/// By Dual, in one evaluation, where f takes DualNumber, otherwise by Ridders.
template <class F, class X, class V>
  requires Point<std::remove_cvref_t<X>> && Point<V>
auto directional(F&& f, X&& x, const V& v) {
  using E = detail::ValueT<F, X>;
  if constexpr (detail::TakesVector<F, std::remove_cvref_t<X>, DualNumber<E>>)
    return directional(f, x, v, Dual{});
  else
    return directional(f, x, v, Ridders{});
}

}  // namespace gradatim
