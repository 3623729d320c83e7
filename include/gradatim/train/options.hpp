#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gradatim/data/augmentation.hpp"
#include "gradatim/data/batches.hpp"
#include "gradatim/nn/gradient_method.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/optim/optimizer.hpp"
#include "gradatim/optim/schedule.hpp"

namespace gradatim {

/// When an observer is given a checkpoint; and how many a run folder keeps.
struct Checkpoints {
  std::size_t every = 0;  // steps; 0: each epoch
  std::size_t keep = 2;   // at least 1
  friend bool operator==(const Checkpoints&, const Checkpoints&) = default;
};

/// What is scored behind each epoch besides all validation and test samples.
struct EvaluationPlan {
  std::size_t train_samples = 0;  // evenly spaced among the training samples; 0: all
  friend bool operator==(const EvaluationPlan&, const EvaluationPlan&) = default;
};

/// Evaluation and the model use not the weights but their moving average, from the initial ones on:
/// average = d · average + (1 - d) · theta after each step t = 1, 2, ..., with d = min(decay,
/// (1 + t) / (10 + t)), so that the beginning is forgotten (Polyak and Juditsky, 1992; the rise of
/// d is TensorFlow's).
struct WeightAverage {
  float decay = 0;  // in [0, 1); 0: none
  friend bool operator==(const WeightAverage&, const WeightAverage&) = default;
};

enum class Monitor {
  loss,   // the lower the better
  score,  // the figure that says most (figures()), the higher the better
};

/// Training ends when so many epochs in a row have not bettered, by more than min_delta on the
/// validation samples, what the last that did so came to. Whatever ends it, the result is the best
/// weights that were evaluated.
struct EarlyStopping {
  std::size_t patience = 0;  // epochs; 0: none
  float min_delta = 0;
  Monitor monitor = Monitor::loss;
  friend bool operator==(const EarlyStopping&, const EarlyStopping&) = default;
};

// ---- Class weights: the loss of a batch becomes sum_i w(label_i) loss_i / sum_i w(label_i), as
// that of torch's CrossEntropyLoss(weight=). With label smoothing, a sample's whole loss has the
// weight of its label (torch weighs each class's term). Evaluation is not weighted.

struct EqualClasses {
  friend bool operator==(const EqualClasses&, const EqualClasses&) = default;
};
/// samples / (classes · samples of the class), over the training samples; classes without any have
/// no weight.
struct BalancedClasses {
  friend bool operator==(const BalancedClasses&, const BalancedClasses&) = default;
};
struct ListedClasses {
  std::vector<float> weights{};  // of each class, not negative
  friend bool operator==(const ListedClasses&, const ListedClasses&) = default;
};
using ClassWeights = std::variant<EqualClasses, BalancedClasses, ListedClasses>;

/// "equal", "balanced", "listed"
std::string_view kind(const ClassWeights& weights);

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
  std::size_t batch = 100;       // samples in memory at a time
  std::size_t accumulation = 1;  // batches whose mean gradient makes a step
  std::size_t steps = 10'000;
  Sampling sampling = Sampling::with_replacement;
  std::uint64_t seed = 1;
  WeightAverage average = {};
  EarlyStopping early_stopping = {};
  ClassWeights class_weights = EqualClasses{};
  Augmentation augmentation = {};  // of the training images
  EvaluationPlan evaluation = {};
  Checkpoints checkpoints = {};
  std::size_t threads = 0;  // 0: one a core
  friend bool operator==(const TrainOptions&, const TrainOptions&) = default;
};

/// batch · accumulation
std::size_t samples_per_step(const TrainOptions& options);

/// An epoch is ceil(samples / batch) steps, also when batches are drawn with replacement. `batch`
/// are all samples of a step.
std::size_t steps_per_epoch(std::size_t samples, std::size_t batch);

}  // namespace gradatim
