#pragma once

#include <complex>

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
    if (!(step > 0)) throw_invalid_step(ComplexStep::kName, step);
    return static_cast<T>(step) * step_scale(x);
  }
  if (x == 0 || !std::isfinite(x)) return tiny_step<T>();
  if (std::abs(x) > 16) return std::scalbn(tiny_step<T>(), std::ilogb(step_scale(x)));
  return std::max(std::scalbn(std::numeric_limits<T>::epsilon(), std::ilogb(x)),
                  std::numeric_limits<T>::min());
}

template <class T>
struct ComplexIncrement {
  T step;
  T inverse;
};

/// The step at x: small next to 1, or to x where that is tiny.
template <class T>
inline ComplexIncrement<T> complex_step_at(T x, const ComplexStep& method) {
  constexpr T kNextToZero = tiny_step<T>() / std::numeric_limits<T>::epsilon();
  const T magnitude = std::abs(x);
  if (method.step != 0 || !(magnitude <= 16 && magnitude >= kNextToZero)) [[unlikely]] {
    const T h = scaled_step(x, method.step);
    return {h, 1 / h};
  }
  return {tiny_step<T>(), 1 / tiny_step<T>()};
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

/// Whether y = f(x + ih) is as if f were real.
template <class T>
inline bool is_real(const std::complex<T>& y) {
  return std::abs(y.imag()) <= least_unreal<T>() * std::abs(y.real());
}

/// Whether Im f(x + ih) / h = `slope` is a slope of f where Re f(x + ih) = `re`. It is not if f has
/// no finite, real value at x, as sqrt(-1) or, by std::pow, (-2)^3; or if Im f is not in proportion
/// to the step, as of sqrt at 0. Takes two evaluations, none at a root of f.
template <class T, class G>
[[gnu::noinline, gnu::cold]] bool is_slope(G g, T x, T re, T h, T slope) {
  if (!std::isfinite(re) || !std::isfinite(slope)) return false;
  if (re == 0 && std::abs(slope) * std::numeric_limits<T>::epsilon() <= 1) return true;
  const T shorter = std::max(h / 1024, std::numeric_limits<T>::min());
  const std::complex<T> on_axis = g(std::complex<T>(x));
  const T again = g(std::complex<T>(x, shorter)).imag() / shorter;
  return on_axis.imag() == 0 && std::isfinite(on_axis.real()) &&
         std::abs(again - slope) <= std::abs(again) / 1024;
}

/// g takes and returns std::complex<T>; so does `closer`, which is asked where the answer of g is
/// not as if f were real.
template <class T, class G, class Closer>
inline Derivative<T> differentiate_complex(G&& g, T x, const ComplexStep& method,
                                           const Closer& closer) {
  const auto [h, inverse] = complex_step_at(x, method);
  const std::complex<T> y = g(std::complex<T>(x, h));
  Derivative<T> d{
      .value = y.imag() * inverse, .step = h, .evaluations = 1, .method = ComplexStep::kName};
  d.status = worse(finite_status(y.real()), finite_status(d.value));
  if (!is_real(y)) [[unlikely]] {
    d.evaluations = y.real() == 0 ? 1 : 3;
    if (!is_slope(closer, x, y.real(), h, d.value)) {
      d.status = Status::kNonFinite;
      d.value = std::numeric_limits<T>::quiet_NaN();
    }
  }
  return d;
}

}  // namespace gradatim::detail
