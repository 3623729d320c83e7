// What train() offers beside descent: validation, early stopping, averages, accumulation, weights.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "gradatim/data/hold_out.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/train/evaluation.hpp"
#include "gradatim/train/model_file.hpp"
#include "gradatim/train/train.hpp"
#include "support/datasets.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::message_of;
using test::striped_dataset;

const Network kNetwork({36}, {Dense{12, Xavier{}}, Tanh{}, Dense{4, Xavier{}}});
const TrainOptions kOptions{.optimizer = Sgd{0.5F}, .batch = 20, .steps = 60, .threads = 1};

struct Recorder final : TrainObserver {
  bool on_step(const StepRecord&) override { return true; }
  void on_epoch(const EpochRecord& record) override {
    epochs.push_back(record);
    weights.emplace_back(record.theta.begin(), record.theta.end());
  }
  std::vector<EpochRecord> epochs;
  std::vector<std::vector<float>> weights;
};

bool same(std::span<const float> a, std::span<const float> b) { return std::ranges::equal(a, b); }

TEST(EarlyStopping, EndsAfterItsPatienceWithTheBestWeights) {
  const Dataset data = hold_out(striped_dataset(), {.fraction = 0.25F}, 1);
  TrainOptions options = kOptions;
  options.optimizer = Sgd{3.0F};  // overshoots again and again
  options.steps = 2000;
  options.early_stopping = {.patience = 4};
  Recorder recorder;
  const TrainResult result = train(kNetwork, data, options, &recorder);
  EXPECT_EQ(result.reason, StopReason::early_stopped);
  ASSERT_GT(result.best_epoch, 0U);
  EXPECT_EQ(recorder.epochs.size(), result.best_epoch + 4);
  EXPECT_TRUE(same(result.parameters.theta(), recorder.weights[result.best_epoch - 1]));
  EXPECT_FALSE(same(result.parameters.theta(), recorder.weights.back()));
  for (const EpochRecord& epoch : recorder.epochs)
    EXPECT_GE(epoch.validation.loss, result.validation.loss);
  EXPECT_EQ(result.validation.loss, recorder.epochs[result.best_epoch - 1].validation.loss);
  EXPECT_EQ(result.test.accuracy, recorder.epochs[result.best_epoch - 1].test.accuracy);
}

TEST(EarlyStopping, NeedsValidationSamples) {
  TrainOptions options = kOptions;
  options.early_stopping.patience = 1;
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { train(kNetwork, striped_dataset(), options); }),
                  "early_stopping: there are no validation samples");
}

TEST(WeightAverage, IsTheFormulasAndWhatIsEvaluated) {
  const Dataset data = striped_dataset();
  TrainOptions options = kOptions;
  options.average.decay = 0.9F;
  options.steps = 30;
  Recorder recorder;
  const TrainResult result = train(kNetwork, data, options, &recorder);
  EXPECT_TRUE(result.averaged);
  const Parameters start = initialize(kNetwork, options.seed);
  std::vector<double> expected(start.theta().begin(), start.theta().end());
  for (std::size_t t = 1; t <= 30; ++t) {
    TrainOptions plain = kOptions;
    plain.steps = t;
    const TrainResult then = train(kNetwork, data, plain);
    const double keep =
        std::min(0.9, (1.0 + static_cast<double>(t)) / (10.0 + static_cast<double>(t)));
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] = keep * expected[i] + (1 - keep) * then.parameters.theta()[i];
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(result.parameters.theta()[i], expected[i], 1e-5);
  EXPECT_TRUE(same(result.parameters.theta(), recorder.weights.back()));
}

