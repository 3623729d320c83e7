#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

namespace gradatim {

namespace detail {

/// Not so are Eigen's views of a row or of every other entry, and its blocks.
template <class X>
concept Contiguous = !requires { X::InnerStrideAtCompileTime; } ||
                     (X::InnerStrideAtCompileTime == 1 &&
                      (X::IsVectorAtCompileTime == 1 || std::same_as<X, typename X::PlainObject>));

}  // namespace detail

/// What gradient() and its relatives take as x: contiguous float, double or long double with data()
/// and size(): std::vector, std::array, std::span, an Eigen vector, or Eigen::Matrix itself.
template <class X>
concept Point = detail::Contiguous<X> && requires(const X& x) {
  { x.data() };
  { x.size() } -> std::convertible_to<std::size_t>;
  requires std::floating_point<std::remove_cvref_t<decltype(*x.data())>>;
};

namespace detail {

template <class X>
using ElementT = std::remove_cvref_t<decltype(*std::declval<const X&>().data())>;

/// The container of the same kind as X that owns elements of type S; a span gives a vector.
template <class X, class S>
struct Rebind {
  using type = std::vector<S>;
};
template <class T, std::size_t N, class S>
struct Rebind<std::array<T, N>, S> {
  using type = std::array<S, N>;
};
/// Eigen::Matrix<T, rows, columns, options, max rows, max columns>, without including Eigen.
template <template <class, int, int, int, int, int> class Matrix, class T, int R, int C, int O,
          int MR, int MC, class S>
struct Rebind<Matrix<T, R, C, O, MR, MC>, S> {
  using type = Matrix<S, R, C, O, MR, MC>;
};
/// Eigen::Map and Eigen::Ref stand for the vector that they are views of.
template <class X, class S>
  requires requires { typename X::PlainObject; } && (!std::same_as<X, typename X::PlainObject>)
struct Rebind<X, S> : Rebind<typename X::PlainObject, S> {};
template <class X, class S>
using RebindT = typename Rebind<std::remove_cvref_t<X>, S>::type;

/// The point that a list of numbers stands for: integers are doubles, as one number is.
template <class T>
auto point_of(std::initializer_list<T> x) {
  return std::vector<std::conditional_t<std::integral<T>, double, T>>(x.begin(), x.end());
}

template <class X>
struct IsSpan : std::false_type {};
template <class T, std::size_t N>
struct IsSpan<std::span<T, N>> : std::true_type {};

template <class X>
struct FixedSize : std::integral_constant<std::size_t, 0> {};
template <class T, std::size_t N>
struct FixedSize<std::array<T, N>> : std::integral_constant<std::size_t, N> {};

/// n elements, each `fill`.
template <class C, class S>
inline C filled(std::size_t n, const S& fill) {
  C c{};
  if constexpr (requires { typename C::Scalar; })
    c.resize(static_cast<std::ptrdiff_t>(n));
  else if constexpr (requires { c.resize(n); })
    c.resize(n);
  std::fill_n(c.data(), n, fill);
  return c;
}

template <class X>
std::size_t length(const X& x) {
  return static_cast<std::size_t>(x.size());
}

/// A call of its own, which no compiler inlines where it is rarely made.
template <class C>
[[gnu::noinline, gnu::cold]] void resize_to(C& c, std::size_t n) {
  if constexpr (requires { typename C::Scalar; })
    c.resize(static_cast<std::ptrdiff_t>(n));
  else if constexpr (requires { c.resize(n); })
    c.resize(n);
}

/// Makes c, which f may have resized, n elements long again; whether it was not. What they are is
/// for the caller to say.
template <class C>
[[gnu::always_inline]] inline bool restore_length(C& c, std::size_t n) {
  if constexpr (requires { c.resize(n); }) {
    if (length(c) != n) [[unlikely]] {
      resize_to(c, n);
      return true;
    }
  }
  return false;
}

/// x with elements of type S.
template <class S, class X>
RebindT<X, S> converted(const X& x) {
  auto copy = filled<RebindT<X, S>>(length(x), S{});
  std::transform(x.data(), x.data() + length(x), copy.data(),
                 [](const auto& v) { return S(static_cast<S>(v)); });
  return copy;
}

/// The same bits, so that -0 and 0 differ and a NaN equals itself. (The padding of long double is
/// not compared.)
template <class T>
bool same_bits(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  else if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
  else
    return std::memcmp(&a, &b, std::min<std::size_t>(10, sizeof(T))) == 0;
}

template <class T>
bool same_bits(const std::complex<T>& a, const std::complex<T>& b) {
  return same_bits(a.real(), b.real()) && same_bits(a.imag(), b.imag());
}

template <class T>
bool same_bits(const T* a, const T* b, std::size_t n) {
  if constexpr (!std::is_same_v<T, long double>)
    return n == 0 || std::memcmp(a, b, n * sizeof(T)) == 0;
  return std::equal(a, a + n, b, [](const T& x, const T& y) { return same_bits(x, y); });
}

}  // namespace detail
}  // namespace gradatim
