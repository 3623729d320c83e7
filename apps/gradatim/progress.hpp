#pragma once

#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

#include "gradatim/train/train.hpp"
#include "redrawn_line.hpp"

namespace gradatim::app {

/// Shows training as it goes: a line an epoch, and on a terminal a bar below, drawn at most ten
/// times a second.
class Progress final : public TrainObserver {
 public:
  /// `figure` is what it shows of an evaluation.
  Progress(std::FILE* out, std::size_t steps, std::size_t steps_per_epoch,
           const Figure& figure = figures(TargetKind::classes).front());

  bool on_step(const StepRecord& record) override;
  void on_epoch(const EpochRecord& record) override;
  /// Removes the bar.
  void finish() { line_.clear(); }

  /// What was seen, for the summary.
  const std::vector<double>& losses() const { return losses_; }  // the mean of each epoch
  const std::vector<double>& test_figures() const { return test_figures_; }

 private:
  using Clock = std::chrono::steady_clock;
  void draw(const StepRecord& record);

  std::FILE* out_;
  RedrawnLine line_;
  std::size_t steps_;
  std::size_t steps_per_epoch_;
  Figure figure_;
  std::optional<std::size_t> first_step_;  // of this process: a run may have been resumed
  Clock::time_point started_ = Clock::now();
  double loss_sum_ = 0;  // of this epoch
  std::size_t loss_count_ = 0;
  std::vector<double> losses_;
  std::vector<double> test_figures_;
};

}  // namespace gradatim::app
