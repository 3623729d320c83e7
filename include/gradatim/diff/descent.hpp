#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "gradatim/diff/gradient.hpp"

namespace gradatim {

/// Why a descent ended.
enum class Stop {
  kConverged,  // the gradient's largest entry is at most `tolerance`
  kStepsUsedUp,
  kHardlyMoved,  // steps used up, all within a millionth of every entry of the start: the learning
                 // rate is too small
  kDiverged,     // f rose ten steps in a row to above its start, or to infinity or until it was no
                 // number, or ended on a rise to more than |f(start)| above it: the learning rate
                 // is too large
  kNonFinite,    // f or its gradient became NaN or infinite
  kNoDescent,    // minimise(): no step along the gradient lowers f, down to rounding
};

std::string_view to_string(Stop stop);

/// x <- x + v,  v <- momentum·v - learning_rate·gradient.
struct GradientDescentOptions {
  double learning_rate = 0.01;
  std::size_t steps = 100;
  double tolerance = 0;  // on the gradient's largest entry; 0: only where it vanishes
  double momentum = 0;
  bool keep_path = true;
};

/// Steepest descent with backtracking: the step, first the one Barzilai and Borwein propose (IMA J.
/// Numer. Anal. 8, 1988), is shrunk until f falls by `sufficient`·step·|gradient|² (Armijo, 1966).
struct MinimiseOptions {
  std::size_t steps = 1000;
  double tolerance = 1e-8;
  double first_step = 1;
  double shrink = 0.5;
  double sufficient = 1e-4;
  bool keep_path = true;
};

/// Where a descent ended and how it got there. path[0] is the start; path and values are empty
/// unless asked for.
template <class C>
struct DescentResult {
  C point = {};
  detail::ElementT<C> value = 0;
  std::vector<C> path = {};
  std::vector<detail::ElementT<C>> values = {};
  std::size_t steps = 0;
  std::size_t evaluations = 0;
  Stop stop = Stop::kStepsUsedUp;
};

namespace detail {

void validate(const GradientDescentOptions& options);
void validate(const MinimiseOptions& options);

/// Whether differences of any step could be taken there: next to the end of the range, x + h or the
/// width of a pair may be infinite.
template <class C>
bool is_in_reach(const C& c) {
  return std::all_of(c.data(), c.data() + length(c), [](auto v) {
    return std::abs(v) <= std::numeric_limits<decltype(v)>::max() / 2;
  });
}

/// f and its gradient, by the method that suits f, counting evaluations.
template <class F, class C>
struct Slope {
  using T = ElementT<C>;
  using E = ValueT<F, C>;
  F& f;
  std::size_t evaluations = 0;

  T value_and_gradient_at(const C& point, C& d_point) {
    const auto method = default_method<F, const C>(ErrorEstimate::kNone);
    if constexpr (AutomaticMethod<std::remove_cv_t<decltype(method)>> && std::same_as<T, E>) {
      const auto exact = exact_gradient<T>(f, point, d_point.data(), method);
      evaluations += exact.evaluations;
      return exact.value;
    } else {
      if (!is_in_reach(point)) return not_differentiable(point, d_point);
      auto g = gradient(f, point, method);
      d_point = std::move(g.value);
      evaluations += g.evaluations;
      return value_at(point);
    }
  }
  T value_at(const C& point) {
    ++evaluations;
    auto argument = converted<E>(point);
    return static_cast<T>(call_with<F, C, E>(f, argument));
  }

