// After the first step no thread allocates. The sanitizers bring a malloc of their own, which is
// not counted.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <vector>

#include "gradatim/nn/program.hpp"
#include "gradatim/train/train.hpp"
#include "nn/layer_cases.hpp"
#include "support/allocation_count.hpp"
#include "support/datasets.hpp"
#include "support/numbers.hpp"

#if !defined(GRADATIM_SANITIZED)

namespace gradatim {
namespace {

// The chapter's network, on images of its size.
const Network kNetwork({784}, {Dense{50}, Sigmoid{}, Dense{10}});

// The allocations between the second step and the last of one epoch.
struct AllocationObserver : TrainObserver {
  std::size_t after_second = 0;
  std::size_t at_end = 0;

  bool on_step(const StepRecord& record) override {
    if (record.step == 2) after_second = test::allocation_count();
    at_end = test::allocation_count();
    return true;
  }
};

TEST(Allocation, IsCountedAtAll) {
  std::size_t before = test::allocation_count();
  const Tensor tensor({100});
  EXPECT_GT(test::allocation_count(), before);
  before = test::allocation_count();
  void* volatile memory = std::malloc(100);  // volatile: not left out
  std::free(memory);
  EXPECT_GT(test::allocation_count(), before);
}

TEST(Allocation, NoneInATrainingStepAfterTheFirst) {
  const Dataset data = test::striped_dataset(28);
  for (const Optimizer& optimizer :
       {Optimizer(Sgd{}), Optimizer(Momentum{}), Optimizer(Nesterov{}), Optimizer(AdaGrad{}),
        Optimizer(RmsProp{}), Optimizer(Adam{}), Optimizer(AdamW{}), Optimizer(Lion{})})
    for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs})
      for (const auto& [batch, threads] : {std::pair{7U, 1U}, {100U, 1U}, {100U, 2U}, {100U, 3U}}) {
        AllocationObserver observer;
        const std::size_t epoch = steps_per_epoch(data.train.size(), batch);
        train(kNetwork, data,
              {.optimizer = optimizer,
               .batch = batch,
               .steps = epoch,
               .sampling = sampling,
               .threads = threads},
              &observer);
        EXPECT_GT(observer.after_second, 0U);
        EXPECT_EQ(observer.at_end, observer.after_second)
            << kind(optimizer) << ", batch " << batch << ", " << threads << " threads";
      }
}

// Batches of bytes go by their zeros and rows: each way may first be met in a late step.
TEST(Allocation, NoneInAStepOfBytesWhicheverWayTheyGo) {
  for (const std::size_t units : {50U, 300U})
    for (const std::size_t threads : {1U, 2U, 3U}) {
      const Network network({784}, {Dense{units}, Sigmoid{}, Dense{10}});
      const Parameters parameters = initialize(network, 1);
      Program program(network, SoftmaxCrossEntropy{}, 100);
      TaskPool pool(threads);
      std::vector<float> gradient(program.layout().size);
      const std::vector<std::int32_t> labels(100);
      const ByteTensor zeros({100, 784});
      ByteTensor some({100, 784});
      std::ranges::fill(some.values(), std::uint8_t{7});
      const auto step = [&](const ByteTensor& bytes, std::size_t rows) {
        program.gradient(parameters.theta(),
                         {.inputs = ByteInputs{bytes.view().slice(0, rows)},
                          .targets = {.labels = std::span(labels).first(rows)}},
                         gradient, pool);
      };
      step(zeros, 5);
      const std::size_t before = test::allocation_count();
      for (const std::size_t rows : {3U, 100U})
        for (const ByteTensor* bytes : std::array<const ByteTensor*, 2>{&zeros, &some})
          step(*bytes, rows);
      EXPECT_EQ(test::allocation_count(), before) << units << " units, " << threads << " threads";
    }
}

