#include "gradatim/train/train.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/train/evaluation.hpp"
#include "train/decaying.hpp"
#include "train/mini_batches.hpp"
#include "train/training_clock.hpp"

namespace gradatim {
namespace {

void check_fit(const Network& network, const Dataset& data, const TrainOptions& options) {
  if (options.batch == 0) throw InvalidArgument("train: batch must be at least 1, got 0");
  if (options.checkpoints.keep == 0)
    throw InvalidArgument("train: checkpoints.keep must be at least 1, got 0");
  if (options.steps == 0) throw InvalidArgument("train: steps must be at least 1, got 0");
  if (data.train.size() == 0)
    throw InvalidArgument(
        fmt::format("train: the data set '{}' has no training samples", data.name));
  const Shape sample = data.train.sample();
  if (network.input.size() != sample.size())
    throw ShapeError(
        fmt::format("train: the network expects inputs of shape {}, a sample of '{}' has shape {}",
                    network.input.to_string(), data.name, sample.to_string()));
  const Shape output = output_shape(network);
  if (output.size() < data.class_names.size())
    throw ShapeError(fmt::format("train: '{}' has {} classes, the network {} outputs", data.name,
                                 data.class_names.size(), output.size()));
}

Descent descent_of(const TrainOptions& options) {
  return {.optimizer = options.optimizer,
          .schedule = options.schedule,
          .warmup = options.warmup,
          .steps = options.steps,
          .clipping = options.clipping,
          .weight_decay = options.weight_decay};
}

class Training {
 public:
  Training(const Network& network, const Dataset& data, const TrainOptions& options,
           TrainObserver& observer, const TrainState* from)
      : network_(network),
        data_(data),
        options_(options),
        observer_(observer),
        epoch_steps_(steps_per_epoch(data.train.size(), options.batch)),
        pool_(options.threads),
        program_(network, options.loss, options.batch),
        batches_(data.train,
                 {.samples = data.train.size(),
                  .batch = options.batch,
                  .sampling = options.sampling,
                  .seed = options.seed},
                 program_.accepts_bytes()),
        gradient_(program_.layout().size),
        optimizer_(descent_of(options), program_.layout().size,
                   decaying_parameters(program_.layout(), options.no_decay)) {
    result_.parameters = initialize(network, options.seed);
    if (from != nullptr) restore(*from);
    if (options.gradient != GradientMethod::backprop)
      method_ = make_gradient_program(options.gradient, network, options.loss, options.batch);
  }

  TrainResult run() {
    clock_.start();
    bool going = result_.steps == 0 || after_step(true);
    while (going) going = after_step(step());
    return std::move(result_);
  }

 private:
  // batch → forward → loss → backward → update → record; false ends the training.
  bool step() {
    Batch batch = batches_.gather(result_.steps);
    batch.key = {.seed = options_.seed, .step = result_.steps};
    const auto theta = result_.parameters.theta();
    const double loss = method_ != nullptr ? method_->gradient(theta, batch, gradient_, pool_)
                                           : program_.gradient(theta, batch, gradient_, pool_);
    if (!std::isfinite(loss)) {
      result_.reason = StopReason::non_finite;
      result_.message = fmt::format(
          "step {}: the loss is {}; the first value that is not finite is in {}", result_.steps + 1,
          loss, program_.first_non_finite(theta, batch).value_or("the loss"));
      return false;
    }
    optimizer_.step(theta, gradient_, pool_);
    ++result_.steps;
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
    if (!going || epoch_ends) evaluate();
    clock_.start();
    return going;
  }

  bool checkpoint_is_due() const {
    const std::size_t every = options_.checkpoints.every;
    return result_.steps % (every != 0 ? every : epoch_steps_) == 0;
  }

  // Not of parameters that end the training at the next evaluation.
  void checkpoint() {
    if (checkpointed_step_ == result_.steps || !kernels::all_finite(result_.parameters.theta()))
      return;
    checkpointed_step_ = result_.steps;
    TrainState state{
        .step = result_.steps, .loss = result_.train_loss, .seconds = clock_.seconds()};
    const auto add = [&](std::string name, std::span<const float> values) {
      state.tensors.push_back({std::move(name), ConstTensorView(values, {values.size()})});
    };
    add("theta", result_.parameters.theta());
    for (const auto memory : optimizer_.memory()) add(optimizer_name(state.tensors.size()), memory);
    observer_.on_checkpoint(state);
  }

  void restore(const TrainState& state) {
    if (state.step > options_.steps)
      throw InvalidArgument(
          fmt::format("train: {} steps were taken, steps is {}", state.step, options_.steps));
    const std::size_t size = program_.layout().size;
    std::ranges::copy(find_tensor(state, "theta", size), result_.parameters.theta().begin());
    std::vector<std::span<const float>> memory;
    while (memory.size() < optimizer_.memory().size())
      memory.push_back(find_tensor(state, optimizer_name(memory.size() + 1), size));
    optimizer_.restore(state.step, memory);
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
    for (const ParameterTensor& tensor : result_.parameters.layout().tensors) {
      if (kernels::all_finite(result_.parameters[tensor.name].values())) continue;
      result_.reason = StopReason::non_finite;
      result_.message =
          fmt::format("step {}: {} holds values that are not finite", result_.steps, tensor.name);
      return false;
    }
    return true;
  }

  // Once a step at most: the first step of an epoch may fail.
  void evaluate() {
    if (evaluated_step_ == result_.steps) return;
    evaluated_step_ = result_.steps;
    const auto theta = result_.parameters.theta();
    result_.seconds = clock_.seconds();
    result_.train = scores(data_.train);
    result_.validation = scores(data_.validation);
    result_.test = scores(data_.test);
    observer_.on_epoch({.epoch = task_count(result_.steps, epoch_steps_),
                        .step = result_.steps,
                        .train = result_.train,
                        .validation = result_.validation,
                        .test = result_.test,
                        .seconds = result_.seconds,
                        .theta = theta});
  }

  Scores scores(const Split& split) {
    if (split.size() == 0) return {};
    return gradatim::evaluate(network_, options_.loss, result_.parameters.theta(), split, pool_)
        .scores;
  }

  const Network& network_;
  const Dataset& data_;
  const TrainOptions& options_;
  TrainObserver& observer_;
  std::size_t epoch_steps_;
  TaskPool pool_;
  Program program_;
  std::unique_ptr<GradientProgram> method_;  // instead of the program's gradient, if any
  MiniBatches batches_;
  AlignedVector<float> gradient_;
  OptimizerState optimizer_;
  TrainingClock clock_;
  std::optional<std::size_t> evaluated_step_;
  std::optional<std::size_t> checkpointed_step_;
  TrainResult result_;
};

}  // namespace

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
