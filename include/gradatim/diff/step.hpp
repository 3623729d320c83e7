#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace gradatim {

/// max(1, |x|/16): what a relative step is multiplied by at x.
template <class T>
inline T step_scale(T x) {
  return std::max(T(1), std::abs(x) / T(16));
}

/// The smallest relative step that moves x both ways, rounded up by a thousandth so that it
/// survives being printed: what is more than half a unit in the last place of x.
template <class T>
T smallest_step(T x) {
  const T magnitude = std::abs(x);
  const T ulp = std::nextafter(magnitude, std::numeric_limits<T>::infinity()) - magnitude;
  const T half = ulp / 2 * T(1 + 1. / 1024);
  return std::max(half, std::numeric_limits<T>::min()) / step_scale(x);
}

namespace detail {

[[noreturn]] void throw_vanishing_step(std::string_view method, double step, double x,
                                       double smallest, int digits);
[[noreturn]] void throw_overflowing_step(std::string_view method, double step, double x);
[[noreturn]] void throw_invalid_step(std::string_view method, double step);
[[noreturn]] void throw_infinite_point(std::string_view method, double x);
[[noreturn]] void throw_invalid_order(int order);
[[noreturn]] void throw_invalid_levels(std::string_view method, int levels);
[[noreturn]] void throw_invalid_ratio(double ratio);
[[noreturn]] void throw_invalid_trials(int trials);

/// x + h and x - h as they are representable. A difference is divided by above - below, the step as
/// realised, rather than by 2h, which is not what was done to x.
template <class T>
struct Abscissae {
  T above;
  T below;
  T width() const { return above - below; }
  T step() const { return width() / 2; }
  bool moved(T x) const { return above > x && below < x; }
};

template <class T>
inline Abscissae<T> beside(T x, T h) {
  return {x + h, x - h};
}

/// What around() does where it cannot answer: throws.
template <class T>
[[noreturn, gnu::noinline, gnu::cold]] void refuse_step(T x, double step, std::string_view method) {
  if (!std::isfinite(x)) throw_infinite_point(method, static_cast<double>(x));
  if (!(step > 0) || !std::isfinite(step)) throw_invalid_step(method, step);
  if (!std::isfinite(beside(x, static_cast<T>(step) * step_scale(x)).width()))
    throw_overflowing_step(method, step, static_cast<double>(x));
  throw_vanishing_step(method, step, static_cast<double>(x), static_cast<double>(smallest_step(x)),
                       std::numeric_limits<T>::digits);
}

/// A relative step from which on step · |x|/16 is at least a unit in the last place of any x.
template <class T>
inline constexpr double kMovesEveryX = 16 * static_cast<double>(std::numeric_limits<T>::epsilon());

/// x + h as it is representable. Throws as around().
template <class T>
[[gnu::always_inline]] inline T ahead(T x, double relative_step, std::string_view method) {
  const T above = x + static_cast<T>(relative_step) * step_scale(x);
  bool is_usable = above - x <= std::numeric_limits<T>::max();
  if (!(relative_step >= kMovesEveryX<T>)) is_usable = is_usable && above > x;
  if (!is_usable) [[unlikely]]
    refuse_step(x, relative_step, method);
  return above;
}

/// Throws InvalidArgument if x is not finite, if x ± h or their difference is not or, naming the
/// smallest usable step, if x does not change when h is added or subtracted.
template <class T>
[[gnu::always_inline]] inline Abscissae<T> around(T x, double relative_step,
                                                  std::string_view method) {
  const auto at = beside(x, static_cast<T>(relative_step) * step_scale(x));
  bool is_usable = at.width() <= std::numeric_limits<T>::max();
  if (!(relative_step >= kMovesEveryX<T>)) is_usable = is_usable && at.moved(x);
  if (!is_usable) [[unlikely]]
    refuse_step(x, relative_step, method);
  return at;
}

/// As around(), where `halvings` further steps, each half the one before, have to be usable as
/// well.
template <class T>
inline Abscissae<T> around(T x, double relative_step, int halvings, std::string_view method) {
  const double last = std::ldexp(relative_step, -halvings);
  const bool moves = beside(x, static_cast<T>(last) * step_scale(x)).moved(x);
  if (relative_step > 0 && std::isfinite(x) && !moves)
    throw_vanishing_step(method, relative_step, static_cast<double>(x),
                         std::ldexp(static_cast<double>(smallest_step(x)), halvings),
                         std::numeric_limits<T>::digits);
  return around(x, relative_step, method);
}

/// epsilon^(1/root) of T, as a relative step.
template <class T>
inline double default_step(int root) {
  return std::pow(static_cast<double>(std::numeric_limits<T>::epsilon()), 1.0 / root);
}

/// The rounding error of (f(above) - f(below)) · per_width, 1 / width, if every value of f is right
/// to one unit in the last place.
template <class T>
inline T rounding_error(T f_above, T f_below, T per_width) {
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon();
  // The sum of two large values is infinite.
  const T error = (kEpsilon * std::abs(f_above) + kEpsilon * std::abs(f_below)) * per_width;
  return std::max(std::numeric_limits<T>::min(), error);  // that if NaN, as 0 times infinity
}

/// What (f(above) - f(below)) · per_width may be off besides, about x, if f rounds a multiple of
/// its argument first: at its roots sin(10 x) is off by what 10 x was rounded by. `slope` is how
/// steep f is there. What is rounded in proportion to something larger, as x + 1000 is, remains
/// unseen.
template <class T>
inline T argument_error(T x, T slope, T per_width) {
  return std::abs(std::numeric_limits<T>::epsilon() * x * per_width * slope);
}

}  // namespace detail
}  // namespace gradatim
