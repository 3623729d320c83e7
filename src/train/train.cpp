#include "gradatim/train/train.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/data/hold_out.hpp"
#include "gradatim/train/evaluation.hpp"
#include "train/best_weights.hpp"
#include "train/decaying.hpp"
#include "train/fit.hpp"
#include "train/step_gradient.hpp"
#include "train/training_clock.hpp"
#include "train/weight_average.hpp"

namespace gradatim {
namespace {

Descent descent_of(const TrainOptions& options) {
  return {.optimizer = options.optimizer,
          .schedule = options.schedule,
          .warmup = options.warmup,
          .steps = options.steps,
          .clipping = options.clipping,
          .weight_decay = options.weight_decay};
}

// None if all are scored.
std::optional<Split> scored_samples(const Split& train, const EvaluationPlan& plan) {
  const std::size_t count = plan.train_samples;
  if (count == 0 || count >= train.size()) return std::nullopt;
  std::vector<std::uint32_t> indices(count);
  for (std::size_t i = 0; i < count; ++i)
    indices[i] = static_cast<std::uint32_t>(i * train.size() / count);
  return select(train, indices);
}

class Training {
 public:
  Training(const Network& network, const Dataset& data, const TrainOptions& options,
           TrainObserver& observer, const TrainState* from)
      : network_(network),
        data_(data),
        scored_samples_(scored_samples(data.train, options.evaluation)),
        options_(options),
        observer_(observer),
        epoch_steps_(steps_per_epoch(data.train.size(), samples_per_step(options))),
        pool_(options.threads),
        gradient_(network, data.train, options),
        parameters_(initialize(network, options.seed)),
        optimizer_(descent_of(options), gradient_.layout().size,
                   decaying_parameters(gradient_.layout(), options.no_decay)),
        average_(options.average, parameters_.theta()),
        best_(options.early_stopping, target_kind(options.loss, data.train),
              data.validation.size()) {
    if (from != nullptr) restore(*from);
  }

  TrainResult run() {
    clock_.start();
    bool going = result_.steps == 0 || after_step(true);
    while (going) going = after_step(step());
    return finished();
  }

 private:
  // batch → forward → loss → backward → update → record; false ends the training.
  bool step() {
    const auto theta = parameters_.theta();
    const double loss = gradient_.at(result_.steps, theta, pool_);
    if (!std::isfinite(loss)) {
      result_.reason = StopReason::non_finite;
      result_.message = fmt::format(
          "step {}: the loss is {}; the first value that is not finite is in {}", result_.steps + 1,
          std::isnan(loss) ? std::abs(loss) : loss, gradient_.first_non_finite(theta, pool_));
      return false;
    }
    optimizer_.step(theta, gradient_.gradient(), pool_);
    ++result_.steps;
    if (average_.active()) average_.update(theta, result_.steps, pool_);
    result_.train_loss = loss;
    if (observer_.on_step({.step = result_.steps, .loss = loss})) return true;
    result_.reason = StopReason::stopped_by_observer;
    return false;
  }

  // What is due between two steps; false ends the training. A training that is taken up again
  // begins here.
  bool after_step(bool going) {
    going = going && result_.steps < options_.steps;
    const bool epoch_ends = result_.steps % epoch_steps_ == 0;
    if (going && !epoch_ends && !checkpoint_is_due()) return true;
    clock_.stop();
    if (!going || epoch_ends) going = parameters_are_finite() && going;
    if (!going || checkpoint_is_due()) checkpoint();
    if (!going || epoch_ends) going = evaluate() && going;
    clock_.start();
    return going;
  }

  bool checkpoint_is_due() const {
    const std::size_t every = options_.checkpoints.every;
    return result_.steps % (every != 0 ? every : epoch_steps_) == 0;
  }

  // Not of parameters that end the training at the next evaluation.
  void checkpoint() {
    if (checkpointed_step_ == result_.steps || !kernels::all_finite(parameters_.theta())) return;
    checkpointed_step_ = result_.steps;
    TrainState state{
        .step = result_.steps, .loss = result_.train_loss, .seconds = clock_.seconds()};
    const auto add = [&](std::string name, std::span<const float> values) {
      state.tensors.push_back({std::move(name), ConstTensorView(values, {values.size()})});
    };
    add("theta", parameters_.theta());
    for (const auto memory : optimizer_.memory()) add(optimizer_name(state.tensors.size()), memory);
    if (average_.active()) add("average", average_.values());
    best_.save(state);
    observer_.on_checkpoint(state);
  }

