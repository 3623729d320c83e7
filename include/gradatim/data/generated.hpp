#pragma once

#include <span>
#include <string_view>

#include "gradatim/data/dataset.hpp"

namespace gradatim {

/// A data set that is computed, the same everywhere, from Philox: nothing to download.
struct GeneratedDataset {
  std::string_view name;
  std::string_view title;
  std::string_view formula;
  Dataset (*make)();
};

///   friedman1  values: y = 10 sin(pi x1 x2) + 20 (x3 - 0.5)² + 10 x4 + 5 x5 + e, ten features
///              uniform in [0, 1), e ~ N(0, 1): an R² of about 0.96 is the best there is
///              (Friedman, "Multivariate adaptive regression splines", 1991)
///   discs      labels: which of three discs that overlap a point of [-1, 1)² lies in
std::span<const GeneratedDataset> generated_datasets();

/// Null if none has this name.
const GeneratedDataset* find_generated(std::string_view name);

}  // namespace gradatim
