#include "train/class_weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

std::vector<float> balanced(std::span<const std::int32_t> labels, std::size_t classes) {
  std::vector<std::size_t> counts(classes);
  for (const std::int32_t label : labels) ++counts[static_cast<std::size_t>(label)];
  const auto present =
      static_cast<double>(std::ranges::count_if(counts, [](auto n) { return n > 0; }));
  std::vector<float> weights(classes);
  for (std::size_t c = 0; c < classes; ++c)
    if (counts[c] > 0)
      weights[c] = static_cast<float>(static_cast<double>(labels.size()) /
                                      (present * static_cast<double>(counts[c])));
  return weights;
}

void check_labels(std::span<const std::int32_t> labels, std::size_t classes) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || static_cast<std::size_t>(labels[i]) >= classes)
      throw InvalidArgument(fmt::format("class_weights: expected labels in [0, {}), label {} is {}",
                                        classes, i, labels[i]));
}

}  // namespace

std::string_view kind(const ClassWeights& weights) {
  constexpr auto kNames = std::to_array<std::string_view>({"equal", "balanced", "listed"});
  static_assert(kNames.size() == std::variant_size_v<ClassWeights>);
  return kNames[weights.index()];
}

std::vector<float> weights_of_classes(const ClassWeights& weights,
                                      std::span<const std::int32_t> labels, std::size_t classes) {
  if (std::holds_alternative<EqualClasses>(weights)) return {};
  if (labels.empty())
    throw InvalidArgument("class_weights: expected samples of classes, these have other targets");
  check_labels(labels, classes);
  if (std::holds_alternative<BalancedClasses>(weights)) return balanced(labels, classes);
  const auto& listed = std::get<ListedClasses>(weights).weights;
  if (listed.size() != classes)
    throw InvalidArgument(
        fmt::format("class_weights: expected {} weights, got {}", classes, listed.size()));
  const bool good = std::ranges::all_of(listed, [](float w) { return w >= 0 && std::isfinite(w); });
  if (!good || std::ranges::all_of(listed, [](float w) { return w == 0; }))
    throw InvalidArgument("class_weights: expected weights that are not negative and not all zero");
  return listed;
}

}  // namespace gradatim
