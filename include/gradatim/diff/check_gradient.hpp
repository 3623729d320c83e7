#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
  bool constant = false;        // f was the same at every step of this coordinate
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
  const CheckedEntry& worst() const { return entries.front(); }  // a check has looked at one
  /// The counts and the `rows` worst entries as a table for people.
  std::string to_string(std::size_t rows = 10) const;
};

namespace detail {

[[noreturn]] void throw_nothing_to_check();
[[noreturn]] void throw_analytic_size(std::size_t n, std::size_t analytic);

/// f and its argument x as the checker sees them, whatever their types; E is float, double or long
/// double.
template <class E>
class CheckedFunction {
 public:
  virtual std::size_t size() const = 0;
  virtual E coordinate(std::size_t i) const = 0;
  /// f(x) with x_i = t, which stays so.
  virtual E value_at(std::size_t i, E t) = 0;
  virtual void put_back(std::size_t i) = 0;
  /// Whether f wrote to x since the last question.
  virtual bool was_modified() = 0;
  /// See MovingPoint.
  virtual bool reads_original(std::size_t& evaluations) = 0;

 protected:
  ~CheckedFunction() = default;
};

template <class E>
GradientCheck check_entries(CheckedFunction<E>& f, std::span<const double> analytic,
                            const CheckOptions& options);

template <class F, class X, class E>
class CheckedAt final : public CheckedFunction<E> {
 public:
  CheckedAt(F& f, X& x) : point_(f, x) {}

  std::size_t size() const override { return point_.size(); }
  E coordinate(std::size_t i) const override { return point_.original(i); }
  E value_at(std::size_t i, E t) override {
    point_.move(i, t);
    return static_cast<E>(point_.evaluate());
  }
  void put_back(std::size_t i) override { point_.put_back(i); }
  bool was_modified() override { return point_.take_modified(); }
  bool reads_original(std::size_t& evaluations) override {
    return point_.reads_original(evaluations);
  }

 private:
  MovingPoint<F, X, E> point_;
};

/// What Eigen evaluates anew for each entry that is asked for, such as 2 * x and A * x.
template <class A>
concept IsExpression =
    requires { typename A::PlainObject; } && !std::same_as<A, typename A::PlainObject>;

}  // namespace detail

/// Compares a gradient with what f itself says, entry by entry, by extrapolated differences.
/// `analytic` is a function of x or its values. An entry passes only where
///   |a - n| <= relative_tolerance·max(|a|, |n|) + error_factor·error,
/// f is smooth, deterministic and leaves its argument alone, and `error`, that of n, is within the
/// tolerance; where a is 0 and n is to within its error, within that of the largest entry, of how
/// steep f is at the first step or, where f does not vary at all, within relative_tolerance itself:
/// a term that drowns in a large f leaves its entry unresolved. Takes some 18 evaluations an entry
/// where f is smooth, and where f does not agree as many again as it takes to see how noisy f is:
/// stairs of what f rounds inside are not taken for jumps. Throws InvalidArgument if x is empty or
/// not finite, if the step cannot be halved eight times there, if f reads another x than it is
/// given, which can't be moved (see gradient()), max_entries 0, relative_tolerance not in [0, 1) or
/// error_factor negative or not finite, ShapeError if the analytic gradient has another size.
template <class F, class A, class X>
  requires Point<std::remove_cvref_t<X>>
GradientCheck check_gradient(F&& f, const A& analytic, X&& x, CheckOptions options = {}) {
  using E = detail::ValueT<F, X>;
  const std::size_t n = detail::length(x);
  if (n == 0) detail::throw_nothing_to_check();
  if (options.relative_tolerance == 0)
    options.relative_tolerance = std::same_as<E, float> ? 1e-3 : 1e-7;
  // Values first: to ask whether an Eigen vector can be called does not compile.
  if constexpr (detail::IsExpression<A>) {
    return check_gradient(f, typename A::PlainObject(analytic), x, options);
  } else if constexpr (requires { static_cast<double>(analytic[analytic.size()]); }) {
    const auto size = static_cast<std::size_t>(analytic.size());
    if (size != n) detail::throw_analytic_size(n, size);
    using Index = decltype(analytic.size());  // Eigen's is signed
    std::vector<double> values(n);
    for (std::size_t i = 0; i < n; ++i)
      values[i] = static_cast<double>(analytic[static_cast<Index>(i)]);
    detail::CheckedAt<std::remove_reference_t<F>, std::remove_reference_t<X>, E> point(f, x);
    return detail::check_entries<E>(point, values, options);
  } else {
    static_assert(std::is_invocable_v<const A&, const std::remove_cvref_t<X>&>,
                  "the analytic gradient must be its values or a function of x");
    const auto values = analytic(std::as_const(x));
    return check_gradient(f, values, x, options);
  }
}

template <class F, class A, Arithmetic T>
GradientCheck check_gradient(F&& f, const A& analytic, std::initializer_list<T> x,
                             const CheckOptions& options = {}) {
  const auto point = detail::point_of(x);
  return check_gradient(f, analytic, point, options);
}

template <class F, Arithmetic T, class X>
GradientCheck check_gradient(F&& f, std::initializer_list<T> analytic, X&& x,
                             const CheckOptions& options = {}) {
  return check_gradient(f, detail::point_of(analytic), x, options);
}

template <class F, Arithmetic A, Arithmetic T>
GradientCheck check_gradient(F&& f, std::initializer_list<A> analytic, std::initializer_list<T> x,
                             const CheckOptions& options = {}) {
  return check_gradient(f, detail::point_of(analytic), detail::point_of(x), options);
}

}  // namespace gradatim
