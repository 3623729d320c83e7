#pragma once

#include <array>
#include <cstddef>
#include <limits>

#include "gradatim/diff/elementary.hpp"

namespace gradatim {

/// value + Σ tangent[k]·ε_k with ε_j·ε_k = 0: a number and its derivatives in N directions (forward
/// mode; Clifford 1873, Griewank and Walther, "Evaluating Derivatives", ch. 3). T is float, double,
/// long double or itself a DualNumber, which gives second derivatives.
template <class T, std::size_t N = 1>
struct DualNumber {
  using Base = T;

  T value{};
  std::array<T, N> tangent{};

  constexpr DualNumber() = default;
  constexpr DualNumber(const T& v) : value(v) {}
  template <Arithmetic A>
    requires(!std::same_as<A, T>)
  constexpr DualNumber(A v) : value(static_cast<detail::PlainScalarT<T>>(v)) {}
  constexpr DualNumber(const T& v, const std::array<T, N>& t) : value(v), tangent(t) {}

  /// v as the independent variable of direction k.
  static constexpr DualNumber variable(const T& v, std::size_t k = 0) {
    DualNumber d(v);
    d.tangent[k] = T(1);
    return d;
  }

  constexpr DualNumber chain(const T& v, const T& slope) const {
    DualNumber d(v);
    for (std::size_t k = 0; k < N; ++k) d.tangent[k] = slope * tangent[k];
    return d;
  }
  friend constexpr DualNumber combine(const T& v, const DualNumber& a, const T& d_a,
                                      const DualNumber& b, const T& d_b) {
    DualNumber d(v);
    for (std::size_t k = 0; k < N; ++k) d.tangent[k] = d_a * a.tangent[k] + d_b * b.tangent[k];
    return d;
  }
};

/// A DualNumber that knows in which directions it varies at all. The slope of sqrt at 0 times a
/// tangent of 0 is NaN where that 0 is the value of a derivative, and 0 where there is nothing to
/// derive: x + sqrt(y) at y = 0 has slope 1 along x. Slower, and so used only where DualNumber has
/// come to NaN.
template <class T, std::size_t N>
struct TrackedDual {
  using Base = T;

  T value{};
  std::array<T, N> tangent{};
  std::array<bool, N> varies{};

  constexpr TrackedDual() = default;
  template <Arithmetic A>
  constexpr TrackedDual(A v) : value(static_cast<T>(v)) {}
  constexpr TrackedDual(T v, const std::array<T, N>& t) : value(v), tangent(t) {
    for (std::size_t k = 0; k < N; ++k) varies[k] = t[k] != 0;
  }

  constexpr void add(const TrackedDual& a, T slope) {
    for (std::size_t k = 0; k < N; ++k) {
      if (a.varies[k]) tangent[k] += slope * a.tangent[k];
      varies[k] |= a.varies[k];
    }
  }
  constexpr TrackedDual chain(T v, T slope) const {
    TrackedDual d(v);
    d.add(*this, slope);
    return d;
  }
  friend constexpr TrackedDual combine(T v, const TrackedDual& a, T d_a, const TrackedDual& b,
                                       T d_b) {
    TrackedDual d(v);
    d.add(a, d_a);
    d.add(b, d_b);
    return d;
  }
};

namespace detail {

template <Arithmetic A>
constexpr bool is_zero(A a) {
  return a == 0;
}
template <class T, std::size_t N>
constexpr bool is_zero(const DualNumber<T, N>& d) {
  bool zero = is_zero(d.value);
  for (const T& t : d.tangent) zero = zero && is_zero(t);
  return zero;
}

template <Arithmetic A>
bool has_nan(A a) {
  return a != a;
}
template <class T, std::size_t N>
bool has_nan(const DualNumber<T, N>& d) {
  bool nan = has_nan(d.value);
  for (const T& t : d.tangent) nan = nan || has_nan(t);
  return nan;
}

}  // namespace detail

template <Arithmetic A>
constexpr bool is_constant(A) {
  return true;
}
/// Whether d varies in no direction.
template <class T, std::size_t N>
constexpr bool is_constant(const DualNumber<T, N>& d) {
  bool constant = is_constant(d.value);
  for (const T& t : d.tangent) constant = constant && detail::is_zero(t);
  return constant;
}

template <class T, std::size_t N>
constexpr bool is_constant(const TrackedDual<T, N>& d) {
  bool constant = true;
  for (const bool varies : d.varies) constant = constant && !varies;
  return constant;
}

}  // namespace gradatim

template <class T, std::size_t N>
struct std::numeric_limits<gradatim::DualNumber<T, N>> : std::numeric_limits<T> {};
template <class T, std::size_t N>
struct std::numeric_limits<gradatim::TrackedDual<T, N>> : std::numeric_limits<T> {};
