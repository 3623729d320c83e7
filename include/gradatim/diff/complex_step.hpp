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

/// The step that is not tiny_step(): asked for, or at a large x.
template <class T>
[[gnu::noinline, gnu::cold]] T scaled_step(T x, double step) {
  if (step == 0) return std::scalbn(tiny_step<T>(), std::ilogb(step_scale(x)));
  if (!(step > 0)) throw_invalid_step(ComplexStep::kName, step);
  return static_cast<T>(step) * step_scale(x);
}

/// g takes and returns std::complex<T>.
template <class T, class G>
Derivative<T> differentiate_complex(G&& g, T x, const ComplexStep& method) {
  T h = tiny_step<T>();
  T inverse = 1 / tiny_step<T>();
  if (method.step != 0 || !(std::abs(x) <= 16)) [[unlikely]] {
    h = scaled_step(x, method.step);
    inverse = 1 / h;
  }
  const std::complex<T> y = g(std::complex<T>(x, h));
  Derivative<T> d{
      .value = y.imag() * inverse, .step = h, .evaluations = 1, .method = ComplexStep::kName};
  d.status = worse(finite_status(y.real()), finite_status(d.value));
  return d;
}

/// Im f(x + ih) = h f'(x) is tiny wherever f is real at x; where it is not, f is to be looked at on
/// the axis.
template <class T>
bool is_suspect(const Derivative<T>& d) {
  return std::abs(d.value) * d.step > std::numeric_limits<T>::epsilon();
}

/// Notes if f has no real value at x: sqrt(-1) = i has no real slope, 1/0 none at all.
template <class T, class G>
[[gnu::noinline, gnu::cold]] void look_on_the_axis(G& g, T x, Derivative<T>& d) {
  std::complex<T> argument(x);
  const std::complex<T> y(g(argument));
  ++d.evaluations;
  d.status = worse(d.status, y.imag() == 0 ? finite_status(y.real()) : Status::kNonFinite);
}

}  // namespace gradatim::detail
