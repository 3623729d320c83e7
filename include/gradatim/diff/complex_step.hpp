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

/// The step at x: small next to 1, or to x where that is tiny.
template <class T>
inline T complex_step_at(T x, const ComplexStep& method) {
  constexpr T kNextToZero = tiny_step<T>() / std::numeric_limits<T>::epsilon();
  const T magnitude = std::abs(x);
  if (method.step != 0 || !(magnitude <= 16 && magnitude >= kNextToZero)) [[unlikely]]
    return scaled_step(x, method.step);
  return tiny_step<T>();
}

/// sqrt(tiny_step · epsilon): above Im f(x + ih) / f(x) = h f'/f where f is real, unless f or its
/// slope is at the ends of the range; below what rounding leaves of an imaginary part where it is
/// not.
template <class T>
consteval T least_unreal() {
  T share = 1;
  while (share * share > tiny_step<T>() * std::numeric_limits<T>::epsilon()) share /= 2;
  return share;
}

/// Whether y = f(x + ih), whose imaginary part over h is `slope`, is finite and as if f were real.
template <class T>
inline bool is_plain(const std::complex<T>& y, T slope) {
  const bool finite = std::abs(y.real()) + std::abs(slope) <= std::numeric_limits<T>::max();
  return std::abs(y.imag()) <= least_unreal<T>() * std::abs(y.real()) && finite;
}

/// Looks closer where f is not plain. There is no slope, NaN, if f has no finite, real value at x,
/// as sqrt(-1) or, by std::pow, (-2)^3; or if Im f is not in proportion to the step, as of sqrt at
/// 0.
template <class T, class G>
[[gnu::noinline, gnu::cold]] void look_closer(G& g, T x, const std::complex<T>& y,
                                              Derivative<T>& d) {
  d.status = worse(finite_status(y.real()), finite_status(d.value));
  const bool root = y.real() == 0 && std::abs(d.value) * std::numeric_limits<T>::epsilon() <= 1;
  if (d.status == Status::kNonFinite || root) return;
  const T shorter = std::max(d.step / 1024, std::numeric_limits<T>::min());
  const std::complex<T> on_axis = g(std::complex<T>(x));
  const T slope = g(std::complex<T>(x, shorter)).imag() / shorter;
  d.evaluations += 2;
  const bool real = on_axis.imag() == 0 && std::isfinite(on_axis.real());
  if (real && std::abs(slope - d.value) <= std::abs(slope) / 1024) return;
  d.value = std::numeric_limits<T>::quiet_NaN();
  d.status = Status::kNonFinite;
}

/// g takes and returns std::complex<T>.
template <class T, class G>
inline Derivative<T> differentiate_complex(G&& g, T x, const ComplexStep& method) {
  const T h = complex_step_at(x, method);
  const std::complex<T> y = g(std::complex<T>(x, h));
  Derivative<T> d{.value = y.imag() / h, .step = h, .evaluations = 1, .method = ComplexStep::kName};
  if (!is_plain(y, d.value)) [[unlikely]]
    look_closer(g, x, y, d);
  return d;
}

}  // namespace gradatim::detail
