#include "gradatim/diff/check_gradient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "diff/probe.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"

namespace gradatim {
namespace {

using detail::CheckedFunction;
using detail::CheckedSlice;
using detail::Shape1D;

/// A probed entry before it is judged against the others.
struct Evidence {
  CheckedEntry entry;
  Shape1D shape = Shape1D::kSmooth;
  double secant = 0;
  bool modified = false;
  bool random = false;
};

/// What is a rounded zero, next to the largest entry of a gradient.
constexpr double kZero = 4 * std::numeric_limits<double>::epsilon();

double finite_magnitude(double value) { return std::isfinite(value) ? std::abs(value) : 0; }

/// Of what both gradients have: a wrong entry is no scale for the others.
double largest_entry(const std::vector<Evidence>& evidence) {
  double largest = 0;
  for (const auto& e : evidence)
    largest = std::max(
        largest, std::min(finite_magnitude(e.entry.analytic), finite_magnitude(e.entry.numerical)));
  return largest;
}

Verdict judge_smooth(Evidence& e, double largest, const CheckOptions& options) {
  CheckedEntry& entry = e.entry;
  if (!std::isfinite(entry.analytic)) return Verdict::kNonFinite;
  if (!std::isfinite(entry.numerical)) return Verdict::kUnresolved;
  const double magnitude = std::max(std::abs(entry.analytic), std::abs(entry.numerical));
  const double uncertainty = options.error_factor * entry.error;
  double tolerance = options.relative_tolerance * magnitude;
  const double off = std::abs(entry.analytic - entry.numerical);
  entry.ratio = off == 0 ? 0 : off / (tolerance + uncertainty);
  if (!(entry.ratio <= 1)) return Verdict::kFail;
  // A zero has no relative precision; it is resolved if the error is small next to the gradient, to
  // slopes at the first step or, where f does not vary at all, next to 1.
  if (std::abs(entry.analytic) <= kZero * largest && magnitude <= uncertainty)
    tolerance =
        options.relative_tolerance * std::max({largest, e.secant, entry.constant ? 1.0 : 0.0});
  return entry.error <= tolerance ? Verdict::kPass : Verdict::kUnresolved;
}

Verdict judge_entry(Evidence& e, double largest, const CheckOptions& options) {
  CheckedEntry& entry = e.entry;
  if (e.random) return Verdict::kNonDeterministic;
  if (e.modified) return Verdict::kInputModified;
  const auto [low, high] = std::minmax(entry.slope_below, entry.slope_above);
  entry.between_slopes = low <= entry.analytic && entry.analytic <= high;
  switch (e.shape) {
    case Shape1D::kKink:
      return Verdict::kKink;
    case Shape1D::kJump:
      return Verdict::kDiscontinuity;
    case Shape1D::kUnbounded:
    case Shape1D::kNonFinite:
      return std::isfinite(entry.analytic) ? Verdict::kNonFinite : Verdict::kBothNonFinite;
    case Shape1D::kSmooth:
      break;
  }
  return judge_smooth(e, largest, options);
}

std::vector<std::size_t> checked_indices(std::size_t n, const CheckOptions& options) {
  std::vector<std::size_t> indices(std::min(n, options.max_entries));
  if (indices.empty())
    throw InvalidArgument("check_gradient: expected max_entries of at least 1, got 0");
  if (indices.size() == n) {
    std::iota(indices.begin(), indices.end(), std::size_t{0});
    return indices;
  }
  std::vector<std::uint32_t> sample(indices.size());
  choice_without_replacement(sample, static_cast<std::uint32_t>(n), {.seed = options.seed});
  std::ranges::sort(sample);
  std::ranges::copy(sample, indices.begin());
  return indices;
}

GradientCheck judge(std::vector<Evidence> evidence, std::size_t n, std::size_t evaluations,
                    const CheckOptions& options) {
  GradientCheck check{.entries = {},
                      .skipped = n - evidence.size(),
                      .evaluations = evaluations,
                      .relative_tolerance = options.relative_tolerance,
                      .error_factor = options.error_factor};
  const double largest = largest_entry(evidence);
  for (auto& e : evidence) {
    e.entry.verdict = judge_entry(e, largest, options);
    check.entries.push_back(e.entry);
  }
  std::ranges::stable_sort(check.entries, [](const CheckedEntry& a, const CheckedEntry& b) {
    return a.verdict != b.verdict ? a.verdict > b.verdict : a.ratio > b.ratio;
  });
  return check;
}

void require_at_least_zero(double value, const char* name) {
  if (!(value >= 0))
    throw InvalidArgument(
        fmt::format("check_gradient: expected {} of at least 0, got {}", name, value));
}

template <class E>
bool differs(E a, E b) {
  return a != b && !(std::isnan(a) && std::isnan(b));
}

template <class E>
Evidence look_at(const CheckedSlice<E>& slice, double analytic, E f_x,
                 const CheckOptions& options) {
  constexpr int kLeastHalvings = 8;  // of the step, for a table that says anything
  const E x_i = slice.f.coordinate(slice.i);
  detail::around(x_i, options.step, kLeastHalvings, "check_gradient");
  const auto p = detail::probe(slice, x_i, f_x, analytic,
                               {.step = options.step, .target = options.relative_tolerance / 10});
  const E aside = detail::around(x_i, options.step, "check_gradient").above;
  const bool random = differs(slice(aside), slice(aside));
  slice.f.put_back(slice.i);
  return {.entry = {.index = slice.i,
                    .analytic = analytic,
                    .numerical = static_cast<double>(p.value),
                    .error = std::max(static_cast<double>(p.error),
                                      std::numeric_limits<double>::min()),  // 0 in long double
                    .slope_below = static_cast<double>(p.slope_below),
                    .slope_above = static_cast<double>(p.slope_above),
                    .constant = p.flat},
          .shape = p.shape,
          .secant = static_cast<double>(p.secant),
          .modified = slice.f.was_modified(),
          .random = random};
}

}  // namespace

namespace detail {

void throw_nothing_to_check() {
  throw InvalidArgument("check_gradient: expected at least one coordinate, got an empty x");
}

void throw_analytic_size(std::size_t n, std::size_t analytic) {
  throw ShapeError(
      fmt::format("check_gradient: expected an analytic gradient of {} entries, as x has, got {}",
                  n, analytic));
}

// An infinite tolerance would pass anything.
static void require_tolerances(const CheckOptions& options) {
  require_at_least_zero(options.relative_tolerance, "a relative_tolerance");
  require_at_least_zero(options.error_factor, "an error_factor");
  if (options.relative_tolerance < 1 && std::isfinite(options.error_factor)) return;
  throw InvalidArgument(fmt::format(
      "check_gradient: expected a relative_tolerance below 1 and a finite error_factor, "
      "got {} and {}",
      options.relative_tolerance, options.error_factor));
}

template <class E>
GradientCheck check_entries(CheckedFunction<E>& f, std::span<const double> analytic,
                            const CheckOptions& options) {
  require_tolerances(options);
  std::size_t evaluations = 0;
  const CheckedSlice<E> first{f, 0, evaluations};
  const E f_x = first(f.coordinate(0));
  bool random = differs(f_x, first(f.coordinate(0)));
  const bool modified = f.was_modified();
  std::vector<Evidence> evidence;
  for (const std::size_t i : checked_indices(f.size(), options))
    evidence.push_back(look_at({f, i, evaluations}, analytic[i], f_x, options));
  const auto is_constant = [](const Evidence& e) { return e.entry.constant; };
  if (std::ranges::all_of(evidence, is_constant) && f.reads_original(evaluations))
    throw_reads_another_x("check_gradient");
  random |= differs(f_x, first(f.coordinate(0)));
  for (auto& e : evidence) {
    e.random |= random;
    e.modified |= modified;
  }
  return judge(std::move(evidence), f.size(), evaluations, options);
}

template GradientCheck check_entries(CheckedFunction<float>&, std::span<const double>,
                                     const CheckOptions&);
template GradientCheck check_entries(CheckedFunction<double>&, std::span<const double>,
                                     const CheckOptions&);
template GradientCheck check_entries(CheckedFunction<long double>&, std::span<const double>,
                                     const CheckOptions&);

}  // namespace detail
}  // namespace gradatim