  void restore(const TrainState& state) {
    if (state.step > options_.steps)
      throw InvalidArgument(
          fmt::format("train: {} steps were taken, steps is {}", state.step, options_.steps));
    const std::size_t size = gradient_.layout().size;
    std::ranges::copy(find_tensor(state, "theta", size), parameters_.theta().begin());
    std::vector<std::span<const float>> memory;
    while (memory.size() < optimizer_.memory().size())
      memory.push_back(find_tensor(state, optimizer_name(memory.size() + 1), size));
    optimizer_.restore(state.step, memory);
    if (average_.active())
      std::ranges::copy(find_tensor(state, "average", size), average_.values().begin());
    if (best_.active()) best_.restore(state, size);
    checkpointed_step_ = result_.steps = state.step;
    result_.train_loss = state.loss;
    clock_.add(state.seconds);
  }

  static std::string optimizer_name(std::size_t number) {
    return fmt::format("optimizer{}", number);
  }

  // A loss can stay finite over parameters that are not: a sigmoid maps infinity to 1.
  bool parameters_are_finite() {
    if (result_.reason == StopReason::non_finite) return false;
    for (const ParameterTensor& tensor : parameters_.layout().tensors) {
      if (kernels::all_finite(parameters_[tensor.name].values())) continue;
      result_.reason = StopReason::non_finite;
      result_.message =
          fmt::format("step {}: {} holds values that are not finite", result_.steps, tensor.name);
      return false;
    }
    return true;
  }

  // Once a step at most: the first step of an epoch may fail. False if the best weights so far have
  // been the best for too long.
  bool evaluate() {
    if (evaluated_step_ == result_.steps) return true;
    evaluated_step_ = result_.steps;
    const std::size_t epoch = task_count(result_.steps, epoch_steps_);
    result_.seconds = clock_.seconds();
    score(evaluated());
    observer_.on_epoch({.epoch = epoch,
                        .step = result_.steps,
                        .train = result_.train,
                        .validation = result_.validation,
                        .test = result_.test,
                        .seconds = result_.seconds,
                        .theta = evaluated()});
    if (!best_.active() || result_.reason == StopReason::non_finite) return true;
    if (best_.observe(result_.validation, epoch, evaluated())) return true;
    if (result_.reason == StopReason::steps_done) result_.reason = StopReason::early_stopped;
    return false;
  }

  std::span<const float> evaluated() {
    return average_.active() ? average_.values() : parameters_.theta();
  }

  void score(std::span<const float> theta) {
    const auto scores = [&](const Split& split) {
      if (split.size() == 0) return Scores{};
      return gradatim::evaluate(network_, options_.loss, theta, split, pool_, data_.columns.targets)
          .scores;
    };
    const Split& train = scored_samples_ ? *scored_samples_ : data_.train;
    result_.train_samples = train.size();
    result_.train = scores(train);
    result_.validation = scores(data_.validation);
    result_.test = scores(data_.test);
  }

  TrainResult finished() {
    result_.averaged = average_.active();
    result_.best_epoch = best_.epoch();
    result_.parameters = parameters_;
    const auto chosen = best_.epoch() != 0 ? best_.theta() : evaluated();
    std::ranges::copy(chosen, result_.parameters.theta().begin());
    if (best_.epoch() != 0) score(chosen);
    return std::move(result_);
  }

  const Network& network_;
  const Dataset& data_;
  std::optional<Split> scored_samples_;
  const TrainOptions& options_;
  TrainObserver& observer_;
  std::size_t epoch_steps_;
  TaskPool pool_;
  StepGradient gradient_;
  TrainingClock clock_;
  std::optional<std::size_t> evaluated_step_;
  std::optional<std::size_t> checkpointed_step_;
  // What a checkpoint holds, with result_.steps and train_loss.
  Parameters parameters_;
  OptimizerState optimizer_;
  AveragedWeights average_;
  BestWeights best_;
  TrainResult result_;
};

}  // namespace

std::size_t samples_per_step(const TrainOptions& options) {
  return options.batch * options.accumulation;
}

std::size_t steps_per_epoch(std::size_t samples, std::size_t batch) {
  return task_count(samples, batch);
}

TrainResult train(const Network& network, const Dataset& data, const TrainOptions& options,
                  TrainObserver* observer, const TrainState* from) {
  check_fit(network, data, options);
  TrainObserver silent;
  return Training(network, data, options, observer != nullptr ? *observer : silent, from).run();
}

}  // namespace gradatim
