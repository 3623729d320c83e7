#pragma once

#include <algorithm>
#include <complex>
#include <initializer_list>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "gradatim/diff/exact_gradient.hpp"
#include "gradatim/diff/moving_point.hpp"

namespace gradatim {
namespace detail {

[[noreturn]] void throw_reads_another_x(std::string_view method);
[[noreturn]] void throw_output_size(std::size_t n, std::size_t output);

template <class C, class E>
inline Gradient<C> empty_gradient(std::size_t n, std::string_view method) {
  constexpr E kUnknown = std::numeric_limits<E>::quiet_NaN();
  return {.value = filled<C>(n, E(0)),
          .error = filled<C>(n, kUnknown),
          .step = filled<C>(n, kUnknown),
          .method = method};
}

/// Throws where f, which a method saw no slope of, reads the caller's x and not its argument.
template <class E, class F, class X>
void refuse_another_x(F& f, X& x, std::string_view method, std::size_t& evaluations) {
  constexpr bool kMayMoveX = false;
  MovingPoint<F, X, E, kMayMoveX> copy(f, x);
  if (copy.reads_original(evaluations)) throw_reads_another_x(method);
}

template <class C>
bool is_zero(const C& c) {
  return std::all_of(c.data(), c.data() + length(c), [](auto value) { return value == 0; });
}

/// The same where the derivatives that method M found are all 0; an f that answers in what M calls
/// it with used its argument and is not asked.
template <class M, class E, class F, class X, class C>
[[gnu::always_inline]] inline void refuse_if_flat(F& f, X& x, const C& derivatives,
                                                  std::size_t& evaluations) {
  using P = std::remove_cv_t<X>;
  if constexpr (!CarriesDerivatives<F, P, VectorCarrierT<M, E, P>> && TakesVector<F, P, E>)
    if (is_zero(derivatives)) refuse_another_x<E>(f, x, M::kName, evaluations);
}

/// Whether a gradient of few entries costs no more than a call with all it hands over: GCC stops
/// inlining in large programs, where one of two variables then takes many times as long.
template <class X, class M>
inline constexpr bool kIsInlined =
    FixedSize<X>::value >= 1 && FixedSize<X>::value <= kFewEntries &&
    (std::same_as<M, Dual> || std::same_as<M, Forward> || std::same_as<M, Central>);

template <class E, class C, class F, class X, class M>
[[gnu::always_inline]] inline Gradient<C> differentiate_inline(F& f, X& x, const M& method) {
  const std::size_t n = length(x);
  auto g = empty_gradient<C, E>(n, M::kName);
  if constexpr (DifferenceMethod<M>) {
    MovingPoint<F, X, E> point(f, x);
    constexpr bool kIsShort = std::same_as<M, Forward> || std::same_as<M, Central>;
    for_each_entry<kIsShort>(
        x, [&](std::size_t i) __attribute__((always_inline)) {
          CoordinateSlice<MovingPoint<F, X, E>, E> slice{point, i};
          const auto d = differentiate(slice, point.original(i), method);
          point.put_back(i);
          g.value.data()[i] = d.value;
          g.error.data()[i] = d.error;
          g.step.data()[i] = d.step;
          g.evaluations += d.evaluations;
          g.status = worse(g.status, d.status);
        });
    if (point.modified()) g.status = worse(g.status, Status::kInputModified);
    if (is_zero(g.value) && point.reads_original(g.evaluations)) [[unlikely]]
      throw_reads_another_x(M::kName);
  } else {
    using P = std::remove_cv_t<X>;
    static_assert(TakesVector<F, P, VectorCarrierT<M, E, P>>,
                  "Dual, Tape and ComplexStep call f with a vector of DualNumber, Variable or "
                  "std::complex: it must be generic, as [](const auto& x) {...} is");
    const auto exact = exact_gradient<E>(f, x, g.value.data(), method);
    g.evaluations = exact.evaluations;
    g.status = worse(exact.status, finite_status(exact.value));
    for (std::size_t i = 0; i < n; ++i)
      g.status = worse(g.status, finite_status(g.value.data()[i]));
    refuse_if_flat<M, E>(f, x, g.value, g.evaluations);
    if (measures<E>(method.error)) {
      auto there = filled<C>(n, E(0));
      measure_rounding(g.value.data(), g.error.data(), n, x, [&](const auto& neighbour) {
        g.evaluations += exact_gradient<E>(f, neighbour, there.data(), method).evaluations;
        return there.data();
      });
    }
  }
  return g;
}

template <class E, class C, class F, class X, class M>
inline Gradient<C> differentiate_vector(F& f, X& x, const M& method) {
  return differentiate_inline<E, C>(f, x, method);
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
    g.status = worse(g.status, d.status);
  }
  return g;
}

}  // namespace detail

