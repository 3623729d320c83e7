#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>

#include "gradatim/diff/finite_difference.hpp"

namespace gradatim::detail {

/// The default step: truncation is proportional to its square, and squared it vanishes next to 1;
/// near the cube root of the smallest number, it leaves room for slopes as small as its square. A
/// power of two, so that dividing by it is exact and costs what a multiplication does.
template <class T>
consteval T tiny_step() {
  T h = 1;
  while (h * h * h > std::numeric_limits<T>::min()) h /= 2;
  return h;
}

/// The step that is not tiny_step(): asked for, at a large x or next to 0.
template <class T>
[[gnu::noinline, gnu::cold]] T scaled_step(T x, double step) {
  if (step != 0) {
    const T h = static_cast<T>(step) * step_scale(x);
    if (!(h > 0) || !std::isfinite(h)) throw_invalid_step(ComplexStep::kName, step);
    return h;
  }
  if (x == 0 || !std::isfinite(x)) return tiny_step<T>();
  if (std::abs(x) > 16) return std::scalbn(tiny_step<T>(), std::ilogb(step_scale(x)));
  return std::max(std::scalbn(std::numeric_limits<T>::epsilon(), std::ilogb(x)),
                  std::numeric_limits<T>::min());
}

/// least <= value < most, where least >= 0 : as integers, which takes one comparison.
template <class T>
inline bool is_between(T value, T least, T most) {
  if constexpr (std::is_same_v<T, double>) {
    const auto bits = [](double v) { return std::bit_cast<std::uint64_t>(v); };
    return bits(value) - bits(least) < bits(most) - bits(least);
  } else {
    return value >= least && value < most;
  }
}

/// Where tiny_step() is small next to 1 and to x.
template <class T>
inline bool takes_tiny_step(T x, const ComplexStep& method) {
  constexpr T kNextToZero = tiny_step<T>() / std::numeric_limits<T>::epsilon();
  return method.step == 0 && is_between(std::abs(x), kNextToZero, T(16));
}

/// The step at x: small next to 1, or to x where that is tiny.
template <class T>
inline T complex_step_at(T x, const ComplexStep& method) {
  return takes_tiny_step(x, method) ? tiny_step<T>() : scaled_step(x, method.step);
}

/// sqrt(tiny_step · epsilon): above Im f(x + ih) / f(x) = h f'/f where f is real, unless f or its
/// slope is at the ends of the range; below what rounding leaves of an imaginary part where it is
/// not.
template <class T>
consteval T least_unreal() {
  constexpr T kSquare = tiny_step<T>() * std::numeric_limits<T>::epsilon();
  T share = 1;
  while (share * share > kSquare) share /= 2;
  return share;
}

/// Whether y = f(x + ih) is as if f were real and had no pole at x: at one of even order, c/h², Im
/// f vanishes. It is seen where c > h: fewer of them by a step that is asked for than by the
/// default one. A step that is not small next to 1 and to a large x is never trusted, since
/// rounding leaves as much of an imaginary part.
template <class T>
inline bool is_ordinary(const std::complex<T>& y, T x, T h) {
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon();
  const T magnitude = std::abs(y.real());
  const T scaled = h / step_scale(x);
  const T share = h == tiny_step<T>() ? least_unreal<T>() : std::sqrt(scaled * kEpsilon);
  return std::abs(y.imag()) <= share * magnitude && magnitude <= 1 / h && scaled <= kEpsilon / 256;
}

/// Whether f has a slope at x, where f(x + ih) is not ordinary and its real part is `re`. It has
/// none if it has no finite, real value there, as sqrt(-1), 1/x² at 0 or, by std::pow, (-2)^3; or
/// if Im f is not in proportion to the step, as of sqrt at 0. A step that truncates would not show
/// that: the default one is asked, and a shorter one. A slope that shrinks with the step is flat,
/// as that of x³ at 0, -h²; one that grows is none. Counts the evaluations, none at a root of f.
template <class T, class G>
[[gnu::noinline, gnu::cold]] bool has_slope(G g, T x, T re, T h, T slope,
                                            std::size_t& evaluations) {
  constexpr T kDigit = std::numeric_limits<T>::denorm_min();  // the last of a subnormal Im f
  if (!std::isfinite(re) || !std::isfinite(slope)) return false;
  const T longer = std::min(h, complex_step_at(x, ComplexStep{}));
  const bool is_asked = longer == h;  // the default one, or below it
  if (is_asked && re == 0 && std::abs(slope) * std::numeric_limits<T>::epsilon() <= 1) return true;
  const T shorter = std::max(longer / 1024, std::numeric_limits<T>::min());
  const auto slope_by = [&](T step) { return g(std::complex<T>(x, step)).imag() / step; };
  const std::complex<T> on_axis = g(std::complex<T>(x));
  const T by_shorter = slope_by(shorter);
  const T by_longer = is_asked ? slope : slope_by(longer);
  evaluations += is_asked ? 2 : 3;
  return on_axis.imag() == 0 && std::isfinite(on_axis.real()) &&
         (std::abs(by_shorter) <= std::abs(by_longer) / 2 ||
          std::abs(by_shorter - by_longer) <= std::abs(by_shorter) / 1024 + kDigit / shorter);
}

/// A value of f, and whether f wrote to its argument.
template <class T>
struct ComplexValue {
  std::complex<T> value;
  bool modified = false;
};

/// What follows from y at x + ih, where that may be as if f were not real or at a pole.
template <class T, class G>
Derivative<T> judge_complex(G g, T x, T h, const ComplexValue<T>& y) {
  const T re = y.value.real();
  Derivative<T> d{
      .value = y.value.imag() / h, .step = h, .evaluations = 1, .method = ComplexStep::kName};
  d.status = worse(finite_status(re), finite_status(d.value));
  if (y.modified) d.status = worse(d.status, Status::kInputModified);
  if (is_ordinary(y.value, x, h)) return d;
  const auto f = [&g](const std::complex<T>& z) { return g(z).value; };
  if (!has_slope(f, x, re, h, d.value, d.evaluations)) {
    d.status = Status::kNonFinite;
    d.value = std::numeric_limits<T>::quiet_NaN();
  }
  return d;
}

template <class T, class G>
[[gnu::noinline, gnu::cold]] Derivative<T> judge_tiny_step(G g, T x, T re, T im, bool modified) {
  return judge_complex(g, x, tiny_step<T>(), {{re, im}, modified});
}

template <class T, class G>
[[gnu::noinline, gnu::cold]] Derivative<T> differentiate_by_scaled_step(G g, T x, double step) {
  const T h = scaled_step(x, step);
  return judge_complex(g, x, h, g(std::complex<T>(x, h)));
}

/// g takes std::complex<T> and gives ComplexValue<T>. What is rarely so has a path of its own,
/// which g is copied to, so that what the usual one uses can stay in registers.
template <class T, class G>
inline Derivative<T> differentiate_complex(const G& g, T x, const ComplexStep& method) {
  using Limits = std::numeric_limits<T>;
  constexpr T kStep = tiny_step<T>();
  constexpr T kMost = least_unreal<T>() / kStep;
  if (!takes_tiny_step(x, method)) [[unlikely]]
    return differentiate_by_scaled_step(g, x, method.step);
  const ComplexValue<T> y = g(std::complex<T>(x, kStep));
  const T re = y.value.real();
  const T im = y.value.imag();
  // From 0 to kMost where is_ordinary(y), whose slope is finite.
  const T room = least_unreal<T>() * std::abs(re) - std::abs(im);
  if (!is_between(room, Limits::min(), kMost) || y.modified) [[unlikely]]
    return judge_tiny_step(g, x, re, im, y.modified);
  return {.value = im * (1 / kStep), .step = kStep, .evaluations = 1, .method = ComplexStep::kName};
}

}  // namespace gradatim::detail
