#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "train/recipe_network.hpp"

// The keys of a recipe that say how it trains: describe() of each table (see recipe_schema.hpp).

namespace gradatim::detail {

template <>
struct EnumNames<Monitor> {
  static constexpr std::array<std::pair<std::string_view, Monitor>, 2> kAll{{
      {"loss", Monitor::loss},
      {"score", Monitor::score},
  }};
};

template <class Visitor>
void describe(Visitor& v, Checkpoints& checkpoints) {
  v.field("every", checkpoints.every, kWhole);
  v.field("keep", checkpoints.keep, kCount);
}

template <class Visitor>
void describe(Visitor& v, TableOptions& table) {
  v.field("targets", table.targets);
  v.field("ignore", table.ignore);
  v.field("test", table.test, kFraction);
}

template <class Visitor>
void describe(Visitor& v, HoldOut& part) {
  v.field("fraction", part.fraction, kFraction);
  v.field("count", part.count, kWhole);
}

template <class Visitor>
void describe(Visitor& v, EvaluationPlan& plan) {
  v.field("train_samples", plan.train_samples, kWhole);
}

template <class Visitor>
void describe(Visitor& v, WeightAverage& average) {
  v.field("decay", average.decay, kFraction);
}

template <class Visitor>
void describe(Visitor& v, EarlyStopping& stopping) {
  v.field("patience", stopping.patience, kWhole);
  v.field("min_delta", stopping.min_delta, kNotNegative);
  v.field("monitor", stopping.monitor);
}

template <class Visitor>
void describe(Visitor& v, ListedClasses& listed) {
  v.required("weights", listed.weights, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, Augmentation& augmentation) {
  v.field("shift", augmentation.shift, kNotNegative);
  v.field("rotate", augmentation.rotate, Range{.low = 0, .high = 180});
  v.field("scale", augmentation.scale, kFraction);
  v.field("flip", augmentation.flip, kShare);
  v.field("erase", augmentation.erase, kShare);
  v.field("erase_size", augmentation.erase_size, Range{.low = 1});
}

/// All of them, behind the keys of the descent.
template <class Visitor>
void describe_training(Visitor& v, Recipe& recipe) {
  v.table("validation", recipe.validation);
  v.table("early_stopping", recipe.options.early_stopping);
  v.table("average", recipe.options.average);
  v.field("class_weights", recipe.options.class_weights);
  v.table("augmentation", recipe.options.augmentation);
  v.table("evaluation", recipe.options.evaluation);
  v.table("checkpoints", recipe.options.checkpoints);
}

}  // namespace gradatim::detail
