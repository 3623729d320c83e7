#include "gradatim/train/train.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <thread>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/program.hpp"
#include "support/datasets.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::message_of;
using test::striped_dataset;

const Network kNetwork({36}, {Dense{12, Xavier{}}, Tanh{}, Dense{4, Xavier{}}});
const TrainOptions kOptions{.optimizer = Sgd{0.5F}, .batch = 20, .steps = 200, .threads = 1};

struct Recorder : TrainObserver {
  std::vector<StepRecord> steps;
  std::vector<EpochRecord> epochs;
  std::size_t stop_after = SIZE_MAX;

  bool on_step(const StepRecord& record) override {
    steps.push_back(record);
    return record.step < stop_after;
  }
  void on_epoch(const EpochRecord& record) override { epochs.push_back(record); }
};

TEST(Train, LearnsAndRecordsEveryStepAndEpoch) {
  Recorder recorder;
  const TrainResult result = train(kNetwork, striped_dataset(), kOptions, &recorder);
  EXPECT_EQ(result.reason, StopReason::steps_done);
  EXPECT_EQ(result.steps, 200U);
  ASSERT_EQ(recorder.steps.size(), 200U);
  for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(recorder.steps[i].step, i + 1);
  EXPECT_NEAR(recorder.steps.front().loss, std::log(4.0), 0.6);
  EXPECT_LT(recorder.steps.back().loss, 0.1);
  EXPECT_EQ(result.train_loss, recorder.steps.back().loss);
  EXPECT_GT(result.test.accuracy, 0.98);
  ASSERT_EQ(recorder.epochs.size(), 10U);  // 400 samples by 20
  EXPECT_EQ(recorder.epochs[3].epoch, 4U);
  EXPECT_EQ(recorder.epochs[3].step, 80U);
  EXPECT_EQ(recorder.epochs.back().test.accuracy, result.test.accuracy);
}

TEST(Train, AnIncompleteLastEpochIsEvaluatedToo) {
  Recorder recorder;
  TrainOptions options = kOptions;
  options.steps = 25;
  train(kNetwork, striped_dataset(), options, &recorder);
  ASSERT_EQ(recorder.epochs.size(), 2U);
  EXPECT_EQ(recorder.epochs[1].epoch, 2U);
  EXPECT_EQ(recorder.epochs[1].step, 25U);
}

// One step by hand: theta - learning_rate · gradient of the batch that the sampler draws.
TEST(Train, AStepIsTheGradientOfItsBatch) {
  const Dataset data = striped_dataset();
  TrainOptions options = kOptions;
  options.steps = 1;
  const TrainResult result = train(kNetwork, data, options);

  BatchSampler sampler({.samples = 400, .batch = 20, .seed = options.seed});
  Tensor inputs({20, 36});
  std::vector<std::int32_t> labels(20);
  gather(data.train, sampler.indices(0), inputs.view(), labels);
  Parameters expected = initialize(kNetwork, options.seed);
  Program program(kNetwork, options.loss, 20);
  std::vector<float> gradient(program.layout().size);
  TaskPool pool(1);
  const double loss = program.gradient(
      expected.theta(), {.inputs = inputs.view(), .targets = {.labels = labels}}, gradient, pool);
  EXPECT_NEAR(result.train_loss, loss, 1e-6);
  for (std::size_t i = 0; i < gradient.size(); ++i)
    ASSERT_NEAR(result.parameters.theta()[i], expected.theta()[i] - 0.5F * gradient[i], 1e-6);
}

TEST(Train, SameSeedSameBitsForAnyThreadsAndSampling) {
  const Dataset data = striped_dataset();
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs}) {
    TrainOptions options = kOptions;
    options.sampling = sampling;
    options.batch = 64;
    options.steps = 50;
    const TrainResult first = train(kNetwork, data, options);
    for (const std::size_t threads : {2U, 3U, 7U}) {
      options.threads = threads;
      const TrainResult again = train(kNetwork, data, options);
      EXPECT_TRUE(std::ranges::equal(again.parameters.theta(), first.parameters.theta()));
    }
    options.seed = 2;
    const TrainResult other = train(kNetwork, data, options);
    EXPECT_FALSE(std::ranges::equal(other.parameters.theta(), first.parameters.theta()));
  }
}

TEST(Train, TheObserverCanStopIt) {
  Recorder recorder;
  recorder.stop_after = 7;
  const TrainResult result = train(kNetwork, striped_dataset(), kOptions, &recorder);
  EXPECT_EQ(result.reason, StopReason::stopped_by_observer);
  EXPECT_EQ(result.steps, 7U);
  EXPECT_EQ(recorder.epochs.size(), 1U) << "what was reached is evaluated";
}

