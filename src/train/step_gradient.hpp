#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gradatim/nn/gradient_method.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/train/options.hpp"
#include "train/mini_batches.hpp"

namespace gradatim {

/// The loss and gradient of the samples that a step takes, in one batch or as the mean over
/// several.
class StepGradient {
 public:
  StepGradient(const Network& network, const Split& split, const TrainOptions& options);

  /// The mean loss over the samples of a step, counted from 0, at theta; then gradient() is its.
  /// Moves the running statistics in theta, which no gradient depends on, if the loss is finite.
  double at(std::size_t step, std::span<float> theta, TaskPool& pool);
  std::span<const float> gradient() const { return gradient_; }
  const ParameterLayout& layout() const { return program_.layout(); }

  /// Where the last step's samples first make a value that is not finite.
  std::string first_non_finite(std::span<const float> theta, TaskPool& pool);

 private:
  double of_part(std::size_t part, std::span<float> theta, std::span<float> gradient,
                 TaskPool& pool);
  void add_part(double share, TaskPool& pool);

  Program program_;
  std::unique_ptr<GradientProgram> method_;  // instead of the program's gradient, if any
  MiniBatches batches_;
  std::size_t step_ = 0;  // the last one
  AlignedVector<float> gradient_;
  AlignedVector<float> part_gradient_;  // where steps have several batches
  AlignedVector<float> statistics_;     // in theta's places, before such a step
};

}  // namespace gradatim
