#include "gradatim/data/generated.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "gradatim/core/random.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kTrainSamples = 8000;
constexpr std::size_t kTestSamples = 2000;
constexpr std::uint32_t kFeatureStream = 0x66656174;  // "feat"
constexpr std::uint32_t kNoiseStream = 0x6E6F6973;    // "nois"

Split friedman1_split(std::size_t samples, std::uint64_t seed) {
  Split split{.features = Tensor({samples, 10}), .targets = Tensor({samples, 1})};
  fill_uniform(split.features.values(), {.seed = seed, .stream = kFeatureStream});
  fill_normal(split.targets.values(), {.seed = seed, .stream = kNoiseStream});
  for (std::size_t i = 0; i < samples; ++i) {
    const auto x = split.features.view().row(i);
    const double y = 10 * std::sin(std::numbers::pi * static_cast<double>(x[0]) * x[1]) +
                     20 * std::pow(static_cast<double>(x[2]) - 0.5, 2) + 10.0 * x[3] + 5.0 * x[4];
    split.targets.values()[i] += static_cast<float>(y);
  }
  return split;
}

Dataset friedman1() {
  Dataset data{.name = "friedman1",
               .train = friedman1_split(kTrainSamples, 1),
               .test = friedman1_split(kTestSamples, 2)};
  for (int i = 1; i <= 10; ++i) data.columns.features.push_back({.name = fmt::format("x{}", i)});
  data.columns.targets = {{.name = "y"}};
  return data;
}

struct Disc {
  float x, y, radius;
};
constexpr std::array<Disc, 3> kDiscs{{{-0.3F, 0.2F, 0.5F}, {0.3F, 0.2F, 0.5F}, {0, -0.3F, 0.5F}}};

Split discs_split(std::size_t samples, std::uint64_t seed) {
  Split split{.features = Tensor({samples, 2}), .targets = Tensor({samples, kDiscs.size()})};
  fill_uniform(split.features.values(), {.seed = seed, .stream = kFeatureStream}, -1, 1);
  for (std::size_t i = 0; i < samples; ++i) {
    const auto x = split.features.view().row(i);
    for (std::size_t k = 0; k < kDiscs.size(); ++k)
      split.targets.view()(i, k) =
          std::hypot(x[0] - kDiscs[k].x, x[1] - kDiscs[k].y) < kDiscs[k].radius ? 1.0F : 0.0F;
  }
  return split;
}

Dataset discs() {
  return {.name = "discs",
          .train = discs_split(kTrainSamples, 1),
          .test = discs_split(kTestSamples, 2),
          .columns = {.features = {{.name = "x"}, {.name = "y"}},
                      .targets = {{.name = "left"}, {.name = "right"}, {.name = "below"}}}};
}

constexpr std::array<GeneratedDataset, 2> kGenerated{{
    {.name = "friedman1",
     .title = "Friedman #1: 10,000 samples of ten features and one value to predict",
     .formula = "y = 10 sin(pi x1 x2) + 20 (x3 - 0.5)^2 + 10 x4 + 5 x5 + N(0, 1)",
     .make = friedman1},
    {.name = "discs",
     .title = "Discs: 10,000 points and which of three overlapping discs they lie in",
     .formula = "label k: |(x, y) - centre k| < 0.5",
     .make = discs},
}};

}  // namespace

std::span<const GeneratedDataset> generated_datasets() { return kGenerated; }

const GeneratedDataset* find_generated(std::string_view name) {
  const auto* found = std::ranges::find(kGenerated, name, &GeneratedDataset::name);
  return found != kGenerated.end() ? found : nullptr;
}

}  // namespace gradatim