 private:
  T not_differentiable(const C& point, C& d_point) {
    std::fill_n(d_point.data(), length(d_point), std::numeric_limits<T>::quiet_NaN());
    return value_at(point);
  }
};

template <class C>
ElementT<C> largest_entry(const C& c) {
  ElementT<C> largest = 0;
  for (std::size_t i = 0; i < length(c); ++i) {
    const auto magnitude = std::abs(c.data()[i]);
    if (!(magnitude <= largest)) largest = magnitude;  // a NaN stays
  }
  return largest;
}

/// By more than a millionth of an entry, or of the largest where that is 0.
template <class C>
bool has_moved(const C& from, const C& to) {
  using T = ElementT<C>;
  const T largest = std::max(largest_entry(from), T(1e-6));
  for (std::size_t i = 0; i < length(from); ++i) {
    const T entry = std::abs(from.data()[i]);
    if (std::abs(to.data()[i] - from.data()[i]) > T(1e-6) * (entry > 0 ? entry : largest))
      return true;
  }
  return false;
}

template <class C>
void record(DescentResult<C>& d, bool keep_path) {
  if (!keep_path) return;
  d.path.push_back(d.point);
  d.values.push_back(d.value);
}

/// Whether there is nothing left to do; d.stop then says why.
template <class C, class Options>
bool ended(DescentResult<C>& d, const C& d_x, const Options& options) {
  const auto steepest = largest_entry(d_x);
  if (!std::isfinite(d.value) || !std::isfinite(steepest))
    d.stop = Stop::kNonFinite;
  else if (steepest <= static_cast<ElementT<C>>(options.tolerance))
    d.stop = Stop::kConverged;
  else if (d.steps >= options.steps)
    d.stop = Stop::kStepsUsedUp;
  else
    return false;
  return true;
}

/// Rises of f in a row after which a descent is taken to diverge.
inline constexpr int kMostRises = 10;

template <class F, class C>
DescentResult<C> descend(F& f, C x, const GradientDescentOptions& options) {
  using T = ElementT<C>;
  validate(options);
  const C start = x;
  Slope<F, C> slope{f};
  auto d_x = filled<C>(length(x), T(0));
  auto velocity = d_x;
  DescentResult<C> d{.point = std::move(x)};
  const T first = d.value = slope.value_and_gradient_at(d.point, d_x);
  record(d, options.keep_path);
  int rises = 0;
  int risen_before = 0;  // the last step
  bool moved = false;
  while (!ended(d, d_x, options)) {
    ++d.steps;
    for (std::size_t i = 0; i < length(start); ++i) {
      T& v = velocity.data()[i];
      v = static_cast<T>(options.momentum) * v -
          static_cast<T>(options.learning_rate) * d_x.data()[i];
      d.point.data()[i] += v;
    }
    const T previous = std::exchange(d.value, slope.value_and_gradient_at(d.point, d_x));
    record(d, options.keep_path);
    risen_before = rises;
    rises = d.value > previous ? rises + 1 : 0;
    moved = moved || has_moved(start, d.point);
    if (rises >= kMostRises && d.value > first && std::isfinite(d.value)) {
      d.stop = Stop::kDiverged;
      break;
    }
  }
  d.evaluations = slope.evaluations;
  const bool to_infinity = d.value == std::numeric_limits<T>::infinity() && rises > 0;
  if (d.stop == Stop::kNonFinite && (to_infinity || (risen_before > 0 && std::isnan(d.value))))
    d.stop = Stop::kDiverged;
  if (d.stop != Stop::kStepsUsedUp || d.steps == 0) return d;
  if (!moved)
    d.stop = Stop::kHardlyMoved;
  else if (rises > 0 && d.value - first > std::abs(first))
    d.stop = Stop::kDiverged;
  return d;
}

template <class C>
ElementT<C> product(const C& a, const C& b) {
  ElementT<C> sum = 0;
  for (std::size_t i = 0; i < length(a); ++i) sum += a.data()[i] * b.data()[i];
  return sum;
}

template <class C>
C minus(const C& a, const C& b) {
  C difference = a;
  for (std::size_t i = 0; i < length(a); ++i) difference.data()[i] -= b.data()[i];
  return difference;
}

/// x - step·d_x
template <class C>
C moved_along(const C& x, const C& d_x, ElementT<C> step) {
  C moved = x;
  for (std::size_t i = 0; i < length(x); ++i) moved.data()[i] -= step * d_x.data()[i];
  return moved;
}

/// step·|d_x|², whose |d_x|² alone may overflow.
template <class C>
ElementT<C> expected_fall(const C& d_x, ElementT<C> step) {
  ElementT<C> sum = 0;
  for (std::size_t i = 0; i < length(d_x); ++i) sum += (step * d_x.data()[i]) * d_x.data()[i];
  return sum;
}

/// Moves d.point to the first point along -d_x, from `step` on or, where that would not move it at
/// all, the first that does, where f falls enough; false if there is none before the step no longer
/// moves the point or no longer shrinks.
template <class F, class C>
bool backtrack(Slope<F, C>& slope, DescentResult<C>& d, const C& d_x, ElementT<C> step,
               const MinimiseOptions& options) {
  using T = ElementT<C>;
  C trial = moved_along(d.point, d_x, step);
  const auto stays = [&] { return same_bits(trial.data(), d.point.data(), length(trial)); };
  while (step > 0 && stays() && 2 * step < std::numeric_limits<T>::infinity()) {
    step *= 2;
    trial = moved_along(d.point, d_x, step);
  }
  while (step > 0 && !stays()) {
    const T value = slope.value_at(trial);
    if (value <= d.value - static_cast<T>(options.sufficient) * expected_fall(d_x, step)) {
      d.point = std::move(trial);
      d.value = value;
      return true;
    }
    const T next = step * static_cast<T>(options.shrink);
    if (!(next < step)) return false;
    step = next;
    trial = moved_along(d.point, d_x, step);
  }
  return false;
}

/// The step Barzilai and Borwein propose after `moved` changed the gradient by `d_change`; `first`
/// where f does not bend upwards or the proposal is no number.
template <class C>
ElementT<C> proposed_step(const C& moved, const C& d_change, ElementT<C> first) {
  const auto bend = product(moved, d_change);
  const auto step = product(moved, moved) / bend;
  return bend > 0 && step > 0 && std::isfinite(step) ? step : first;
}

template <class F, class C>
DescentResult<C> minimise_from(F& f, C x, const MinimiseOptions& options) {
  using T = ElementT<C>;
  validate(options);
  Slope<F, C> slope{f};
  auto d_x = filled<C>(length(x), T(0));
  DescentResult<C> d{.point = std::move(x)};
  d.value = slope.value_and_gradient_at(d.point, d_x);
  record(d, options.keep_path);
  const T first = std::clamp(static_cast<T>(options.first_step), std::numeric_limits<T>::min(),
                             std::numeric_limits<T>::max());
  T step = first;
  for (; !ended(d, d_x, options); ++d.steps) {
    const C from = d.point;
    const C d_from = d_x;
    if (!backtrack(slope, d, d_x, step, options)) {
      d.stop = Stop::kNoDescent;
      break;
    }
    d.value = slope.value_and_gradient_at(d.point, d_x);
    record(d, options.keep_path);
    step = proposed_step(minus(d.point, from), minus(d_x, d_from), first);
  }
  d.evaluations = slope.evaluations;
  return d;
}

/// d, unless it went nowhere since f, whose slope is seen by differences only, reads the caller's x
/// and not its argument: throws then.
template <class F, class X, class D>
D refuse_standstill(F& f, X& x, D d, std::string_view method) {
  using M = decltype(default_method<F, const X>(ErrorEstimate::kNone));
  if constexpr (DifferenceMethod<M>)
    if (d.stop == Stop::kConverged && d.steps == 0)
      refuse_another_x<ValueT<F, X>>(f, x, method, d.evaluations);
  return d;
}

}  // namespace detail

/// Gradient descent from x with a fixed learning rate. The gradient is taken as gradient(f, x)
/// would, exactly where f is generic; f must use its argument, a copy of x: one that reads x itself
/// is refused by InvalidArgument where x can be written to. Throws InvalidArgument for options
/// outside their range.
template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto gradient_descent(F&& f, X&& x, const GradientDescentOptions& options = {}) {
  auto d = detail::descend(f, detail::converted<detail::ElementT<X>>(x), options);
  return detail::refuse_standstill(f, x, std::move(d), "gradient_descent");
}
template <class F, Arithmetic T>
auto gradient_descent(F&& f, std::initializer_list<T> x,
                      const GradientDescentOptions& options = {}) {
  return detail::descend(f, detail::point_of(x), options);
}

/// Gradient descent from x with a backtracking line search: f falls at every step, and no learning
/// rate has to be found. Throws as gradient_descent().
template <class F, class X>
  requires Point<std::remove_cvref_t<X>>
auto minimise(F&& f, X&& x, const MinimiseOptions& options = {}) {
  auto d = detail::minimise_from(f, detail::converted<detail::ElementT<X>>(x), options);
  return detail::refuse_standstill(f, x, std::move(d), "minimise");
}
template <class F, Arithmetic T>
auto minimise(F&& f, std::initializer_list<T> x, const MinimiseOptions& options = {}) {
  return detail::minimise_from(f, detail::point_of(x), options);
}

}  // namespace gradatim
