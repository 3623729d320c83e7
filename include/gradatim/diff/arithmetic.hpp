#pragma once

#include <compare>
#include <concepts>
#include <type_traits>

// The operators of scalars that carry a derivative, once for all of them: DualNumber and Variable
// say only how a derivative passes through one operation,
//   a.chain(value, slope)            of one operand,
//   combine(value, a, d_a, b, d_b)   of two,
// with the partial derivatives at the operands' values. Comparisons look at values.
namespace gradatim {

template <class D>
concept Differential = requires(const D& d) {
  typename D::Base;
  { d.value } -> std::convertible_to<typename D::Base>;
  { d.chain(d.value, d.value) } -> std::same_as<D>;
};

template <class A>
concept Arithmetic = std::is_arithmetic_v<A>;

/// The plain number inside any number of layers of derivative.
template <Arithmetic A>
constexpr A plain_value(A a) {
  return a;
}
template <Differential D>
constexpr auto plain_value(const D& d) {
  return plain_value(d.value);
}

namespace detail {

/// The arithmetic type under all layers, in which constants are kept.
template <class S>
struct PlainScalar {
  using type = S;
};
template <Differential D>
struct PlainScalar<D> {
  using type = typename PlainScalar<typename D::Base>::type;
};
template <class S>
using PlainScalarT = typename PlainScalar<S>::type;

/// A constant next to a D: converted once, to what D is made of.
template <Differential D, Arithmetic A>
constexpr auto constant(A a) {
  return static_cast<PlainScalarT<D>>(a);
}

template <Arithmetic A>
constexpr bool is_infinite(A a) {
  return __builtin_isinf(a) != 0;
}

}  // namespace detail

/// Passes on the slope of a function that has an infinite one somewhere; a DualNumber notes that
/// there is such a function.
template <Differential D>
[[gnu::always_inline]] constexpr const typename D::Base& steep(const D&,
                                                               const typename D::Base& slope) {
  return slope;
}

// operator/ of two looks up the one with a plain denominator.
template <Differential D, Arithmetic A>
constexpr D operator/(const D& a, A b);

template <Differential D>
[[gnu::always_inline]] constexpr D operator+(const D& a) {
  return a;
}
template <Differential D>
[[gnu::always_inline]] constexpr D operator-(const D& a) {
  return a.chain(-a.value, typename D::Base(-1));
}

template <Differential D>
[[gnu::always_inline]] constexpr D operator+(const D& a, const D& b) {
  return combine(a.value + b.value, a, typename D::Base(1), b, typename D::Base(1));
}
template <Differential D>
[[gnu::always_inline]] constexpr D operator-(const D& a, const D& b) {
  return combine(a.value - b.value, a, typename D::Base(1), b, typename D::Base(-1));
}
template <Differential D>
[[gnu::always_inline]] constexpr D operator*(const D& a, const D& b) {
  return combine(a.value * b.value, a, b.value, b, a.value);
}
/// Where b has overflowed the quotient is 0, and so is its slope: 1/(1 + exp(-x)) far to the left.
template <Differential D>
constexpr D operator/(const D& a, const D& b) {
  if (detail::is_infinite(plain_value(b))) [[unlikely]]
    return a / plain_value(b);
  const typename D::Base quotient = a.value / b.value;
  const typename D::Base inverse = typename D::Base(1) / b.value;
  return combine(quotient, a, inverse, b, steep(b, -quotient * inverse));
}

template <Differential D, Arithmetic A>
[[gnu::always_inline]] constexpr D operator+(const D& a, A b) {
  return a.chain(a.value + detail::constant<D>(b), typename D::Base(1));
}
template <Differential D, Arithmetic A>
[[gnu::always_inline]] constexpr D operator+(A a, const D& b) {
  return b.chain(detail::constant<D>(a) + b.value, typename D::Base(1));
}
template <Differential D, Arithmetic A>
[[gnu::always_inline]] constexpr D operator-(const D& a, A b) {
  return a.chain(a.value - detail::constant<D>(b), typename D::Base(1));
}
template <Differential D, Arithmetic A>
[[gnu::always_inline]] constexpr D operator-(A a, const D& b) {
  return b.chain(detail::constant<D>(a) - b.value, typename D::Base(-1));
}
template <Differential D, Arithmetic A>
[[gnu::always_inline]] constexpr D operator*(const D& a, A b) {
  return a.chain(a.value * detail::constant<D>(b), typename D::Base(detail::constant<D>(b)));
}
template <Differential D, Arithmetic A>
[[gnu::always_inline]] constexpr D operator*(A a, const D& b) {
  return b.chain(detail::constant<D>(a) * b.value, typename D::Base(detail::constant<D>(a)));
}
template <Differential D, Arithmetic A>
constexpr D operator/(const D& a, A b) {
  return a.chain(a.value / detail::constant<D>(b),
                 typename D::Base(1) / typename D::Base(detail::constant<D>(b)));
}
template <Differential D, Arithmetic A>
constexpr D operator/(A a, const D& b) {
  const typename D::Base quotient = detail::constant<D>(a) / b.value;
  if (detail::is_infinite(plain_value(b))) [[unlikely]]
    return D(quotient);
  return b.chain(quotient, steep(b, -quotient / b.value));
}

template <Differential D, class B>
[[gnu::always_inline]] constexpr D& operator+=(D& a, const B& b) {
  return a = a + b;
}
template <Differential D, class B>
[[gnu::always_inline]] constexpr D& operator-=(D& a, const B& b) {
  return a = a - b;
}
template <Differential D, class B>
[[gnu::always_inline]] constexpr D& operator*=(D& a, const B& b) {
  return a = a * b;
}
template <Differential D, class B>
[[gnu::always_inline]] constexpr D& operator/=(D& a, const B& b) {
  return a = a / b;
}

namespace detail {
/// A D and a D, or a D and a plain number, in either order.
template <class A, class B>
concept Comparable = (Differential<A> && (std::same_as<A, B> || Arithmetic<B>)) ||
                     (Arithmetic<A> && Differential<B>);
}  // namespace detail

template <class A, class B>
  requires detail::Comparable<A, B>
constexpr bool operator==(const A& a, const B& b) {
  return plain_value(a) == plain_value(b);
}
template <class A, class B>
  requires detail::Comparable<A, B>
constexpr auto operator<=>(const A& a, const B& b) {
  return plain_value(a) <=> plain_value(b);
}

}  // namespace gradatim