TEST(Accumulation, IsTheBigBatchUpToRounding) {
  const Dataset data = striped_dataset();
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs}) {
    TrainOptions big = kOptions;
    big.sampling = sampling;
    big.batch = 60;  // the last of an epoch has 40
    big.steps = 14;
    TrainOptions small = big;
    small.batch = 15;
    small.accumulation = 4;
    const TrainResult expected = train(kNetwork, data, big);
    const TrainResult result = train(kNetwork, data, small);
    EXPECT_FALSE(same(result.parameters.theta(), expected.parameters.theta()));
    for (std::size_t i = 0; i < expected.parameters.theta().size(); ++i)
      ASSERT_NEAR(result.parameters.theta()[i], expected.parameters.theta()[i], 1e-5);
    EXPECT_NEAR(result.train_loss, expected.train_loss, 1e-5);
  }
}

// One step from weights of zero: all samples have loss log 4 and the gradient of the last bias is
// sum_i w_i (1/4 - onehot_i) / sum_i w_i.
TEST(ClassWeights, AreThoseOfTheWeightedMean) {
  const Dataset data = striped_dataset();
  const Network zeros({36}, {Dense{4, Zeros{}}});
  const std::vector<float> weights{1, 0, 2.5F, 0.5F};
  for (const std::size_t accumulation : {1U, 4U}) {
    TrainOptions options = kOptions;
    options.optimizer = Sgd{1.0F};
    options.steps = 1;
    options.batch = 20 / accumulation;
    options.accumulation = accumulation;
    options.class_weights = ListedClasses{weights};
    const TrainResult result = train(zeros, data, options);
    BatchSampler sampler({.samples = 400, .batch = 20, .seed = options.seed});
    std::vector<double> expected(4);
    double sum = 0;
    for (const std::uint32_t index : sampler.indices(0)) {
      const auto label = static_cast<std::size_t>(data.train.labels[index]);
      sum += static_cast<double>(weights[label]);
      for (std::size_t k = 0; k < 4; ++k)
        expected[k] -= static_cast<double>(weights[label]) * (0.25 - (k == label ? 1.0 : 0.0));
    }
    EXPECT_NEAR(result.train_loss, std::log(4.0), 1e-6);
    for (std::size_t k = 0; k < 4; ++k)
      EXPECT_NEAR(result.parameters["dense1.bias"].values()[k], expected[k] / sum, 1e-6);
  }
}

TEST(ClassWeights, BalancedOnesOfABalancedSetChangeNothing) {
  TrainOptions options = kOptions;
  const TrainResult plain = train(kNetwork, striped_dataset(), options);
  options.class_weights = BalancedClasses{};
  const TrainResult balanced = train(kNetwork, striped_dataset(), options);
  for (std::size_t i = 0; i < plain.parameters.theta().size(); ++i)
    ASSERT_NEAR(balanced.parameters.theta()[i], plain.parameters.theta()[i], 1e-5);
  options.class_weights = ListedClasses{{1, 2}};
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { train(kNetwork, striped_dataset(), options); }),
                  "class_weights: expected 4 weights, got 2");
  options.class_weights = BalancedClasses{};
  options.gradient = GradientMethod::numerical;
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { train(kNetwork, striped_dataset(), options); }),
                  "class_weights need the gradient backprop");
}

// Samples 0, 57, 114, ... of 400.
TEST(EvaluationPlan, ScoresEvenlySpacedTrainingSamples) {
  const Dataset data = striped_dataset();
  TrainOptions options = kOptions;
  const TrainResult all = train(kNetwork, data, options);
  EXPECT_EQ(all.train_samples, 400U);
  options.evaluation.train_samples = 7;
  const TrainResult few = train(kNetwork, data, options);
  EXPECT_EQ(few.train_samples, 7U);
  EXPECT_TRUE(same(few.parameters.theta(), all.parameters.theta()));
  EXPECT_EQ(few.test.loss, all.test.loss);
  TaskPool pool(1);
  const Split scored =
      select(data.train, std::vector<std::uint32_t>{0, 57, 114, 171, 228, 285, 342});
  EXPECT_EQ(few.train.loss,
            evaluate(kNetwork, options.loss, all.parameters.theta(), scored, pool).scores.loss);
  options.evaluation.train_samples = 4000;
  EXPECT_EQ(train(kNetwork, data, options).train.loss, all.train.loss);
}

