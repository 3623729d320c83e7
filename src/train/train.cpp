#include "gradatim/train/train.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <memory>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/program.hpp"
#include "train/decaying.hpp"
#include "train/mini_batches.hpp"

namespace gradatim {
namespace {

using Clock = std::chrono::steady_clock;

void check_fit(const Network& network, const Dataset& data, const TrainOptions& options) {
  if (options.batch == 0) throw InvalidArgument("train: batch must be at least 1, got 0");
  if (options.steps == 0) throw InvalidArgument("train: steps must be at least 1, got 0");
  if (data.train.size() == 0)
    throw InvalidArgument(
        fmt::format("train: the data set '{}' has no training samples", data.name));
  const Shape sample = data.train.images.shape().sample();
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

// A stopwatch that leaves evaluation out.
class TrainingClock {
 public:
  void start() { started_ = Clock::now(); }
  void stop() { seconds_ += std::chrono::duration<double>(Clock::now() - started_).count(); }
  double seconds() const { return seconds_; }

 private:
  Clock::time_point started_{};
  double seconds_ = 0;
};

class Training {
 public:
  Training(const Network& network, const Dataset& data, const TrainOptions& options,
           TrainObserver& observer)
      : network_(network),
        data_(data),
        options_(options),
        observer_(observer),
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
    if (options.gradient != GradientMethod::backprop)
      method_ = make_gradient_program(options.gradient, network, options.loss, options.batch);
  }

  TrainResult run() {
    const std::size_t epoch_steps = steps_per_epoch(data_.train.size(), options_.batch);
    clock_.start();
    bool going = true;
    while (going) {
      going = step() && result_.steps < options_.steps;
      if (result_.steps % epoch_steps != 0 && going) continue;
      going = parameters_are_finite() && going;
      evaluate(epoch_steps);
    }
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
    if (method_ != nullptr && program_.has_statistics()) program_.loss(theta, batch, pool_);
    program_.update_statistics(theta);
    optimizer_.step(theta, gradient_, pool_);
    ++result_.steps;
    result_.train_loss = loss;
    if (observer_.on_step({.step = result_.steps, .loss = loss})) return true;
    result_.reason = StopReason::stopped_by_observer;
    return false;
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
  void evaluate(std::size_t epoch_steps) {
    if (evaluated_step_ == result_.steps) return;
    evaluated_step_ = result_.steps;
    clock_.stop();
    const auto theta = result_.parameters.theta();
    result_.seconds = clock_.seconds();
    result_.train_accuracy = accuracy(network_, theta, data_.train, pool_);
    result_.test_accuracy = accuracy(network_, theta, data_.test, pool_);
    observer_.on_epoch({.epoch = (result_.steps + epoch_steps - 1) / epoch_steps,
                        .step = result_.steps,
                        .train_accuracy = result_.train_accuracy,
                        .test_accuracy = result_.test_accuracy,
                        .seconds = result_.seconds,
                        .theta = theta});
    clock_.start();
  }

  const Network& network_;
  const Dataset& data_;
  const TrainOptions& options_;
  TrainObserver& observer_;
  TaskPool pool_;
  Program program_;
  std::unique_ptr<GradientProgram> method_;  // instead of the program's gradient, if any
  MiniBatches batches_;
  AlignedVector<float> gradient_;
  OptimizerState optimizer_;
  TrainingClock clock_;
  std::optional<std::size_t> evaluated_step_;
  TrainResult result_;
};

}  // namespace

std::size_t steps_per_epoch(std::size_t samples, std::size_t batch) {
  return task_count(samples, batch);
}

TrainResult train(const Network& network, const Dataset& data, const TrainOptions& options,
                  TrainObserver* observer) {
  check_fit(network, data, options);
  TrainObserver silent;
  return Training(network, data, options, observer != nullptr ? *observer : silent).run();
}

}  // namespace gradatim
