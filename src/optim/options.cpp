#include "optim/options.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

// The options of whatever is called `owner`.
class Check {
 public:
  explicit Check(std::string_view owner) : owner_(owner) {}

  void positive(std::string_view option, float value) const {
    if (!std::isfinite(value) || value <= 0) fail(option, "positive and finite", value);
  }
  void not_negative(std::string_view option, float value) const {
    if (!std::isfinite(value) || value < 0) fail(option, "finite and not negative", value);
  }
  void fraction(std::string_view option, float value) const {
    if (!(value >= 0 && value < 1)) fail(option, "in [0, 1)", value);
  }

 private:
  [[noreturn]] void fail(std::string_view option, std::string_view range, float value) const {
    throw InvalidArgument(fmt::format("{}: {} must be {}, got {}", owner_, option, range, value));
  }

  std::string_view owner_;
};

void check_options(const Check& check, const Sgd& sgd) {
  check.positive("learning_rate", sgd.learning_rate);
}

template <class WithMomentum>
void check_momentum(const Check& check, const WithMomentum& rule) {
  check.positive("learning_rate", rule.learning_rate);
  check.fraction("momentum", rule.momentum);
}
void check_options(const Check& check, const Momentum& rule) { check_momentum(check, rule); }
void check_options(const Check& check, const Nesterov& rule) { check_momentum(check, rule); }

void check_options(const Check& check, const AdaGrad& rule) {
  check.positive("learning_rate", rule.learning_rate);
  check.not_negative("epsilon", rule.epsilon);
}

void check_options(const Check& check, const RmsProp& rule) {
  check.positive("learning_rate", rule.learning_rate);
  check.fraction("decay", rule.decay);
  check.not_negative("epsilon", rule.epsilon);
}

template <class WithBetas>
void check_betas(const Check& check, const WithBetas& rule) {
  check.positive("learning_rate", rule.learning_rate);
  check.fraction("beta1", rule.beta1);
  check.fraction("beta2", rule.beta2);
}
void check_options(const Check& check, const Lion& rule) { check_betas(check, rule); }
void check_options(const Check& check, const Adam& rule) {
  check_betas(check, rule);
  check.not_negative("epsilon", rule.epsilon);
}
void check_options(const Check& check, const AdamW& rule) {
  check_betas(check, rule);
  check.not_negative("epsilon", rule.epsilon);
  check.not_negative("weight_decay", rule.weight_decay);
}

void check_options(const Check&, const NoClipping&) {}
void check_options(const Check& check, const ClipByValue& clip) {
  check.positive("limit", clip.limit);
}
void check_options(const Check& check, const ClipByGlobalNorm& clip) {
  check.positive("limit", clip.limit);
}

void check_options(const Check&, const NoDecay&) {}
void check_options(const Check& check, const L2Decay& decay) {
  check.not_negative("rate", decay.rate);
}
void check_options(const Check& check, const DecoupledDecay& decay) {
  check.not_negative("rate", decay.rate);
}

template <class Variant>
void check_choice(std::string_view owner, const Variant& variant) {
  std::visit([&](const auto& choice) { check_options(Check(owner), choice); }, variant);
}

}  // namespace

void validate(const Descent& descent) {
  check_choice(kind(descent.optimizer), descent.optimizer);
  check_choice("clipping", descent.clipping);
  check_choice("weight_decay", descent.weight_decay);
  learning_rate_factor(descent.schedule, 0, descent.steps, descent.warmup);
}

std::string_view kind(const Optimizer& optimizer) {
  static constexpr auto kKinds = std::to_array<std::string_view>(
      {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion"});
  static_assert(kKinds.size() == std::variant_size_v<Optimizer>);
  return kKinds.at(optimizer.index());
}

std::string_view kind(const Clipping& clipping) {
  static constexpr auto kKinds = std::to_array<std::string_view>({"none", "value", "global_norm"});
  static_assert(kKinds.size() == std::variant_size_v<Clipping>);
  return kKinds.at(clipping.index());
}

std::string_view kind(const WeightDecay& decay) {
  static constexpr auto kKinds = std::to_array<std::string_view>({"none", "l2", "decoupled"});
  static_assert(kKinds.size() == std::variant_size_v<WeightDecay>);
  return kKinds.at(decay.index());
}

}  // namespace gradatim
