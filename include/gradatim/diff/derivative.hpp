#pragma once

#include <algorithm>
#include <complex>
#include <concepts>
#include <limits>
#include <type_traits>

#include "gradatim/diff/adaptive.hpp"
#include "gradatim/diff/callable.hpp"
#include "gradatim/diff/complex_step.hpp"
#include "gradatim/diff/extrapolation.hpp"
#include "gradatim/diff/finite_difference.hpp"
#include "gradatim/diff/methods.hpp"
#include "gradatim/diff/result.hpp"

namespace gradatim {

template <class M>
concept DifferenceMethod =
    std::same_as<M, Forward> || std::same_as<M, Central> || std::same_as<M, Stencil> ||
    std::same_as<M, Richardson> || std::same_as<M, Ridders> || std::same_as<M, Adaptive>;

template <class M>
concept AutomaticMethod = std::same_as<M, Dual> || std::same_as<M, Tape>;

template <class M>
concept Method = DifferenceMethod<M> || AutomaticMethod<M> || std::same_as<M, ComplexStep>;

namespace detail {

/// f on a copy of its argument, noticing whether f writes to it.
template <class E, class F>
struct WatchedFunction {
  F& f;
  bool modified = false;

  E operator()(E at) {
    E argument = at;
    const E value = static_cast<E>(f(argument));
    modified |= !same_bits(argument, at);
    return value;
  }
};

/// d as the caller's type; rounding to it is part of the error of what the caller is given. An
/// error too small for that type is its smallest number, not 0.
template <class T, class E>
Derivative<T> narrowed(const Derivative<E>& d) {
  const T value = static_cast<T>(d.value);
  const E rounding = std::abs(static_cast<E>(value) - d.value);
  const T error = std::max(static_cast<T>(d.error + rounding), std::numeric_limits<T>::min());
  const Status status = worse(d.status, finite_status(value));
  return {value, error, static_cast<T>(d.step), d.evaluations, status, d.method};
}

template <class E, class F>
inline Derivative<E> differentiate_once(F& f, E x, const Dual&) {
  using D = DualNumber<E>;
  D argument = D::variable(x);
  const D y = f(argument);
  Derivative<E> d{.value = y.tangent[0], .evaluations = 1, .method = Dual::kName};
  d.status = worse(finite_status(y.value), finite_status(d.value));
  if (!same_bits(argument.value, x)) d.status = worse(d.status, Status::kInputModified);
  return d;
}

template <class E, class F>
inline Derivative<E> differentiate_once(F& f, E x, const Tape&) {
  Recording<E> recording;
  Derivative<E> d{.method = Tape::kName};
  bool modified = false;
  const Variable<E> y = record(recording, [&](Recording<E>& r) {
    ++d.evaluations;
    Variable<E> argument = r.input(x);
    const Variable<E> value = static_cast<Variable<E>>(f(argument));
    modified = !same_bits(argument.value, x);
    return value;
  });
  d.value = recording.gradient(y)[0];
  d.status = worse(finite_status(y.value), finite_status(d.value));
  if (modified) d.status = worse(d.status, Status::kInputModified);
  return d;
}

template <class E, class F>
inline Derivative<E> differentiate_once(F& f, E x, const ComplexStep& method) {
  const auto watched = [&f](const std::complex<E>& at) {
    std::complex<E> argument = at;
    const std::complex<E> value(f(argument));
    return ComplexValue<E>{value, !same_bits(argument, at)};
  };
  return differentiate_complex(watched, x, method);
}

/// What method M evaluates f on.
template <class M, class E>
struct Carrier {
  using type = std::complex<E>;
};
template <class E>
struct Carrier<Dual, E> {
  using type = DualNumber<E>;
};
template <class E>
struct Carrier<Tape, E> {
  using type = Variable<E>;
};
template <class M, class E>
using CarrierT = typename Carrier<M, E>::type;

/// The error of a method that is exact but for rounding: how far its value moves when x moves by
/// one unit in the last place either way, which is what rounding inside f amounts to where f is
/// evaluated stably, plus half a unit of the value itself.
template <class E, class F, class M>
void measure_rounding(Derivative<E>& d, F& f, E x, const M& method) {
  constexpr E kEpsilon = std::numeric_limits<E>::epsilon();
  const E ulp = x == 0 ? kEpsilon : kEpsilon * std::abs(x);
  E moved = 0;
  for (const E neighbour : {x - ulp, x + ulp}) {
    const auto there = differentiate_once(f, neighbour, method);
    d.evaluations += there.evaluations;
    if (std::isfinite(there.value)) moved = std::max(moved, std::abs(there.value - d.value));
  }
  d.error = std::max(moved + kEpsilon / 2 * std::abs(d.value), std::numeric_limits<E>::min());
}

template <class E, class F, class M>
inline Derivative<E> differentiate_exactly(F& f, E x, const M& method) {
  Derivative<E> d = differentiate_once(f, x, method);
  if (measures<E>(method.error) && d.status != Status::kNonFinite)
    measure_rounding(d, f, x, method);
  return d;
}

// The result is made where the caller wants it and never copied: a copy of what was just written
// costs more than two cheap evaluations.
template <class E, class F, class M>
inline Derivative<E> differentiate_scalar(F& f, E x, const M& method) {
  if constexpr (DifferenceMethod<M>) {
    WatchedFunction<E, F> watched{f};
    Derivative<E> d = differentiate(watched, x, method);
    if (watched.modified) [[unlikely]]
      d.status = worse(d.status, Status::kInputModified);
    return d;
  } else {
    static_assert(std::is_invocable_v<F&, CarrierT<M, E>&>,
                  "Dual, Tape and ComplexStep call f with DualNumber, Variable or std::complex: it "
                  "must be generic, as [](auto x) {...} is");
    return differentiate_exactly(f, x, method);
  }
}

}  // namespace detail

/// f'(x) for f: R -> R by `method`. f may be written for one floating-point type or generically; a
/// float x is differentiated in double where f takes double. Dual and Tape need f generic and its
/// functions called unqualified (`using std::exp; exp(x)`) or as gradatim::exp; ComplexStep needs f
/// to take std::complex. If f writes to its argument the status is kInputModified. Throws
/// InvalidArgument if the method's step vanishes at x; what f throws passes through.
template <class F, std::floating_point T, Method M>
Derivative<T> derivative(F&& f, T x, const M& method) {
  using E = detail::ScalarEvaluationT<F, T>;
  if constexpr (std::same_as<T, E>)
    return detail::differentiate_scalar(f, x, method);
  else
    return detail::narrowed<T>(detail::differentiate_scalar(f, static_cast<E>(x), method));
}

/// f'(x) by Dual with its rounding measured where f takes DualNumber, otherwise by Ridders.
template <class F, std::floating_point T>
Derivative<T> derivative(F&& f, T x) {
  if constexpr (detail::TakesScalar<F, detail::CarrierT<Dual, detail::ScalarEvaluationT<F, T>>>)
    return derivative(f, x, Dual{.error = ErrorEstimate::kMeasured});
  else
    return derivative(f, x, Ridders{});
}

template <class F, std::integral T, class... M>
Derivative<double> derivative(F&& f, T x, const M&... method) {
  return derivative(f, static_cast<double>(x), method...);
}

}  // namespace gradatim
