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
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon();
  const double step = method.step == 0 ? 2 * default_step<T>(2) : method.step;
  const T above = ahead(x, step, Forward::kName);
  const T h = above - x;
  const T f_x = g(x);
  const T f_above = g(above);
  const T rise = f_above - f_x;
  const T value = rise / h;
  T error = std::numeric_limits<T>::quiet_NaN();
  const bool measured = measures<T>(method.error);
  if (measured) {
    // Twice as far as the first rise but for the last place of x.
    const T wide_rise = g(above + h) - f_x;
    const T truncation = std::abs(wide_rise / 2 - rise);
    const T rounding =
        kEpsilon * std::abs(f_above) + kEpsilon * std::abs(f_x) + kEpsilon * std::abs(x * value);
    error = std::max((truncation + rounding) / h, std::numeric_limits<T>::min());
  }
  return {value, error, h, measured ? 3U : 2U, finite_status(value), Forward::kName};
}

template <class T, class G>
inline Derivative<T> differentiate(G&& g, T x, const Central& method) {
  constexpr bool kIsDouble = std::is_same_v<T, double>;
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon();
  const double step = method.step != 0 ? method.step : kIsDouble ? 1e-6 : default_step<T>(3);
  const auto at = around(x, step, Central::kName);
  const T f_above = g(at.above);
  const T f_below = g(at.below);
  const T rise = f_above - f_below;
  const T value = rise / at.width();
  T error = std::numeric_limits<T>::quiet_NaN();
  const bool measured = measures<T>(method.error);
  if (measured) {
    // Twice as wide as the inner pair, but next to a power of 2: there the error comes out too
    // large, by up to f'·ulp(x) / 6h.
    const auto wide = beside(x, at.width());
    const T wide_rise = g(wide.above) - g(wide.below);
    const T truncation = std::abs(wide_rise - 2 * rise) * (T(1) / 6);
    const T rounding = kEpsilon * (std::abs(f_above) + std::abs(f_below));
    error = std::max((truncation + rounding) / at.width(), std::numeric_limits<T>::min());
  }
  return {value, error, at.step(), measured ? 4U : 2U, finite_status(value), Central::kName};
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
  T value = 0;      // of the order 2·pairs
  T innermost = 0;  // the central difference at h
  T f_above = 0;    // f(x + h)
  T f_below = 0;
  T truncation = 0;  // its change from the order 2·pairs - 2
  T rounding = 0;    // of the values at x ± h, whose weight is by far the largest
};

template <std::size_t Pairs, class T, class G>
inline StencilValues<T> apply_stencil(G&& g, T x, const Abscissae<T>& innermost) {
  StencilValues<T> s;
  T lower = 0;
  for (std::size_t k = 1; k <= Pairs; ++k) {
    const auto at = k == 1 ? innermost : beside(x, static_cast<T>(k) * innermost.step());
    const T f_above = g(at.above);
    const T f_below = g(at.below);
    const T slope = (f_above - f_below) / at.width();
    s.value += static_cast<T>(kStencilWeights[Pairs - 1][k - 1]) * slope;
    if (k < Pairs) lower += static_cast<T>(kStencilWeights[Pairs - 2][k - 1]) * slope;
    if (k > 1) continue;
    s.innermost = slope;
    s.f_above = f_above;
    s.f_below = f_below;
    s.rounding = 2 * rounding_error(f_above, f_below, 1 / at.width());
  }
  s.truncation = std::abs(s.value - lower);
  return s;
}

template <std::size_t Pairs, class T, class G>
inline Derivative<T> differentiate_by_stencil(G&& g, T x, double step) {
  if (step == 0) step = default_step<T>(static_cast<int>(2 * Pairs + 1));
  const auto at = around(x, step, Stencil::kName);
  const auto s = apply_stencil<Pairs>(g, x, at);
  return {.value = s.value,
          .error = s.truncation + s.rounding,
          .step = at.step(),
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
