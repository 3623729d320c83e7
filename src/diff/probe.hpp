#pragma once

#include <cstddef>
#include <limits>

#include "gradatim/diff/check_gradient.hpp"

// How check_gradient looks at f along one coordinate.
namespace gradatim::detail {

enum class Shape1D { kSmooth, kKink, kJump, kUnbounded, kNonFinite };

/// t -> f(x with x_i = t), counting.
template <class E>
struct CheckedSlice {
  CheckedFunction<E>& f;
  std::size_t i;
  std::size_t& evaluations;

  E operator()(E t) const {
    ++evaluations;
    return f.value_at(i, t);
  }
};

template <class E>
struct Probed {
  Shape1D shape = Shape1D::kNonFinite;
  E value = std::numeric_limits<E>::quiet_NaN();
  E error = std::numeric_limits<E>::quiet_NaN();
  E slope_below = std::numeric_limits<E>::quiet_NaN();
  E slope_above = std::numeric_limits<E>::quiet_NaN();
  E lasting_gap = 0;     // between one-sided slopes that never settle, of no kink
  E secant = 0;          // the largest slope at the outermost step: the scale of the derivative
  bool doubted = false;  // something else was seen before
  bool flat = false;     // every sample equal to g(x)
  bool island = false;   // g is finite on a speck about x only
};

struct ProbeOptions {
  double step = 0;    // the first, relative
  double target = 0;  // relative error of the derivative at which to stop
};

/// Samples g, whose value at x is g_x, at ever smaller steps until its derivative is precise or can
/// get no better, and looks once more at what they agree on: the more strictly where that would
/// refute `analytic`. What does not agree with it is looked at anew where g is noisier than its
/// values' rounding, since stairs are no jumps, and then at steps in proportion to x.
template <class E>
Probed<E> probe(const CheckedSlice<E>& g, E x, E g_x, double analytic, const ProbeOptions& options);

}  // namespace gradatim::detail