TEST(Augmented, TrainingLearnsWithTheSameBitsForAnyThreads) {
  TrainOptions options = kOptions;
  options.augmentation = {
      .shift = 0.4F, .rotate = 5, .scale = 0.05F, .flip = 0.5F, .erase = 0.5F, .erase_size = 2};
  options.steps = 200;
  const TrainResult first = train(kNetwork, striped_dataset(), options);
  EXPECT_GT(first.test.accuracy, 0.9);
  for (const std::size_t threads : {2U, 3U, 7U}) {
    options.threads = threads;
    EXPECT_TRUE(same(train(kNetwork, striped_dataset(), options).parameters.theta(),
                     first.parameters.theta()));
  }
}

// Stopped as an observer stops it, with what it was given to go on from.
struct Keeper final : TrainObserver {
  explicit Keeper(std::size_t step) : last(step) {}
  bool on_step(const StepRecord& record) override { return record.step != last; }
  void on_checkpoint(const TrainState& given) override {
    state = given;
    tensors.clear();
    for (NamedView& view : state.tensors) {
      tensors.emplace_back(view.values.values().begin(), view.values.values().end());
      view.values = ConstTensorView(tensors.back(), {tensors.back().size()});
    }
  }
  std::size_t last;
  TrainState state;
  std::vector<AlignedVector<float>> tensors;
};

// Everything that a state holds, stopped at every seventh step, taken up with other threads.
TrainResult expect_exact_resume(const Network& network, TrainOptions options) {
  const Dataset data = hold_out(striped_dataset(), {.count = 100}, 1);
  options.optimizer = Adam{.learning_rate = 0.1F};
  options.batch = 10;
  options.accumulation = 3;
  options.average.decay = 0.7F;
  options.class_weights = BalancedClasses{};
  options.augmentation = {.shift = 1, .rotate = 20};
  const TrainResult whole = train(network, data, options);
  for (std::size_t step = 1; step < whole.steps; step += 7) {
    Keeper keeper(step);
    train(network, data, options, &keeper);
    EXPECT_EQ(keeper.state.step, step);
    options.threads = 1 + step % 3;
    const TrainResult resumed = train(network, data, options, nullptr, &keeper.state);
    EXPECT_EQ(resumed.steps, whole.steps);
    EXPECT_EQ(resumed.best_epoch, whole.best_epoch);
    EXPECT_EQ(resumed.test.loss, whole.test.loss);
    EXPECT_TRUE(same(resumed.parameters.theta(), whole.parameters.theta())) << step;
  }
  return whole;
}

TEST(Resumed, WithAverageEarlyStoppingAccumulationAndAugmentation) {
  TrainOptions options = kOptions;
  options.steps = 300;
  options.early_stopping = {.patience = 3};
  EXPECT_EQ(expect_exact_resume(kNetwork, options).reason, StopReason::early_stopped);
}

// Running averages and the masks of dropout go on too.
TEST(Resumed, WithLayersThatRemember) {
  const Network network(
      {1, 6, 6}, {Conv2d{.filters = 4, .padding = 1}, BatchNorm{}, Relu{}, MaxPool2d{}, Flatten{},
                  Dropout{0.3F}, Dense{8}, BatchNorm{}, Relu{}, Dense{4}});
  const TrainResult whole = expect_exact_resume(network, kOptions);
  const Parameters first = initialize(network, kOptions.seed);
  for (const char* name : {"batch_norm1.running_mean", "batch_norm2.running_variance"})
    EXPECT_FALSE(same(whole.parameters[name].values(), first[name].values())) << name;
}

