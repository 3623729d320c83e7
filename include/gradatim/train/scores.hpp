#pragma once

#include <limits>
#include <string_view>
#include <vector>

#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

/// What the targets of samples are, and so what is said of a network's outputs.
enum class TargetKind {
  classes,  // one of several: labels
  labels,   // yes or no for each output on its own: values 0 and 1 with binary_cross_entropy
  values,   // numbers to come close to
};
TargetKind target_kind(const Loss& loss, const Split& split);

/// How a network does on some samples; NaN for what the kind of their targets gives no meaning to.
struct Scores {
  static constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  double loss = kNothing;      // mean over the samples, of targets as they are scaled
  double accuracy = kNothing;  // classes: share recognised; labels: share of right answers
  double f1 = kNothing;        // labels: the mean over the labels of 2 tp / (2 tp + fp + fn)
  double r2 = kNothing;        // values: 1 - sum of squared errors / sum of squared deviations
  double mae = kNothing;       // values: mean of |y - t|, in the unit of t before it was scaled
  double mse = kNothing;       // values: mean of (y - t)², in the square of that unit
};

/// A score by its name in metrics.csv and summary.json.
struct Figure {
  std::string_view name;
  double Scores::*value;
};
/// Those that have a meaning, the one that says most first; the loss is not among them.
std::vector<Figure> figures(TargetKind kind);

}  // namespace gradatim