TEST(Allocation, NoneInAStepWithAllThatTrainingOffers) {
  const Dataset data = test::striped_dataset(28);
  TrainOptions options{.optimizer = Adam{},
                       .schedule = CosineSchedule{},
                       .warmup = 3,
                       .clipping = ClipByGlobalNorm{1},
                       .weight_decay = DecoupledDecay{0.01F},
                       .batch = 50,
                       .accumulation = 2,
                       .steps = steps_per_epoch(data.train.size(), 100),
                       .average = {.decay = 0.9F},
                       .class_weights = BalancedClasses{},
                       .augmentation = {.shift = 1, .rotate = 5}};
  for (const std::size_t threads : {1U, 2U}) {
    options.threads = threads;
    AllocationObserver observer;
    train(kNetwork, data, options, &observer);
    EXPECT_GT(observer.after_second, 0U);
    EXPECT_EQ(observer.at_end, observer.after_second) << threads << " threads";
  }
}

TEST(Allocation, NoneInAStepOfAnyLoss) {
  constexpr std::size_t kRows = 70;
  const Network network({20}, {Dense{30}, Relu{}, Dense{6}});
  const Parameters parameters = initialize(network, 1);
  const Tensor x = test::uniform_tensor(network.input.batched(kRows), 1);
  Tensor targets({kRows, 6});
  for (std::size_t i = 0; i < kRows; ++i) targets.view()(i, i % 6) = 1;
  const Batch batch{.inputs = x.view(), .targets = {.values = targets.view()}, .key = StepKey{}};
  for (const Loss& loss : {Loss(SoftmaxCrossEntropy{0.1F}), Loss(BinaryCrossEntropy{}),
                           Loss(MeanSquaredError{}), Loss(SumOfSquaredErrors{}), Loss(Huber{})})
    for (const std::size_t threads : {1U, 2U}) {
      Program program(network, loss, kRows);
      std::vector<float> gradient(parameters.theta().size());
      TaskPool pool(threads);
      program.gradient(parameters.theta(), batch, gradient, pool);
      const std::size_t before = test::allocation_count();
      for (int i = 0; i < 5; ++i) program.gradient(parameters.theta(), batch, gradient, pool);
      EXPECT_EQ(test::allocation_count(), before) << kind(loss);
    }
}

void expect_no_allocation(const Network& network, std::size_t rows = 20, std::size_t threads = 1) {
  const Parameters parameters = initialize(network, 1);
  const Tensor x = test::uniform_tensor(network.input.batched(rows), 1);
  const std::vector<std::int32_t> labels(rows, 1);
  Batch batch{.inputs = x.view(), .targets = {.labels = labels}, .key = StepKey{}};
  Program program(network, SoftmaxCrossEntropy{}, rows);
  const Predictor predictor(network);
  std::vector<float> gradient(parameters.theta().size());
  Tensor y(output_shape(network).batched(rows));
  TaskPool pool(threads);
  const auto step = [&] {
    ++batch.key->step;
    program.gradient(parameters.theta(), batch, gradient, pool);
    predictor.predict(parameters.theta(), x, y);
  };
  step();
  const std::size_t before = test::allocation_count();
  for (int i = 0; i < 5; ++i) step();
  EXPECT_EQ(test::allocation_count(), before) << threads << " threads\n" << to_string(network);
}

TEST(Allocation, NoneInAStepOrPredictionOfManyLayers) {
  expect_no_allocation(
      {{1, 8, 8},
       {AvgPool2d{3, 1, 1}, LayerNorm{}, Silu{}, Dropout{0.25F}, Residual{2}, MaxPool2d{},
        Flatten{}, Dense{9}, Gelu{}, Residual{1}, Softplus{}, Dense{4}}});
}

TEST(Allocation, NoneInAStepOrPredictionOfWideLayers) {
  for (const std::size_t threads : {1U, 2U, 3U})
    expect_no_allocation({{784}, {Dense{512}, Relu{}, Dense{600}, Relu{}, Dense{10}}}, 128,
                         threads);
}