TEST(Train, ALossThatIsNotFiniteEndsItAndNamesStepAndPlace) {
  TrainOptions options = kOptions;
  options.optimizer = Sgd{1e30F};
  const Network relu({36}, {Dense{12, He{}}, Relu{}, Dense{4, He{}}});
  const TrainResult result = train(relu, striped_dataset(), options);
  EXPECT_EQ(result.reason, StopReason::non_finite);
  EXPECT_LT(result.steps, 10U);
  EXPECT_NE(result.message.find("step " + std::to_string(result.steps + 1)), std::string::npos)
      << result.message;
  EXPECT_NE(result.message.find("dense"), std::string::npos) << result.message;
}

TEST(Train, EveryLossLearns) {
  const Network with_softmax({36}, {Dense{12, Xavier{}}, Tanh{}, Dense{4, Xavier{}}, Softmax{}});
  const Network with_sigmoid({36}, {Dense{12, Xavier{}}, Tanh{}, Dense{4, Xavier{}}, Sigmoid{}});
  TrainOptions options = kOptions;
  options.loss = CrossEntropy{};
  EXPECT_GT(train(with_softmax, striped_dataset(), options).test.accuracy, 0.98);
  options.loss = SumOfSquaredErrors{};
  EXPECT_GT(train(with_sigmoid, striped_dataset(), options).test.accuracy, 0.98);
}

// The last update is looked at too, though no loss is computed after it.
TEST(Train, ParametersThatAreNotFiniteEndItEvenAtTheLastStep) {
  TrainOptions options = kOptions;
  options.optimizer = Sgd{3e38F};
  options.steps = 1;
  const Network steep({36}, {Dense{12, Gaussian{30.0F}}, Relu{}, Dense{4, Gaussian{30.0F}}});
  Recorder recorder;
  const TrainResult result = train(steep, striped_dataset(), options, &recorder);
  EXPECT_EQ(result.reason, StopReason::non_finite);
  EXPECT_EQ(result.steps, 1U);
  EXPECT_EQ(result.message.find("step 1: dense"), 0U) << result.message;
  EXPECT_EQ(recorder.epochs.size(), 1U);
}

TEST(Train, EvaluationIsNotCountedAsTraining) {
  struct Slow : TrainObserver {
    void on_epoch(const EpochRecord&) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
  } slow;
  TrainOptions options = kOptions;
  options.steps = 60;  // three epochs, two of them in the middle
  const auto start = std::chrono::steady_clock::now();
  const TrainResult result = train(kNetwork, striped_dataset(), options, &slow);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_LT(result.seconds, elapsed.count() - 0.85);
}

TEST(Train, EveryOptimizerLearns) {
  TrainOptions options = kOptions;
  for (const Optimizer& optimizer :
       {Optimizer(Momentum{0.05F}), Optimizer(Nesterov{0.05F}), Optimizer(AdaGrad{0.05F}),
        Optimizer(RmsProp{0.01F}), Optimizer(Adam{0.01F}), Optimizer(AdamW{0.01F}),
        Optimizer(Lion{0.003F})}) {
    options.optimizer = optimizer;
    EXPECT_GT(train(kNetwork, striped_dataset(), options).test.accuracy, 0.98) << kind(optimizer);
  }
}

TEST(Train, AConvolutionalNetworkLearnsWithTheSameBitsForAnyThreads) {
  const Network network({1, 6, 6}, {Conv2d{8, 3, 1, 1}, Relu{}, MaxPool2d{}, Flatten{}, Dense{4}});
  TrainOptions options = kOptions;
  options.optimizer = Adam{0.01F};
  options.batch = 64;
  const TrainResult first = train(network, striped_dataset(), options);
  EXPECT_GT(first.test.accuracy, 0.98);
  for (const std::size_t threads : {2U, 3U, 7U}) {
    options.threads = threads;
    const TrainResult again = train(network, striped_dataset(), options);
    EXPECT_TRUE(std::ranges::equal(again.parameters.theta(), first.parameters.theta()));
  }
}

// With the gradient clipped to next to nothing, only decay is left: 10 times 1 - 0.1 · 0.5.
TEST(Train, DecaysWhatIsNotExcepted) {
  TrainOptions options = kOptions;
  options.steps = 10;
  options.optimizer = Sgd{0.1F};
  options.clipping = ClipByGlobalNorm{1e-12F};
  options.weight_decay = DecoupledDecay{0.5F};
  options.no_decay = {"bias", "dense2.weight"};
  const Network network({36}, {Dense{12, Xavier{}, Gaussian{1}}, Tanh{}, Dense{4, Xavier{}}});
  const Parameters before = initialize(network, options.seed);
  const TrainResult result = train(network, striped_dataset(), options);
  for (const ParameterTensor& tensor : before.layout().tensors) {
    const double factor = tensor.name == "dense1.weight" ? std::pow(0.95, 10) : 1.0;
    const auto was = before[tensor.name].values();
    const auto is = result.parameters[tensor.name].values();
    for (std::size_t i = 0; i < was.size(); ++i)
      ASSERT_NEAR(is[i], factor * was[i], 1e-6) << tensor.name;
  }
  options.no_decay = {"dense3"};
  try {
    train(network, striped_dataset(), options);
    FAIL() << "dense3 does not exist";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "no_decay: no parameters are called 'dense3'; did you mean 'dense1'?");
  }
}

