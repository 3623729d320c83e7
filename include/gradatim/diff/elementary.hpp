#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <type_traits>

#include "gradatim/diff/arithmetic.hpp"

// The functions of <cmath> on scalars that carry a derivative. Found by argument-dependent lookup:
// call them unqualified, as in `using std::exp; exp(x)`, or as gradatim::exp(x); not as
// std::exp(x).
//
// Where a function has no derivative the convention is: abs'(0) = 0, max and min at a tie take the
// first operand's, floor, ceil, round and trunc have derivative 0.
//
// Slopes are right to a few units in the last place, erf's and erfc's to as much as their condition
// number 2x² makes of it, wherever value and slope are normal numbers: nothing inside overflows or
// underflows before they do.
namespace gradatim {

// So that generic code, here and in a user's `gd::exp(x)`, also finds them for plain numbers.
using std::abs;
using std::acos;
using std::acosh;
using std::asin;
using std::asinh;
using std::atan;
using std::atan2;
using std::atanh;
using std::cbrt;
using std::ceil;
using std::cos;
using std::cosh;
using std::erf;
using std::erfc;
using std::exp;
using std::exp2;
using std::expm1;
using std::fabs;
using std::floor;
using std::fmax;
using std::fmin;
using std::hypot;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::log;
using std::log10;
using std::log1p;
using std::log2;
using std::max;
using std::min;
using std::pow;
using std::round;
using std::sin;
using std::sinh;
using std::sqrt;
using std::tan;
using std::tanh;
using std::trunc;

template <Differential D>
bool isnan(const D& a) {
  return isnan(plain_value(a));
}
template <Differential D>
bool isinf(const D& a) {
  return std::isinf(plain_value(a));
}
template <Differential D>
bool isfinite(const D& a) {
  return std::isfinite(plain_value(a));
}

namespace detail {

/// 1 - x² without cancellation, neither next to 1 nor, in its own slope, next to 0.
template <class S>
S one_minus_square(const S& x) {
  return abs(plain_value(x)) < 0.5 ? S(1 - x * x) : S((1 - x) * (1 + x));
}

}  // namespace detail

template <Differential D>
D exp(const D& a) {
  const typename D::Base value = exp(a.value);
  return a.chain(value, steep(a, value));
}
template <Differential D>
D exp2(const D& a) {
  const typename D::Base value = exp2(a.value);
  return a.chain(value, steep(a, value * std::numbers::ln2_v<detail::PlainScalarT<D>>));
}
template <Differential D>
D expm1(const D& a) {
  return a.chain(expm1(a.value), steep(a, exp(a.value)));
}
template <Differential D>
D log(const D& a) {
  return a.chain(log(a.value), steep(a, 1 / a.value));
}
template <Differential D>
D log2(const D& a) {
  return a.chain(log2(a.value), steep(a, std::numbers::log2e_v<detail::PlainScalarT<D>> / a.value));
}
template <Differential D>
D log10(const D& a) {
  return a.chain(log10(a.value),
                 steep(a, std::numbers::log10e_v<detail::PlainScalarT<D>> / a.value));
}
template <Differential D>
D log1p(const D& a) {
  return a.chain(log1p(a.value), steep(a, 1 / (1 + a.value)));
}
template <Differential D>
D sqrt(const D& a) {
  const typename D::Base value = sqrt(a.value);
  return a.chain(value, steep(a, 1 / (2 * value)));
}
template <Differential D>
D cbrt(const D& a) {
  const typename D::Base value = cbrt(a.value);
  return a.chain(value, steep(a, 1 / (3 * value * value)));
}

template <Differential D>
D sin(const D& a) {
  return a.chain(sin(a.value), cos(a.value));
}
template <Differential D>
D cos(const D& a) {
  return a.chain(cos(a.value), -sin(a.value));
}
template <Differential D>
D tan(const D& a) {
  const typename D::Base value = tan(a.value);
  return a.chain(value, steep(a, 1 + value * value));
}
template <Differential D>
D asin(const D& a) {
  return a.chain(asin(a.value), steep(a, 1 / sqrt(detail::one_minus_square(a.value))));
}
template <Differential D>
D acos(const D& a) {
  return a.chain(acos(a.value), steep(a, -1 / sqrt(detail::one_minus_square(a.value))));
}
template <Differential D>
D atan(const D& a) {
  using T = typename D::Base;
  if (abs(plain_value(a)) <= 1) return a.chain(atan(a.value), 1 / (1 + a.value * a.value));
  const T inverse = 1 / a.value;
  const T square = inverse * inverse;
  return a.chain(atan(a.value), square / (1 + square));
}
template <Differential D>
D sinh(const D& a) {
  return a.chain(sinh(a.value), steep(a, cosh(a.value)));
}
template <Differential D>
D cosh(const D& a) {
  return a.chain(cosh(a.value), steep(a, sinh(a.value)));
}
/// tanh' = 1 / cosh², not 1 - tanh², which is 0 where tanh rounds to 1. (Where cosh overflows its
/// inverse is a constant 0: see operator/.)
template <Differential D>
D tanh(const D& a) {
  const typename D::Base sech = 1 / cosh(a.value);
  return a.chain(tanh(a.value), sech * sech);
}
template <Differential D>
D asinh(const D& a) {
  return a.chain(asinh(a.value), 1 / hypot(a.value, typename D::Base(1)));
}
template <Differential D>
D acosh(const D& a) {
  return a.chain(acosh(a.value), steep(a, 1 / (sqrt(a.value - 1) * sqrt(a.value + 1))));
}
template <Differential D>
D atanh(const D& a) {
  return a.chain(atanh(a.value), steep(a, 1 / detail::one_minus_square(a.value)));
}
template <Differential D>
D erf(const D& a) {
  constexpr auto kSlope = 2 * std::numbers::inv_sqrtpi_v<detail::PlainScalarT<D>>;
  return a.chain(erf(a.value), kSlope * exp(-a.value * a.value));
}
template <Differential D>
D erfc(const D& a) {
  constexpr auto kSlope = -2 * std::numbers::inv_sqrtpi_v<detail::PlainScalarT<D>>;
  return a.chain(erfc(a.value), kSlope * exp(-a.value * a.value));
}

template <Differential D>
D abs(const D& a) {
  if (a.value < 0) return -a;
  return a.chain(abs(a.value), typename D::Base(a.value > 0 ? 1 : 0));
}
template <Differential D>
D fabs(const D& a) {
  return abs(a);
}
template <Differential D>
D floor(const D& a) {
  return D(floor(plain_value(a)));
}
template <Differential D>
D ceil(const D& a) {
  return D(ceil(plain_value(a)));
}
template <Differential D>
D round(const D& a) {
  return D(round(plain_value(a)));
}
template <Differential D>
D trunc(const D& a) {
  return D(trunc(plain_value(a)));
}

namespace detail {

/// d a^b / d a, where value = a^b. Below 1/2 b - 1 may round, which would cost 1e-14 at the ends of
/// the range; above, value may underflow and the slope not.
template <class S, class B>
S slope_of_power(const S& value, const S& a, const B& b) {
  return b < 0.5 && a != 0 ? S(b * (value / a)) : S(b * pow(a, b - 1));
}

}  // namespace detail

/// a^b for a constant b: exact slopes at a = 0 and for negative a with whole b.
template <Differential D, Arithmetic A>
D pow(const D& a, A exponent) {
  const auto b = detail::constant<D>(exponent);
  if (b == 0) return D(1);
  if (b == 2) return a.chain(a.value * a.value, 2 * a.value);
  const typename D::Base value = pow(a.value, b);
  return a.chain(value, steep(a, detail::slope_of_power(value, a.value, b)));
}
template <Differential D, Arithmetic A>
D pow(A base, const D& b) {
  const auto a = detail::constant<D>(base);
  const typename D::Base value = pow(typename D::Base(a), b.value);
  return b.chain(value, steep(b, a == 0 && b > 0 ? typename D::Base(0) : value * log(a)));
}
template <Differential D>
D pow(const D& a, const D& b) {
  if (is_constant(b)) return pow(a, plain_value(b));
  const typename D::Base value = pow(a.value, b.value);
  const typename D::Base d_b =
      a.value == 0 && b.value > 0 ? typename D::Base(0) : typename D::Base(value * log(a.value));
  return combine(value, a, steep(a, detail::slope_of_power(value, a.value, b.value)), b,
                 steep(b, d_b));
}

template <Differential D>
D hypot(const D& a, const D& b) {
  const typename D::Base value = hypot(a.value, b.value);
  return combine(value, a, steep(a, a.value / value), b, steep(b, b.value / value));
}
template <Differential D>
D atan2(const D& y, const D& x) {
  const typename D::Base radius = hypot(y.value, x.value);
  return combine(atan2(y.value, x.value), y, steep(y, x.value / radius / radius), x,
                 steep(x, -(y.value / radius) / radius));
}
template <Differential D, Arithmetic A>
D hypot(const D& a, A b) {
  const typename D::Base value = hypot(a.value, typename D::Base(detail::constant<D>(b)));
  return a.chain(value, steep(a, a.value / value));
}
template <Differential D, Arithmetic A>
D hypot(A a, const D& b) {
  return hypot(b, a);
}
template <Differential D, Arithmetic A>
D atan2(const D& y, A x) {
  const typename D::Base other(detail::constant<D>(x));
  const typename D::Base radius = hypot(y.value, other);
  return y.chain(atan2(y.value, other), steep(y, other / radius / radius));
}
template <Differential D, Arithmetic A>
D atan2(A y, const D& x) {
  const typename D::Base other(detail::constant<D>(y));
  const typename D::Base radius = hypot(other, x.value);
  return x.chain(atan2(other, x.value), steep(x, -(other / radius) / radius));
}

template <class A, class B>
  requires detail::Comparable<A, B>
auto max(const A& a, const B& b) {
  using D = std::conditional_t<Differential<A>, A, B>;
  return a < b ? D(b) : D(a);
}
template <class A, class B>
  requires detail::Comparable<A, B>
auto min(const A& a, const B& b) {
  using D = std::conditional_t<Differential<A>, A, B>;
  return b < a ? D(b) : D(a);
}
template <class A, class B>
  requires detail::Comparable<A, B>
auto fmax(const A& a, const B& b) {
  return isnan(a) ? max(b, a) : max(a, b);
}
template <class A, class B>
  requires detail::Comparable<A, B>
auto fmin(const A& a, const B& b) {
  return isnan(a) ? min(b, a) : min(a, b);
}

}  // namespace gradatim
