#include "gradatim/core/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace gradatim {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(char a, char b) { return lower(a) == lower(b); }

struct Costs {
  std::size_t insertion = 1;
  std::size_t deletion = 1;
  std::size_t substitution = 1;
  std::size_t swap = 1;
};

// The least cost of turning a into b.
std::size_t weighted_distance(std::string_view a, std::string_view b, const Costs& costs) {
  // Rows i-2, i-1 and i of the table whose entry (i, j) is the cost of a[0, i) to b[0, j).
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j * costs.insertion;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i * costs.deletion;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted =
          above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : costs.substitution);
      row[j] = std::min({above[j] + costs.deletion, row[j - 1] + costs.insertion, substituted});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + costs.swap);
    }
  }
  return row.back();
}

bool begins_with(std::string_view name, std::string_view beginning) {
  return beginning.size() >= 3 && edit_distance(name.substr(0, beginning.size()), beginning) == 0;
}

bool is_near(std::string_view given, std::string_view candidate) {
  if (begins_with(given, candidate) || begins_with(candidate, given)) return true;
  const std::size_t lost = weighted_distance(given, candidate, {.insertion = 0});
  return 3 * lost <= given.size() && 5 * edit_distance(given, candidate) <= 3 * candidate.size();
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  return weighted_distance(a, b, {});
}

std::string_view nearest(std::string_view given, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t least = static_cast<std::size_t>(-1);
  for (const std::string_view candidate : candidates) {
    const std::size_t distance =
        weighted_distance(given, candidate, {.deletion = 3, .substitution = 2});
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
}

std::string did_you_mean(std::string_view given, std::span<const std::string_view> candidates) {
  constexpr std::size_t kMostListed = 32;
  if (candidates.empty()) return "";
  const std::string_view best = nearest(given, candidates);
  if (is_near(given, best)) return fmt::format("; did you mean '{}'?", best);
  std::vector<std::string_view> names;
  for (const std::string_view candidate : candidates)
    if (std::ranges::find(names, candidate) == names.end()) names.push_back(candidate);
  const bool all = names.size() <= kMostListed;
  if (!all) names.resize(kMostListed);
  return fmt::format("; expected one of {}{}", fmt::join(names, ", "), all ? "" : ", ...");
}

}  // namespace gradatim
