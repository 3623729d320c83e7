#include "train/best_weights.hpp"

#include <fmt/format.h>

#include <cmath>

#include "gradatim/core/error.hpp"

namespace gradatim {

BestWeights::BestWeights(const EarlyStopping& options, TargetKind kind,
                         std::size_t validation_samples)
    : options_(options),
      value_(options.monitor == Monitor::loss ? &Scores::loss : figures(kind).front().value),
      sign_(options.monitor == Monitor::loss ? -1 : 1) {
  if (!(options.min_delta >= 0) || !std::isfinite(options.min_delta))
    throw InvalidArgument(
        fmt::format("early_stopping: min_delta must be at least 0, got {}", options.min_delta));
  if (active() && validation_samples == 0)
    throw InvalidArgument(
        "early_stopping: there are no validation samples; hold some out: validation = { fraction = "
        "0.1 }");
}

bool BestWeights::observe(const Scores& validation, std::size_t epoch,
                          std::span<const float> theta) {
  const double value = validation.*value_;
  const bool first = epoch_ == 0 && !std::isnan(value);
  if (first || sign_ * (value - best_) > 0) {
    best_ = value;
    epoch_ = epoch;
    theta_.assign(theta.begin(), theta.end());
  }
  if (first || sign_ * (value - reference_) > static_cast<double>(options_.min_delta)) {
    reference_ = value;
    waited_ = 0;
    return true;
  }
  return ++waited_ < options_.patience;
}

void BestWeights::save(TrainState& state) const {
  if (!active()) return;
  state.numbers["best_waited"] = static_cast<double>(waited_);
  if (epoch_ == 0) return;
  state.numbers["best_value"] = best_;
  state.numbers["best_reference"] = reference_;
  state.numbers["best_epoch"] = static_cast<double>(epoch_);
  state.tensors.push_back({"best", ConstTensorView(theta_, {theta_.size()})});
}

void BestWeights::restore(const TrainState& state, std::size_t size) {
  const auto number = [&](const char* name) {
    const auto found = state.numbers.find(name);
    if (found == state.numbers.end())
      throw DataError(fmt::format("state of step {}: expected a number '{}'", state.step, name));
    return found->second;
  };
  waited_ = static_cast<std::size_t>(number("best_waited"));
  if (!state.numbers.contains("best_epoch")) return;  // no evaluation gave a number yet
  best_ = number("best_value");
  reference_ = number("best_reference");
  epoch_ = static_cast<std::size_t>(number("best_epoch"));
  const auto theta = find_tensor(state, "best", size);
  theta_.assign(theta.begin(), theta.end());
}

}  // namespace gradatim