/// The gradient of f: R^n -> R at x by `method`. f is given a container of the kind of x, or a
/// std::span or std::vector if it takes only that, of the scalar the method works in. Where x can
/// be written to and the method takes differences, x itself is moved and restored bit for bit (see
/// MovingPoint), a copy of it where it is an Eigen::Map or Ref. Throws as derivative(), and
/// InvalidArgument where f has no slope and reads the caller's x, which is not what is moved.
template <class F, class X, Method M>
  requires Point<std::remove_cvref_t<X>>
[[gnu::always_inline]] inline auto gradient(F&& f, X&& x, const M& method) {
  using T = detail::ElementT<X>;
  using E = detail::ValueT<F, X>;
  using C = detail::RebindT<X, T>;
  using Wide = detail::RebindT<X, E>;
  if constexpr (!std::same_as<T, E>)
    return detail::narrowed_gradient<C, T, E>(detail::differentiate_vector<E, Wide>(f, x, method));
  else if constexpr (detail::kIsInlined<std::remove_cvref_t<X>, M>)
    return detail::differentiate_inline<E, Wide>(f, x, method);
  else
    return detail::differentiate_vector<E, Wide>(f, x, method);
}

namespace detail {

/// The method for f at x where the caller names none.
template <class F, class X>
auto default_method(ErrorEstimate error) {
  using E = ValueT<F, X>;
  using P = std::remove_cvref_t<X>;
  constexpr bool kSmall = FixedSize<P>::value >= 1 && FixedSize<P>::value <= kMostLanes;
  if constexpr (kSmall && CarriesDerivatives<F, P, DualNumber<E, kLanes<P>>>)
    return Dual{.error = error};
  else if constexpr (CarriesDerivatives<F, P, Variable<E>>)
    return Tape{.error = error};
  else
    return Ridders{};
}

}  // namespace detail

/// By Tape (Dual for arrays of up to 8) with its rounding measured where f takes Variable and
/// answers in it, otherwise by Ridders: so too if f ignores its argument and reads x itself, which
/// is then moved in place. Where x holds another type than f is evaluated in, or f takes another
/// kind of container, such an f is refused by InvalidArgument. Where x is const it cannot be moved,
/// and such an f has gradient 0.
template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto gradient(F&& f, X&& x) {
  return gradient(f, x, detail::default_method<F, X>(ErrorEstimate::kMeasured));
}

template <class F, Arithmetic T, class... M>
auto gradient(F&& f, std::initializer_list<T> x, const M&... method) {
  const auto point = detail::point_of(x);
  return gradient(f, point, method...);
}

/// f(x), with the gradient written to d_x: what descent needs. By Tape nothing is allocated after a
/// thread's first call of that size. Whether f reads its argument is not asked, as gradient() does.
/// Throws ShapeError unless d_x.size() == x.size().
template <class F, class X, class M>
  requires AutomaticMethod<M> && std::same_as<detail::ElementT<X>, detail::ValueT<F, X>>
auto value_and_gradient(F&& f, const X& x, std::span<detail::ElementT<X>> d_x, const M& method) {
  if (d_x.size() != detail::length(x)) detail::throw_output_size(detail::length(x), d_x.size());
  return detail::exact_gradient<detail::ElementT<X>>(f, x, d_x.data(), method).value;
}

}  // namespace gradatim
