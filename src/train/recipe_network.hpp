#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "gradatim/train/recipe.hpp"

// The keys of a recipe that say what is trained: describe() of each part (see recipe_schema.hpp).
namespace gradatim::detail {

struct Range {
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
  bool low_open = false;
  bool high_open = false;
};

inline constexpr Range kPositive{.low = 0, .low_open = true};
inline constexpr Range kFraction{.low = 0, .high = 1, .high_open = true};  // [0, 1)
inline constexpr Range kNotNegative{.low = 0};
inline constexpr Range kShare{.low = 0, .high = 1};
inline constexpr Range kFactor{.low = 0, .high = 1, .low_open = true};  // (0, 1]
inline constexpr Range kCount{.low = 1, .high = 4'294'967'295.0};
inline constexpr Range kWhole{.low = 0, .high = 4'294'967'295.0};
inline constexpr Range kSeed{.low = 0, .high = 9'223'372'036'854'774'784.0};

inline std::string_view kind(const Initializer& initializer) {
  constexpr auto kNames =
      std::to_array<std::string_view>({"gaussian", "xavier", "he", "zeros", "automatic", "ones"});
  static_assert(kNames.size() == std::variant_size_v<Initializer>);
  return kNames[initializer.index()];
}

using gradatim::kind;

/// Whether a recipe can hold it.
template <class T>
inline constexpr bool kHasText = !std::is_same_v<T, Custom>;

template <class Enum>
struct EnumNames;

template <>
struct EnumNames<Sampling> {
  static constexpr std::array<std::pair<std::string_view, Sampling>, 2> kAll{{
      {"with_replacement", Sampling::with_replacement},
      {"shuffled_epochs", Sampling::shuffled_epochs},
  }};
};

template <>
struct EnumNames<GradientMethod> {
  static constexpr std::array<std::pair<std::string_view, GradientMethod>, 4> kAll{{
      {"backprop", GradientMethod::backprop},
      {"numerical", GradientMethod::numerical},
      {"dual", GradientMethod::dual},
      {"tape", GradientMethod::tape},
  }};
};

/// What has no options.
template <class Visitor, class T>
void describe(Visitor&, T&) {
  static_assert(std::is_empty_v<T>, "its options need a describe() below");
}

template <class Visitor>
void describe(Visitor& v, Gaussian& g) {
  v.field("standard_deviation", g.standard_deviation, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, Dense& layer) {
  v.required("units", layer.units, kCount);
  v.field("weight", layer.weight);
  v.field("bias", layer.bias);
}

template <class Visitor>
void describe(Visitor& v, Conv2d& layer) {
  v.required("filters", layer.filters, kCount);
  v.field("kernel", layer.kernel, kCount);
  v.field("stride", layer.stride, kCount);
  v.field("padding", layer.padding, kWhole);
  v.field("groups", layer.groups, kCount);
  v.field("weight", layer.weight);
  v.field("bias", layer.bias);
}

template <class Visitor, class Pool>
void describe_pool(Visitor& v, Pool& layer) {
  v.field("size", layer.size, kCount);
  v.field("stride", layer.stride, kCount);
  v.field("padding", layer.padding, kWhole);
}

template <class Visitor>
void describe(Visitor& v, MaxPool2d& layer) {
  describe_pool(v, layer);
}

template <class Visitor>
void describe(Visitor& v, AvgPool2d& layer) {
  describe_pool(v, layer);
}

template <class Visitor>
void describe(Visitor& v, LeakyRelu& layer) {
  v.field("slope", layer.slope, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, Dropout& layer) {
  v.field("rate", layer.rate, kFraction);
}

template <class Visitor>
void describe(Visitor& v, Residual& layer) {
  v.field("over", layer.over, kCount);
}

template <class Visitor>
void describe(Visitor& v, LayerNorm& layer) {
  v.field("epsilon", layer.epsilon, kPositive);
}

template <class Visitor>
void describe(Visitor& v, BatchNorm& layer) {
  v.field("epsilon", layer.epsilon, kPositive);
  v.field("momentum", layer.momentum, kShare);
}

template <class Visitor>
void describe(Visitor& v, SoftmaxCrossEntropy& loss) {
  v.field("label_smoothing", loss.label_smoothing, kFraction);
}

template <class Visitor>
void describe(Visitor& v, Huber& loss) {
  v.field("delta", loss.delta, kPositive);
}

template <class Visitor>
void describe(Visitor& v, Custom&) {
  v.refuse("a layer of a program's own has no text form");
}

template <class Visitor>
void describe(Visitor& v, CrossEntropy& loss) {
  v.field("epsilon", loss.epsilon, kFraction);
}

template <class Visitor>
void describe(Visitor& v, Sgd& sgd) {
  v.field("learning_rate", sgd.learning_rate, kPositive);
}

template <class Visitor>
void describe(Visitor& v, Momentum& rule) {
  v.field("learning_rate", rule.learning_rate, kPositive);
  v.field("momentum", rule.momentum, kFraction);
}

template <class Visitor>
void describe(Visitor& v, Nesterov& rule) {
  v.field("learning_rate", rule.learning_rate, kPositive);
  v.field("momentum", rule.momentum, kFraction);
}

template <class Visitor>
void describe(Visitor& v, AdaGrad& rule) {
  v.field("learning_rate", rule.learning_rate, kPositive);
  v.field("epsilon", rule.epsilon, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, RmsProp& rule) {
  v.field("learning_rate", rule.learning_rate, kPositive);
  v.field("decay", rule.decay, kFraction);
  v.field("epsilon", rule.epsilon, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, Adam& rule) {
  v.field("learning_rate", rule.learning_rate, kPositive);
  v.field("beta1", rule.beta1, kFraction);
  v.field("beta2", rule.beta2, kFraction);
  v.field("epsilon", rule.epsilon, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, AdamW& rule) {
  v.field("learning_rate", rule.learning_rate, kPositive);
  v.field("beta1", rule.beta1, kFraction);
  v.field("beta2", rule.beta2, kFraction);
  v.field("epsilon", rule.epsilon, kNotNegative);
  v.field("weight_decay", rule.weight_decay, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, Lion& rule) {
  v.field("learning_rate", rule.learning_rate, kPositive);
  v.field("beta1", rule.beta1, kFraction);
  v.field("beta2", rule.beta2, kFraction);
}

template <class Visitor>
void describe(Visitor& v, ClipByValue& clip) {
  v.field("limit", clip.limit, kPositive);
}

template <class Visitor>
void describe(Visitor& v, ClipByGlobalNorm& clip) {
  v.field("limit", clip.limit, kPositive);
}

template <class Visitor>
void describe(Visitor& v, L2Decay& decay) {
  v.field("rate", decay.rate, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, DecoupledDecay& decay) {
  v.field("rate", decay.rate, kNotNegative);
}

template <class Visitor>
void describe(Visitor& v, StepSchedule& schedule) {
  v.field("every", schedule.every, kCount);
  v.field("factor", schedule.factor, kFactor);
}

template <class Visitor>
void describe(Visitor& v, ExponentialSchedule& schedule) {
  v.field("every", schedule.every, kCount);
  v.field("factor", schedule.factor, kFactor);
}

template <class Visitor>
void describe(Visitor& v, CosineSchedule& schedule) {
  v.field("final", schedule.final, kShare);
}

template <class Visitor>
void describe(Visitor& v, OneCycle& schedule) {
  v.field("rise", schedule.rise, kShare);
  v.field("start", schedule.start, kShare);
  v.field("final", schedule.final, kShare);
}

template <class Visitor>
void describe(Visitor& v, Network& network) {
  v.required("input", network.input);
  v.required("layers", network.layers);
}

}  // namespace gradatim::detail
