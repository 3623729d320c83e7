#pragma once

#include <complex>

#include "gradatim/diff/finite_difference.hpp"

namespace gradatim::detail {

/// g takes and returns std::complex<T>.
template <class T, class G>
Derivative<T> differentiate_complex(G&& g, T x, const ComplexStep& method) {
  const T step =
      method.step == 0 ? std::cbrt(std::numeric_limits<T>::min()) : static_cast<T>(method.step);
  if (!(step > 0)) throw_invalid_step(ComplexStep::kName, method.step);
  const T h = step * step_scale(x);
  Derivative<T> d{.step = h, .evaluations = 1, .method = ComplexStep::kName};
  d.value = g(std::complex<T>(x, h)).imag() / h;
  d.status = finite_status(d.value);
  return d;
}

}  // namespace gradatim::detail
