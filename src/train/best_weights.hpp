#pragma once

#include <span>

#include "gradatim/core/tensor.hpp"
#include "gradatim/train/options.hpp"
#include "gradatim/train/scores.hpp"
#include "gradatim/train/state.hpp"

namespace gradatim {

/// What early stopping remembers: the best weights so far, and for how many epochs they have been.
class BestWeights {
 public:
  /// Throws InvalidArgument if there is nothing to validate with.
  BestWeights(const EarlyStopping& options, TargetKind kind, std::size_t validation_samples);

  bool active() const { return options_.patience != 0; }
  /// Takes in an evaluation on the validation samples; false when patience is at its end. A value
  /// that is NaN betters nothing.
  bool observe(const Scores& validation, std::size_t epoch, std::span<const float> theta);
  /// Of the best; 0 if there is none.
  std::size_t epoch() const { return epoch_; }
  std::span<const float> theta() const { return theta_; }

  void save(TrainState& state) const;
  void restore(const TrainState& state, std::size_t size);

 private:
  EarlyStopping options_;
  double Scores::*value_;
  double sign_;           // of what is better
  double best_ = 0;       // of theta_, in epoch_
  double reference_ = 0;  // to be bettered by more than min_delta
  std::size_t epoch_ = 0;
  std::size_t waited_ = 0;  // epochs since reference_, or since the start
  AlignedVector<float> theta_;
};

}  // namespace gradatim