// The first step is so large that the outputs of the second, which begins an epoch, are beyond
// float: the first epoch's end was reported.
TEST(Train, AnEpochIsReportedOnceWhenItsFirstStepFails) {
  struct Epochs final : TrainObserver {
    void on_epoch(const EpochRecord& record) override { steps.push_back(record.step); }
    std::vector<std::size_t> steps;
  };
  Dataset data{.name = "line", .train = {.features = Tensor({4, 1}), .targets = Tensor({4, 1})}};
  std::ranges::fill(data.train.features.values(), 1e3F);
  std::ranges::fill(data.train.targets.values(), 1e3F);
  Epochs epochs;
  const Network line({1}, {Dense{1}});
  const TrainResult result = train(line, data,
                                   {.loss = MeanSquaredError{},
                                    .optimizer = Sgd{.learning_rate = 1e30F},
                                    .batch = 4,
                                    .steps = 9,
                                    .sampling = Sampling::shuffled_epochs,
                                    .threads = 1},
                                   &epochs);
  EXPECT_EQ(result.reason, StopReason::non_finite);
  EXPECT_EQ(result.steps, 1U);
  EXPECT_CONTAINS(result.message, "step 2: the loss is inf; ");
  EXPECT_CONTAINS(result.message, "layer 1 (dense)");
  EXPECT_EQ(epochs.steps, (std::vector<std::size_t>{1}));
}

TEST(Scores, OfValuesAndLabelsByHand) {
  const Network identity({2}, {Dense{2, Zeros{}}});
  Parameters parameters(parameter_layout(identity));
  parameters["dense1.weight"](0, 0) = parameters["dense1.weight"](1, 1) = 1;
  Split split{.features = Tensor({3, 2}, {1, -2, 2, 3, 4, 5}),
              .targets = Tensor({3, 2}, {1, 0, 0, 1, 1, 0})};
  TaskPool pool(1);
  const Evaluation values = evaluate(identity, MeanSquaredError{}, parameters.theta(), split, pool);
  EXPECT_EQ(values.kind, TargetKind::values);
  EXPECT_NEAR(values.outputs[0].mse, (0 + 4 + 9) / 3.0, 1e-12);
  EXPECT_NEAR(values.outputs[0].mae, (0 + 2 + 3) / 3.0, 1e-12);
  EXPECT_NEAR(values.outputs[0].r2, 1 - 13 / (2.0 / 3), 1e-9);
  EXPECT_NEAR(values.scores.loss, (0 + 4 + 4 + 4 + 9 + 25) / 6.0, 1e-6);
  // Of targets that were divided by 10 and 2, in their own units.
  const std::vector<Column> columns{{.mean = 3, .deviation = 10}, {.deviation = 2}};
  const Evaluation scaled =
      evaluate(identity, MeanSquaredError{}, parameters.theta(), split, pool, columns);
  EXPECT_NEAR(scaled.outputs[0].mse, 100 * 13 / 3.0, 1e-9);
  EXPECT_NEAR(scaled.outputs[0].mae, 10 * 5 / 3.0, 1e-9);
  EXPECT_NEAR(scaled.outputs[1].mae, 2 * values.outputs[1].mae, 1e-9);
  EXPECT_EQ(scaled.outputs[0].r2, values.outputs[0].r2);
  EXPECT_EQ(scaled.scores.loss, values.scores.loss);
  EXPECT_THROW(evaluate(identity, MeanSquaredError{}, parameters.theta(), split, pool,
                        std::span(columns).first(1)),
               ShapeError);
  const Evaluation labels =
      evaluate(identity, BinaryCrossEntropy{}, parameters.theta(), split, pool);
  EXPECT_EQ(labels.kind, TargetKind::labels);
  EXPECT_NEAR(labels.outputs[0].accuracy, 2 / 3.0, 1e-12);
  EXPECT_NEAR(labels.outputs[0].f1, 2 * 2 / 5.0, 1e-12);
  EXPECT_NEAR(labels.outputs[1].accuracy, 2 / 3.0, 1e-12);
  EXPECT_NEAR(labels.outputs[1].f1, 2 * 1 / 3.0, 1e-12);
  EXPECT_NEAR(labels.scores.f1, (0.8 + 2 / 3.0) / 2, 1e-12);
}

