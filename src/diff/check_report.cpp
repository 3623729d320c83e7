#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "gradatim/diff/check_gradient.hpp"

namespace gradatim {
namespace {

/// In `digits` digits; the sign of a NaN means nothing.
std::string number(double value, int digits) {
  return std::isnan(value) ? "nan" : fmt::format("{:.{}g}", value, digits);
}

std::string remark(const CheckedEntry& entry) {
  if (entry.verdict != Verdict::kKink) return {};
  return fmt::format(" (slopes {:.6g} and {:.6g}; the analytic value is {} them)",
                     entry.slope_below, entry.slope_above,
                     entry.between_slopes ? "between" : "not between");
}

/// Whether f, which leaves its argument alone, was the same at all points: as a constant is, and an
/// f that reads another x than the one it is given.
bool never_changed(const GradientCheck& check) {
  return !check.entries.empty() && check.count(Verdict::kInputModified) == 0 &&
         std::ranges::all_of(check.entries,
                             [](const CheckedEntry& entry) { return entry.constant; });
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
  if (never_changed(*this))
    text += "  f did not change at any point looked at: is it the x it is given that it reads?\n";
  if (rows == 0) return text;
  text += fmt::format("{:>8}  {:>24}  {:>24}  {:>9}  {:>9}  {}\n", "entry", "analytic", "numerical",
                      "error", "ratio", "verdict");
  for (const auto& entry : std::span(entries).first(std::min(rows, entries.size())))
    text +=
        fmt::format("{:>8}  {:>24}  {:>24}  {:>9}  {:>9}  {}{}\n", entry.index,
                    number(entry.analytic, 16), number(entry.numerical, 16), number(entry.error, 2),
                    number(entry.ratio, 3), gradatim::to_string(entry.verdict), remark(entry));
  if (rows < entries.size()) text += fmt::format("  ... and {} more\n", entries.size() - rows);
  return text;
}

}  // namespace gradatim