// Pooled, plain, in groups and with strides.
TEST(Allocation, NoneInAStepOrPredictionOfConvolutions) {
  expect_no_allocation(
      {{3, 14, 14},
       {Conv2d{.filters = 18, .kernel = 3, .padding = 1}, Relu{}, MaxPool2d{},
        Conv2d{.filters = 18, .kernel = 3, .stride = 2, .groups = 18},
        Conv2d{.filters = 12, .kernel = 3, .stride = 2, .groups = 6}, BatchNorm{}, Relu{},
        Conv2d{.filters = 20, .kernel = 1}, GlobalAvgPool{}, Flatten{}, Dense{4}}});
}

TEST(Allocation, NoneInAStepOrPredictionOfAnyLayer) {
  for (const test::LayerCase& c : test::training_cases())
    expect_no_allocation({c.input, {Tanh{}, c.layer, Flatten{}, Dense{3}}});
}

TEST(Allocation, NoneInAStepOfSeveralThreads) {
  for (const Network& network : test::networks_of_images())
    for (const std::size_t threads : {2U, 3U}) expect_no_allocation(network, 64, threads);
}

// Which thread runs a task is chance: after the first step each of them can run any. Here most have
// run none, having more colleagues than there are tasks, and run all of a step on their own.
TEST(Allocation, NoneOnThreadsThatHaveRunNoTaskYet) {
  constexpr std::size_t kThreads = 24;
  constexpr std::size_t kRows = 64;
  for (const Network& network : test::networks_of_images()) {
    const Parameters parameters = initialize(network, 1);
    const Tensor x = test::uniform_tensor(network.input.batched(kRows), 1);
    const std::vector<std::int32_t> labels(kRows, 1);
    const Batch batch{.inputs = x.view(), .targets = {.labels = labels}, .key = StepKey{}};
    const auto step = [&](Program& program, std::vector<float>& gradient, TaskPool& pool) {
      program.gradient(parameters.theta(), batch, gradient, pool);
    };
    struct Own {
      Program program;
      std::vector<float> gradient;
      TaskPool alone{1};
    };
    std::vector<Own> own;
    own.reserve(kThreads + 1);
    for (std::size_t i = 0; i <= kThreads; ++i)
      own.push_back({Program(network, SoftmaxCrossEntropy{}, kRows),
                     std::vector<float>(parameters.theta().size())});
    TaskPool pool(kThreads);
    step(own[kThreads].program, own[kThreads].gradient, pool);

    std::atomic<std::size_t> next = 0;
    const std::size_t before = test::allocation_count();
    pool.on_each_thread([&] {
      Own& mine = own[next++];
      step(mine.program, mine.gradient, mine.alone);
    });
    EXPECT_EQ(test::allocation_count(), before) << to_string(network);
    EXPECT_EQ(next, kThreads);
  }
}

TEST(Allocation, NoneInAPredictionAfterTheFirst) {
  const Parameters parameters = initialize(kNetwork, 1);
  const Predictor predictor(kNetwork);
  const Tensor x = test::uniform_tensor({1, 784}, 1);
  const ByteTensor one({1, 784});
  const ByteTensor bytes({100, 784});
  Tensor y({1, 10});
  Tensor ys({100, 10});
  predictor.predict(parameters.theta(), x, y);
  predictor.predict(parameters.theta(), ByteInputs{bytes.view()}, ys);
  const std::size_t before = test::allocation_count();
  for (int i = 0; i < 100; ++i) {
    predictor.predict(parameters.theta(), x, y);
    predictor.predict(parameters.theta(), ByteInputs{one.view()}, y);
    predictor.predict(parameters.theta(), ByteInputs{bytes.view()}, ys);
  }
  EXPECT_EQ(test::allocation_count(), before);
}

}  // namespace
}  // namespace gradatim

#endif  // !GRADATIM_SANITIZED