// A label beyond the outputs would be a weight beyond the list.
TEST(ClassWeights, LabelsOutsideTheClassesAreRefused) {
  const Network network({36}, {Dense{4}});
  for (const std::int32_t label : {-1, 4, 1'000'000}) {
    Dataset data = test::striped_dataset();
    data.train.labels[17] = label;
    for (const ClassWeights& weights :
         {ClassWeights(BalancedClasses{}), ClassWeights(ListedClasses{{1, 2, 3, 4}})}) {
      TrainOptions options{.steps = 5, .class_weights = weights, .threads = 1};
      EXPECT_EQ(test::message_of<InvalidArgument>([&] { train(network, data, options); }),
                "class_weights: expected labels in [0, 4), label 17 is " + std::to_string(label));
    }
  }
}

struct StepCount final : TrainObserver {
  bool on_step(const StepRecord&) override {
    ++steps;
    return true;
  }
  std::size_t steps = 0;
};

TEST(BatchNormInTraining, AShortLastBatchIsRefusedBeforeTheFirstStep) {
  Dataset data = test::striped_dataset();
  data.train = test::striped_split(101, 1);
  const Network network({36}, {Dense{8}, BatchNorm{}, Dense{4}});
  TrainOptions options{
      .batch = 100, .steps = 4, .sampling = Sampling::shuffled_epochs, .threads = 1};
  StepCount count;
  EXPECT_EQ(test::message_of<InvalidArgument>([&] { train(network, data, options, &count); }),
            "train: layer 2 (batch_norm) needs at least 2 samples in a batch, and 101 samples in "
            "batches of 100 leave one of 1");
  EXPECT_EQ(count.steps, 0U);
  options.batch = 99;  // leaves two
  EXPECT_EQ(train(network, data, options).steps, 4U);
  options.batch = 100;
  options.steps = 1;  // never gets there
  EXPECT_EQ(train(network, data, options).steps, 1U);
  options.sampling = Sampling::with_replacement;
  options.steps = 4;
  EXPECT_EQ(train(network, data, options).steps, 4U);
  options.batch = 1;
  EXPECT_CONTAINS(test::message_of<InvalidArgument>([&] { train(network, data, options); }),
                  "needs at least 2 samples in a batch, got batches of 1");
}

// Wherever among the parts of a step the bad sample is, the good ones have not moved them.
TEST(BatchNormInTraining, AStepThatIsNotFiniteLeavesTheRunningStatistics) {
  const Network network({1}, {Dense{3}, BatchNorm{}, Dense{1}});
  Dataset data{.name = "line"};
  data.train = {.features = Tensor({6, 1}), .targets = Tensor({6, 1})};
  for (std::size_t i = 0; i < 6; ++i)
    data.train.features.values()[i] = static_cast<float>(i) - 2.0F;
  TrainOptions options{.loss = MeanSquaredError{},
                       .batch = 2,
                       .accumulation = 3,
                       .steps = 1,
                       .sampling = Sampling::shuffled_epochs,
                       .threads = 1};
  const auto mean_after = [&] {
    const TrainResult result = train(network, data, options);
    return std::abs(result.parameters["batch_norm1.running_mean"].values()[0]);
  };
  EXPECT_GT(mean_after(), 0.0F);
  for (std::size_t bad = 0; bad < 6; ++bad) {
    const float good =
        std::exchange(data.train.features.values()[bad], std::numeric_limits<float>::infinity());
    EXPECT_EQ(mean_after(), 0.0F) << bad;
    data.train.features.values()[bad] = good;
  }
}

}  // namespace
}  // namespace gradatim
