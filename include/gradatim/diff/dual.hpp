#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "gradatim/diff/elementary.hpp"

namespace gradatim {

namespace detail {

/// Lanes of which each is asked whether it is needed. More of them are few SIMD instructions, which
/// the questions would keep GCC from making, and from inlining.
inline constexpr std::size_t kFewLanes = 2;

/// A tangent that is 0 wherever this is compiled into: a constant's, or by another variable.
template <class T>
[[gnu::always_inline]] constexpr bool is_known_zero(const T& tangent) {
  if constexpr (Arithmetic<T>)
    return __builtin_constant_p(tangent) && tangent == 0;
  else
    return false;
}

template <class T>
[[gnu::always_inline]] constexpr T scaled(const T& slope, const T& tangent) {
  return is_known_zero(tangent) ? T(0) : slope * tangent;
}
template <class T>
[[gnu::always_inline]] constexpr T scaled_sum(const T& d_a, const T& a, const T& d_b, const T& b) {
  if (is_known_zero(a)) return scaled(d_b, b);
  return is_known_zero(b) ? d_a * a : d_a * a + d_b * b;
}

/// x, of which the compiler is to know nothing: at x = 0 the tangent 2x of x² is no known zero.
template <class T>
[[gnu::always_inline]] inline T unknown(T x) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    asm("" : "+x"(x));
    return x;
  }
#endif
  asm("" : "+m"(x));
  return x;
}

/// Whether a function was met that has an infinite slope somewhere, so that it is worth while to
/// look for NaN among the tangents. An evaluation leaves it set, for one that it was part of.
inline constinit thread_local bool met_steep = false;

}  // namespace detail

/// value + Σ tangent[k]·ε_k with ε_j·ε_k = 0: a number and its derivatives in N directions (forward
/// mode; Clifford 1873, Griewank and Walther, "Evaluating Derivatives", ch. 3). T is float, double,
/// long double or itself a DualNumber, which gives second derivatives.
///
/// A tangent that the compiler knows to be 0, where f is inlined into what makes its arguments, is
/// not multiplied and added: it contributes 0, be its slope infinite, and perhaps a 0 of the other
/// sign. Any other 0 times an infinite slope is NaN, as IEEE has it.
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
    if constexpr (Arithmetic<T>)
      if (!std::is_constant_evaluated()) d.value = detail::unknown(v);
    d.tangent[k] = T(1);
    return d;
  }

  // Inlined whatever their size: what is known of a tangent is known only there.
  [[gnu::always_inline]] constexpr DualNumber chain(const T& v, const T& slope) const {
    DualNumber d(v);
    if constexpr (N <= detail::kFewLanes)
      for (std::size_t k = 0; k < N; ++k) d.tangent[k] = detail::scaled(slope, tangent[k]);
    else
      for (std::size_t k = 0; k < N; ++k) d.tangent[k] = slope * tangent[k];
    return d;
  }
  [[gnu::always_inline]] friend constexpr DualNumber combine(const T& v, const DualNumber& a,
                                                             const T& d_a, const DualNumber& b,
                                                             const T& d_b) {
    if (__builtin_constant_p(&a == &b) && &a == &b) return a.chain(v, d_a + d_b);  // a square, say
    DualNumber d(v);
    if constexpr (N <= detail::kFewLanes)
      for (std::size_t k = 0; k < N; ++k)
        d.tangent[k] = detail::scaled_sum(d_a, a.tangent[k], d_b, b.tangent[k]);
    else
      for (std::size_t k = 0; k < N; ++k) d.tangent[k] = d_a * a.tangent[k] + d_b * b.tangent[k];
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

/// More lanes than a DualNumber has in any evaluation but one that tracks them.
inline constexpr std::size_t kTrackedLanes = 9;

}  // namespace detail

/// A DualNumber that knows in which directions it varies at all. The slope of sqrt at 0 times a
/// tangent of 0 is NaN where that 0 is the value of a derivative, and 0 where there is nothing to
/// derive: x + sqrt(y) at y = 0 has slope 1 along x. Slower, and so used only where a DualNumber
/// has come to NaN; by its number of lanes, so that what takes any DualNumber takes this one too.
template <class T>
struct DualNumber<T, detail::kTrackedLanes> {
  static constexpr std::size_t kLanes = detail::kTrackedLanes;
  using Base = T;

  T value{};
  std::array<T, kLanes> tangent{};
  std::array<bool, kLanes> depends{};

  constexpr DualNumber() = default;
  constexpr DualNumber(const T& v) : value(v) {}
  template <Arithmetic A>
    requires(!std::same_as<A, T>)
  constexpr DualNumber(A v) : value(static_cast<detail::PlainScalarT<T>>(v)) {}
  constexpr DualNumber(const T& v, const std::array<T, kLanes>& t) : value(v), tangent(t) {}

  static constexpr DualNumber variable(const T& v, std::size_t k = 0) {
    DualNumber d(v);
    d.tangent[k] = T(1);
    return d;
  }

  /// Along lane k; so it does as well if someone only wrote to its tangent.
  constexpr bool varies(std::size_t k) const { return depends[k] || !detail::is_zero(tangent[k]); }

  constexpr void add(const DualNumber& a, const T& slope) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      if (!a.varies(k)) continue;
      tangent[k] = depends[k] ? T(tangent[k] + slope * a.tangent[k]) : T(slope * a.tangent[k]);
      depends[k] = true;
    }
  }
  constexpr DualNumber chain(const T& v, const T& slope) const {
    DualNumber d(v);
    d.add(*this, slope);
    return d;
  }
  friend constexpr DualNumber combine(const T& v, const DualNumber& a, const T& d_a,
                                      const DualNumber& b, const T& d_b) {
    DualNumber d(v);
    d.add(a, d_a);
    d.add(b, d_b);
    return d;
  }
};

namespace detail {

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
  for (std::size_t k = 0; k < N; ++k) {
    if constexpr (N == detail::kTrackedLanes)
      constant = constant && !d.varies(k);
    else
      constant = constant && detail::is_zero(d.tangent[k]);
  }
  return constant;
}

// A single lane is all there is to know of x: no other variable can have spoiled it.
template <Arithmetic T, std::size_t N>
[[gnu::always_inline]] constexpr T steep(const DualNumber<T, N>&,
                                         const std::type_identity_t<T>& slope) {
  if constexpr (N > 1)
    if (!std::is_constant_evaluated()) detail::met_steep = true;
  return slope;
}

}  // namespace gradatim

template <class T, std::size_t N>
struct std::numeric_limits<gradatim::DualNumber<T, N>> : std::numeric_limits<T> {};