TEST(Train, DenseDataTakesTheFloatPathAndLearns) {
  Dataset data = striped_dataset();
  for (Split* split : {&data.train, &data.test})
    for (std::uint8_t& byte : split->images.values())
      byte = static_cast<std::uint8_t>(byte / 2 + 1);  // no zero is left to skip
  EXPECT_GT(train(kNetwork, data, kOptions).test.accuracy, 0.98);
}

TEST(Train, RejectsWhatDoesNotFitTogether) {
  const Dataset data = striped_dataset();
  const auto with = [&](auto change) {
    TrainOptions options = kOptions;
    change(options);
    return options;
  };
  EXPECT_THROW(train(kNetwork, data, with([](auto& o) { o.batch = 0; })), InvalidArgument);
  EXPECT_THROW(train(kNetwork, data, with([](auto& o) { o.steps = 0; })), InvalidArgument);
  EXPECT_THROW(train(kNetwork, data, with([](auto& o) {
                       o.batch = 401;
                       o.sampling = Sampling::shuffled_epochs;
                     })),
               InvalidArgument);
  EXPECT_NO_THROW(train(kNetwork, data, with([](auto& o) {
                          o.batch = 401;  // with replacement, there are always enough
                          o.steps = 1;
                        })));
  EXPECT_THROW(train({{784}, {Dense{4}}}, data, kOptions), ShapeError);
  EXPECT_THROW(train({{36}, {Dense{3}}}, data, kOptions), ShapeError);
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] {
                    train(kNetwork, data, with([](auto& o) {
                            o.batch = 100;
                            o.accumulation = 40;
                            o.sampling = Sampling::shuffled_epochs;
                          }));
                  }),
                  "a step of 40 batches of 100 is 4000 samples");
}

TEST(Train, RejectsNetworksWithoutAScoreAClassOrWithNothingToTrain) {
  const Dataset data = striped_dataset();
  EXPECT_CONTAINS(message_of<ShapeError>([&] {
                    train({{1, 6, 6}, {Conv2d{4, 1}}}, data, kOptions);
                  }),
                  "a score for each class, got outputs of shape (4, 6, 6)");
  EXPECT_NO_THROW(train({{1, 6, 6}, {Conv2d{4, 6}}}, data, kOptions));
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] {
                    train({{36}, {Relu{}}}, data, kOptions);
                  }),
                  "no parameters that could be trained");
}

TEST(Train, ASoftmaxLossRejectsTargetsThatAreNoDistribution) {
  Dataset data{.name = "answers"};
  data.train = {.features = Tensor({2, 3}), .targets = Tensor({2, 2})};
  std::ranges::copy(std::array{0.25F, 0.75F, 1.0F, 1.0F}, data.train.targets.values().begin());
  data.test = data.train;
  TrainOptions options = kOptions;
  options.batch = 2;
  options.steps = 1;
  options.loss = SoftmaxCrossEntropy{};
  const Network network{{3}, {Dense{2}}};
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { train(network, data, options); }),
                  "add up to 1, those of sample 1 add up to 2");
  std::ranges::copy(std::array{1.5F, -0.5F}, data.train.targets.values().begin());
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { train(network, data, options); }),
                  "add up to 1, one of sample 0 is -0.5");
  options.loss = CrossEntropy{};
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] {
                    train({{3}, {Dense{2}, Softmax{}}}, data, options);
                  }),
                  "add up to 1, one of sample 0 is -0.5");
  options.loss = MeanSquaredError{};
  EXPECT_CONTAINS(message_of<ShapeError>([&] {
                    train({{3, 1, 1}, {Conv2d{.filters = 2, .kernel = 1}}}, data, options);
                  }),
                  "targets of shape (2), got outputs of shape (2, 1, 1); end it with flatten");
  options.loss = BinaryCrossEntropy{};
  EXPECT_NO_THROW(train(network, data, options));
}

TEST(StepsPerEpoch, RoundsUp) {
  EXPECT_EQ(steps_per_epoch(60'000, 100), 600U);
  EXPECT_EQ(steps_per_epoch(401, 20), 21U);
}

TEST(Accuracy, CountsTheLargestOutput) {
  const Network network({36}, {Dense{4, Zeros{}}});
  Parameters parameters = initialize(network, 1);
  for (std::size_t i = 0; i < 36; ++i)
    if (i / 6 < 4) parameters["dense1.weight"](i, i / 6) = 1;
  TaskPool pool(2);
  EXPECT_GT(accuracy(network, parameters.theta(), test::striped_split(5000, 9), pool), 0.99);
  const Parameters nothing = initialize(network, 1);
  EXPECT_EQ(accuracy(network, nothing.theta(), test::striped_split(100, 9), pool), 0.25)
      << "ties go to the first class";
  EXPECT_EQ(accuracy(network, nothing.theta(), Split{}, pool), 0.0);
}

}  // namespace
}  // namespace gradatim
