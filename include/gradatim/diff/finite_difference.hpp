#pragma once

#include <array>
#include <cmath>
#include <limits>

#include "gradatim/diff/methods.hpp"
#include "gradatim/diff/result.hpp"
#include "gradatim/diff/step.hpp"

// Derivatives of g: T -> T at x from one step. g is any callable; derivative() and gradient() pass
// slices of the user's function, already in the precision in which it is evaluated.
namespace gradatim::detail {

/// T is what f is evaluated in; a float there means that f takes nothing wider.
template <class T>
bool measures(ErrorEstimate wanted) {
  return wanted == ErrorEstimate::kMeasured ||
         (wanted == ErrorEstimate::kAutomatic && std::is_same_v<T, float>);
}

template <class T>
Status finite_status(T value) {
  return std::isfinite(value) ? Status::kOk : Status::kNonFinite;
}

template <class T, class G>
inline Derivative<T> differentiate(G&& g, T x, const Forward& method) {
  const double step = method.step == 0 ? default_step<T>(2) : method.step;
  const auto at = around(x, step, Forward::kName);
  const T h = at.above - x;
  const T f_x = g(x);
  const T f_above = g(at.above);
  Derivative<T> d{.value = (f_above - f_x) / h, .step = h, .evaluations = 2};
  if (measures<T>(method.error)) {
    const T wide = around(x, 2 * step, Forward::kName).above;
    const T slope = (g(wide) - f_x) / (wide - x);
    d.error = std::abs(slope - d.value) + rounding_error(f_above, f_x, h);
    d.evaluations = 3;
  }
  d.status = finite_status(d.value);
  d.method = Forward::kName;
  return d;
}

template <class T, class G>
inline Derivative<T> differentiate(G&& g, T x, const Central& method) {
  constexpr bool kIsDouble = std::is_same_v<T, double>;
  const double step = method.step != 0 ? method.step : kIsDouble ? 1e-6 : default_step<T>(3);
  const auto at = around(x, step, Central::kName);
  const T f_above = g(at.above);
  const T f_below = g(at.below);
  Derivative<T> d{.value = (f_above - f_below) / at.width(), .step = at.step(), .evaluations = 2};
  if (measures<T>(method.error)) {
    const auto wide = around(x, 2 * step, Central::kName);
    const T slope = (g(wide.above) - g(wide.below)) / wide.width();
    d.error = std::abs(slope - d.value) / 3 + rounding_error(f_above, f_below, at.width());
    d.evaluations = 4;
  }
  d.status = finite_status(d.value);
  d.method = Central::kName;
  return d;
}

/// The derivative as a weighted sum of the slopes over x ± h, x ± 2h, ...; one row an order.
inline constexpr std::array<std::array<double, 4>, 4> kStencilWeights{{
    {1.},
    {4. / 3, -1. / 3},
    {3. / 2, -3. / 5, 1. / 10},
    {8. / 5, -4. / 5, 8. / 35, -1. / 35},
}};

/// What a stencil on x ± kh, k = 1 ... pairs, makes of the values there.
template <class T>
struct StencilValues {
  T value = 0;       // of the order 2·pairs
  T truncation = 0;  // its change from the order 2·pairs - 2
  T magnitude = 0;   // of f
};

template <std::size_t Pairs, class T, class G>
inline StencilValues<T> apply_stencil(G&& g, T x, T h) {
  StencilValues<T> s;
  T lower = 0;
  for (std::size_t k = 1; k <= Pairs; ++k) {
    const T above = x + static_cast<T>(k) * h;
    const T below = x - static_cast<T>(k) * h;
    const T f_above = g(above);
    const T f_below = g(below);
    const T slope = (f_above - f_below) / (above - below);
    s.value += static_cast<T>(kStencilWeights[Pairs - 1][k - 1]) * slope;
    if (k < Pairs) lower += static_cast<T>(kStencilWeights[Pairs - 2][k - 1]) * slope;
    s.magnitude = std::max({s.magnitude, std::abs(f_above), std::abs(f_below)});
  }
  s.truncation = std::abs(s.value - lower);
  return s;
}

template <std::size_t Pairs, class T, class G>
inline Derivative<T> differentiate_by_stencil(G&& g, T x, double step) {
  if (step == 0) step = default_step<T>(static_cast<int>(2 * Pairs + 1));
  const T h = around(x, step, Stencil::kName).step();
  const auto s = apply_stencil<Pairs>(g, x, h);
  return {.value = s.value,
          .error = s.truncation + rounding_error(s.magnitude, s.magnitude, h),
          .step = h,
          .evaluations = 2 * Pairs,
          .status = finite_status(s.value),
          .method = Stencil::kName};
}

template <class T, class G>
inline Derivative<T> differentiate(G&& g, T x, const Stencil& method) {
  switch (method.order) {
    case 4:
      return differentiate_by_stencil<2>(g, x, method.step);
    case 6:
      return differentiate_by_stencil<3>(g, x, method.step);
    case 8:
      return differentiate_by_stencil<4>(g, x, method.step);
    default:
      throw_invalid_order(method.order);
  }
}

}  // namespace gradatim::detail
