#include "gradatim/diff/check_gradient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>

#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"

namespace gradatim {
namespace {

using detail::Evidence;
using detail::Shape1D;

/// What is a rounded zero, next to the largest entry of a gradient.
constexpr double kZero = 4 * std::numeric_limits<double>::epsilon();

double finite_magnitude(double value) { return std::isfinite(value) ? std::abs(value) : 0; }

double largest_entry(const std::vector<Evidence>& evidence) {
  double largest = 0;
  for (const auto& e : evidence)
    largest = std::max(
        {largest, finite_magnitude(e.entry.analytic), finite_magnitude(e.entry.numerical)});
  return largest;
}

Verdict judge_smooth(Evidence& e, double largest, const CheckOptions& options) {
  CheckedEntry& entry = e.entry;
  if (!std::isfinite(entry.analytic)) return Verdict::kNonFinite;
  if (e.flat && entry.analytic == 0) return Verdict::kPass;  // f does not depend on it at all
  const double magnitude = std::max(std::abs(entry.analytic), std::abs(entry.numerical));
  const double uncertainty = options.error_factor * entry.error;
  double tolerance = options.relative_tolerance * magnitude;
  entry.ratio = std::abs(entry.analytic - entry.numerical) / (tolerance + uncertainty);
  if (!(entry.ratio <= 1)) return Verdict::kFail;
  // A zero has no relative precision; it is resolved if the error is small next to the gradient.
  if (std::abs(entry.analytic) <= kZero * largest && magnitude <= uncertainty)
    tolerance = options.relative_tolerance * std::max(largest, e.secant);
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

std::string remark(const CheckedEntry& entry) {
  if (entry.verdict != Verdict::kKink) return {};
  return fmt::format(" (slopes {:.6g} and {:.6g}; the analytic value is {} them)",
                     entry.slope_below, entry.slope_above,
                     entry.between_slopes ? "between" : "not between");
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  constexpr std::array<std::string_view, 10> kNames{
      "pass",          "skipped",         "unresolved",
      "kink",          "both-non-finite", "non-finite",
      "discontinuity", "input-modified",  "non-deterministic",
      "fail"};
  return kNames.at(static_cast<std::size_t>(verdict));
}

bool GradientCheck::passed() const {
  return !entries.empty() && count(Verdict::kPass) == entries.size();
}

std::size_t GradientCheck::count(Verdict verdict) const {
  if (verdict == Verdict::kSkipped) return skipped;
  return static_cast<std::size_t>(std::ranges::count(entries, verdict, &CheckedEntry::verdict));
}

std::string GradientCheck::to_string(std::size_t rows) const {
  std::string text =
      fmt::format("gradient check: {} ({} of {} entries passed", passed() ? "passed" : "NOT PASSED",
                  count(Verdict::kPass), entries.size());
  for (int v = static_cast<int>(Verdict::kSkipped); v <= static_cast<int>(Verdict::kFail); ++v) {
    const auto verdict = static_cast<Verdict>(v);
    if (count(verdict) > 0)
      text += fmt::format(", {} {}", count(verdict), gradatim::to_string(verdict));
  }
  text += fmt::format("; relative tolerance {:g}, {:g} errors; {} evaluations)\n",
                      relative_tolerance, error_factor, evaluations);
  if (rows == 0) return text;
  text += fmt::format("{:>8}  {:>24}  {:>24}  {:>9}  {:>9}  {}\n", "entry", "analytic", "numerical",
                      "error", "ratio", "verdict");
  for (const auto& entry : std::span(entries).first(std::min(rows, entries.size())))
    text += fmt::format("{:>8}  {:>24.16g}  {:>24.16g}  {:>9.2g}  {:>9.3g}  {}{}\n", entry.index,
                        entry.analytic, entry.numerical, entry.error, entry.ratio,
                        gradatim::to_string(entry.verdict), remark(entry));
  if (rows < entries.size()) text += fmt::format("  ... and {} more\n", entries.size() - rows);
  return text;
}

namespace detail {

void throw_nothing_to_check() {
  throw InvalidArgument("check_gradient: expected at least one coordinate, got an empty x");
}

void throw_analytic_size(std::size_t n, std::size_t analytic) {
  throw ShapeError(
      fmt::format("check_gradient: expected an analytic gradient of {} entries, as x has, got {}",
                  n, analytic));
}

std::vector<std::size_t> checked_indices(std::size_t n, const CheckOptions& options) {
  std::vector<std::size_t> indices(std::min(n, options.max_entries));
  if (indices.empty()) throw_nothing_to_check();
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

}  // namespace detail
}  // namespace gradatim
