#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gradatim/core/tasks.hpp"
#include "gradatim/data/batches.hpp"
#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/gradient_method.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/optim/optimizer.hpp"
#include "gradatim/optim/schedule.hpp"
#include "gradatim/train/scores.hpp"
#include "gradatim/train/state.hpp"

namespace gradatim {

/// When an observer is given a checkpoint; and how many a run folder keeps.
struct Checkpoints {
  std::size_t every = 0;  // steps; 0: each epoch
  std::size_t keep = 2;   // at least 1
  friend bool operator==(const Checkpoints&, const Checkpoints&) = default;
};

/// Validated once, by train(): batch and steps at least 1.
struct TrainOptions {
  Loss loss = SoftmaxCrossEntropy{};
  GradientMethod gradient = GradientMethod::backprop;
  Optimizer optimizer = Sgd{};
  Schedule schedule = ConstantSchedule{};  // of the learning rate, over `steps`
  std::size_t warmup = 0;                  // steps; see learning_rate_factor
  Clipping clipping = NoClipping{};
  WeightDecay weight_decay = NoDecay{};
  // What weight_decay, and AdamW's, leave alone: tensors ("dense1.weight"), layers or roles.
  std::vector<std::string> no_decay = {"bias"};
  std::size_t batch = 100;
  std::size_t steps = 10'000;
  Sampling sampling = Sampling::with_replacement;
  std::uint64_t seed = 1;
  Checkpoints checkpoints = {};
  std::size_t threads = 0;  // 0: one a core
  friend bool operator==(const TrainOptions&, const TrainOptions&) = default;
};

/// An epoch is ceil(samples / batch) steps, also when batches are drawn with replacement.
std::size_t steps_per_epoch(std::size_t samples, std::size_t batch);

struct StepRecord {
  std::size_t step = 0;  // the first is 1
  double loss = 0;       // mean over the mini-batch, before the update
};

struct EpochRecord {
  std::size_t epoch = 0;  // the first is 1; the last may be incomplete
  std::size_t step = 0;
  Scores train{};
  Scores validation{};  // of data.validation, if there is one
  Scores test{};
  double seconds = 0;  // of training so far, evaluation left out
  std::span<const float> theta{};
};

/// What the loop tells others; it prints and writes nothing itself.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  /// Return false to stop after this step.
  virtual bool on_step(const StepRecord&) { return true; }
  virtual void on_epoch(const EpochRecord&) {}
  /// At an epoch's end, every so many steps (Checkpoints) and when training ends or is stopped;
  /// before the evaluation of that step, if there is one.
  virtual void on_checkpoint(const TrainState&) {}
};

enum class StopReason { steps_done, stopped_by_observer, non_finite };

struct TrainResult {
  Parameters parameters;
  StopReason reason = StopReason::steps_done;
  std::string message;    // for non_finite: "step 17: layer 2 (sigmoid) ..."
  std::size_t steps = 0;  // taken
  double seconds = 0;     // of the steps, evaluation left out
  double train_loss = 0;  // of the last step
  Scores train{};
  Scores validation{};
  Scores test{};
};

/// Trains the network on data.train from initialize(network, seed). Throws InvalidArgument or
/// ShapeError if network, data and options do not fit together; a loss that becomes NaN or infinite
/// ends training with StopReason::non_finite instead.
///
/// With a state that on_checkpoint gave in a training with the same network, data and options, it
/// goes on from there and ends with the same bits, whatever the threads. Throws DataError if the
/// state is of another form.
TrainResult train(const Network& network, const Dataset& data, const TrainOptions& options,
                  TrainObserver* observer = nullptr, const TrainState* from = nullptr);

/// Share of samples whose largest output is at their label; ties go to the lowest class.
double accuracy(const Network& network, std::span<const float> theta, const Split& split,
                TaskPool& pool);

}  // namespace gradatim
