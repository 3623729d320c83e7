#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/diff/check_probe.hpp"
#include "gradatim/diff/gradient.hpp"

namespace gradatim {

/// What a check found of one entry, mildest first.
enum class Verdict {
  kPass,
  kSkipped,           // not looked at
  kUnresolved,        // agrees, but the numerical error is larger than the tolerance
  kKink,              // the one-sided slopes differ: there is no derivative to agree with
  kBothNonFinite,     // neither f (or its slope) nor the analytic value is finite
  kNonFinite,         // one of them is not
  kDiscontinuity,     // f jumps at x, or is a step function next to it
  kInputModified,     // f writes to its argument
  kNonDeterministic,  // f differs between equal evaluations
  kFail,
};

std::string_view to_string(Verdict verdict);

struct CheckOptions {
  double relative_tolerance = 0;  // 0: 1e-7, or 1e-3 where f takes float only
  double error_factor = 10;       // how many numerical errors the two may be apart
  double step = 0.13;             // the first and largest, relative as in Central
  std::size_t max_entries = std::numeric_limits<std::size_t>::max();  // more are sampled
  std::uint64_t seed = 0;                                             // of the sample
};

struct CheckedEntry {
  std::size_t index = 0;
  double analytic = 0;
  double numerical = 0;
  double error = 0;  // of numerical
  double ratio = 0;  // |analytic - numerical| over what is allowed; above 1 fails
  Verdict verdict = Verdict::kPass;
  double slope_below = 0;  // one-sided slopes at the smallest telling step
  double slope_above = 0;
  bool between_slopes = false;  // the analytic value lies between them (at a kink)
};

/// The entries looked at, worst first.
struct GradientCheck {
  std::vector<CheckedEntry> entries;
  std::size_t skipped = 0;
  std::size_t evaluations = 0;
  double relative_tolerance = 0;
  double error_factor = 0;

  /// At least one entry was looked at and every one that was passes.
  bool passed() const;
  /// kSkipped counts the skipped.
  std::size_t count(Verdict verdict) const;
  const CheckedEntry& worst() const { return entries.front(); }
  /// The counts and the `rows` worst entries as a table for people.
  std::string to_string(std::size_t rows = 10) const;
};

namespace detail {

[[noreturn]] void throw_nothing_to_check();
[[noreturn]] void throw_analytic_size(std::size_t n, std::size_t analytic);
std::vector<std::size_t> checked_indices(std::size_t n, const CheckOptions& options);

/// A probed entry before it is judged against the others.
struct Evidence {
  CheckedEntry entry;
  Shape1D shape = Shape1D::kSmooth;
  double secant = 0;
  bool flat = false;
  bool modified = false;
  bool random = false;
};
GradientCheck judge(std::vector<Evidence> evidence, std::size_t n, std::size_t evaluations,
                    const CheckOptions& options);

template <class F, class X, class E>
class GradientChecker {
 public:
  GradientChecker(F& f, X& x, const CheckOptions& options) : point_(f, x), options_(options) {}

  template <class A>
  GradientCheck check(const A& analytic) {
    const E f_x = evaluate();
    random_ = differs(f_x, evaluate());
    std::vector<Evidence> evidence;
    for (const std::size_t i : checked_indices(point_.size(), options_))
      evidence.push_back(look_at(i, static_cast<double>(analytic[i]), f_x));
    random_ |= differs(f_x, evaluate());
    for (auto& e : evidence) e.random |= random_;
    return judge(std::move(evidence), point_.size(), evaluations_, options_);
  }

 private:
  E evaluate() {
    ++evaluations_;
    return static_cast<E>(point_.evaluate());
  }
  static bool differs(E a, E b) { return a != b && !(std::isnan(a) && std::isnan(b)); }

  Evidence look_at(std::size_t i, double analytic, E f_x) {
    const auto slice = [&](E t) {
      point_.move(i, t);
      return evaluate();
    };
    point_.forget_modified();
    const E x_i = point_.original(i);
    const double target = options_.relative_tolerance / 10;
    const auto p = Probe(slice, x_i, f_x, options_.step, target).run();
    const E aside = around(x_i, options_.step, "check_gradient").above;
    const bool random = differs(slice(aside), slice(aside));
    point_.put_back(i);
    return {.entry = {.index = i,
                      .analytic = analytic,
                      .numerical = static_cast<double>(p.value),
                      .error = static_cast<double>(p.error),
                      .slope_below = static_cast<double>(p.slope_below),
                      .slope_above = static_cast<double>(p.slope_above)},
            .shape = p.shape,
            .secant = static_cast<double>(p.secant),
            .flat = p.flat,
            .modified = point_.modified(),
            .random = random};
  }

  MovingPoint<F, X, E> point_;
  CheckOptions options_;
  std::size_t evaluations_ = 0;
  bool random_ = false;
};

}  // namespace detail

/// Compares a gradient with what f itself says, entry by entry, by extrapolated differences.
/// `analytic` is a function of x or its values. An entry passes only where
///   |a - n| <= relative_tolerance·max(|a|, |n|) + error_factor·error,
/// f is smooth, deterministic and leaves its argument alone, and `error`, that of n, is within the
/// tolerance; where a is 0 and n is to within its error, within that of the largest
/// entry. Takes some 16 evaluations an entry. Throws InvalidArgument if x is empty, ShapeError if
/// the analytic gradient has another size.
template <class F, class A, class X>
  requires Point<std::remove_cvref_t<X>>
GradientCheck check_gradient(F&& f, const A& analytic, X&& x, CheckOptions options = {}) {
  using E = detail::ValueT<F, X>;
  if (detail::length(x) == 0) detail::throw_nothing_to_check();
  if (options.relative_tolerance == 0)
    options.relative_tolerance = std::same_as<E, float> ? 1e-3 : 1e-7;
  if constexpr (std::is_invocable_v<const A&, const std::remove_cvref_t<X>&>) {
    const auto values = analytic(std::as_const(x));
    return check_gradient(f, values, x, options);
  } else {
    if (static_cast<std::size_t>(analytic.size()) != detail::length(x))
      detail::throw_analytic_size(detail::length(x), static_cast<std::size_t>(analytic.size()));
    detail::GradientChecker<std::remove_reference_t<F>, std::remove_reference_t<X>, E> checker(
        f, x, options);
    return checker.check(analytic);
  }
}

template <class F, class A, std::floating_point T>
GradientCheck check_gradient(F&& f, const A& analytic, std::initializer_list<T> x,
                             const CheckOptions& options = {}) {
  const std::vector<T> point(x);
  return check_gradient(f, analytic, point, options);
}

}  // namespace gradatim
