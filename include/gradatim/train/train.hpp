#pragma once

#include <span>
#include <string>

#include "gradatim/core/tasks.hpp"
#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/train/options.hpp"
#include "gradatim/train/scores.hpp"
#include "gradatim/train/state.hpp"

namespace gradatim {

struct StepRecord {
  std::size_t step = 0;  // the first is 1
  double loss = 0;       // mean over the mini-batch, before the update
};

struct EpochRecord {
  std::size_t epoch = 0;  // the first is 1; the last may be incomplete
  std::size_t step = 0;
  Scores train{};       // of the samples that options.evaluation says
  Scores validation{};  // of data.validation, if there is one
  Scores test{};
  double seconds = 0;              // of training so far, evaluation left out
  std::span<const float> theta{};  // that were evaluated: options.average's, if there is one
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

enum class StopReason { steps_done, stopped_by_observer, early_stopped, non_finite };

struct TrainResult {
  Parameters parameters;       // the last, their moving average, or the best of either
  bool averaged = false;       // by options.average
  std::size_t best_epoch = 0;  // whose they are, with early stopping; 0: the last
  StopReason reason = StopReason::steps_done;
  std::string message;    // for non_finite: "step 17: layer 2 (sigmoid) ..."
  std::size_t steps = 0;  // taken
  double seconds = 0;     // of the steps, evaluation left out
  double train_loss = 0;  // of the last step
  Scores train{};
  std::size_t train_samples = 0;  // that `train` is of: options.evaluation
  Scores validation{};
  Scores test{};
};

/// Trains the network on data.train, which hold_out may have taken data.validation from, from
/// initialize(network, seed). Throws InvalidArgument or ShapeError if network, data and options do
/// not fit together; a loss that becomes NaN or infinite ends training with StopReason::non_finite
/// instead.
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
