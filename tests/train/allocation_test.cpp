// Counts every allocation of this process: malloc and its kin, and
// operator new, which calls them, end here. The sanitizers bring their own malloc.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "gradatim/nn/program.hpp"
#include "gradatim/train/train.hpp"
#include "nn/layer_cases.hpp"
#include "support/datasets.hpp"
#include "support/numbers.hpp"

#if !defined(GRADATIM_SANITIZED)

namespace {
std::atomic<std::size_t> allocations = 0;
}

// glibc's own functions under the names that cannot be replaced.
extern "C" {
void* __libc_malloc(std::size_t size);                     // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);  // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* p, std::size_t size);           // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(std::size_t alignment,
                      std::size_t size);  // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t size) noexcept {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* p, std::size_t size) noexcept {
  ++allocations;
  return __libc_realloc(p, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  ++allocations;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t size) noexcept {
  *p = memalign(alignment, size);
  return *p == nullptr ? ENOMEM : 0;
}
}

namespace gradatim {
namespace {

// The chapter's network, on images of its size.
const Network kNetwork({784}, {Dense{50}, Sigmoid{}, Dense{10}});

// The allocations between the second step and the last of one epoch.
struct AllocationObserver : TrainObserver {
  std::size_t after_second = 0;
  std::size_t at_end = 0;

  bool on_step(const StepRecord& record) override {
    if (record.step == 2) after_second = allocations;
    at_end = allocations;
    return true;
  }
};

TEST(Allocation, IsCountedAtAll) {
  std::size_t before = allocations;
  const Tensor tensor({100});
  EXPECT_GT(allocations, before);
  before = allocations;
  std::free(std::malloc(100));  // NOLINT(cppcoreguidelines-no-malloc)
  EXPECT_GT(allocations, before);
}

TEST(Allocation, NoneInATrainingStepAfterTheFirst) {
  const Dataset data = test::striped_dataset(28);
  for (const Optimizer& optimizer :
       {Optimizer(Sgd{}), Optimizer(Momentum{}), Optimizer(Nesterov{}), Optimizer(AdaGrad{}),
        Optimizer(RmsProp{}), Optimizer(Adam{}), Optimizer(AdamW{}), Optimizer(Lion{})})
    for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs})
      for (const std::size_t batch : {7U, 100U}) {
        AllocationObserver observer;
        const std::size_t epoch = steps_per_epoch(data.train.size(), batch);
        train(kNetwork, data,
              {.optimizer = optimizer,
               .batch = batch,
               .steps = epoch,
               .sampling = sampling,
               .threads = 1},
              &observer);
        EXPECT_GT(observer.after_second, 0U);
        EXPECT_EQ(observer.at_end, observer.after_second) << "batch " << batch;
      }
}

void expect_no_allocation(const Network& network) {
  constexpr std::size_t kRows = 20;
  const Parameters parameters = initialize(network, 1);
  const Tensor x = test::uniform_tensor(network.input.batched(kRows), 1);
  const std::vector<std::int32_t> labels(kRows, 1);
  Batch batch{.inputs = x.view(), .targets = {.labels = labels}, .key = StepKey{}};
  Program program(network, SoftmaxCrossEntropy{}, kRows);
  const Predictor predictor(network);
  std::vector<float> gradient(parameters.theta().size());
  Tensor y(output_shape(network).batched(kRows));
  TaskPool pool(1);
  const auto step = [&] {
    ++batch.key->step;
    program.gradient(parameters.theta(), batch, gradient, pool);
    predictor.predict(parameters.theta(), x, y);
  };
  step();
  const std::size_t before = allocations;
  for (int i = 0; i < 5; ++i) step();
  EXPECT_EQ(allocations, before) << to_string(network);
}

TEST(Allocation, NoneInAStepOrPredictionOfManyLayers) {
  expect_no_allocation(
      {{1, 8, 8},
       {AvgPool2d{3, 1, 1}, LayerNorm{}, Silu{}, Dropout{0.25F}, Residual{2}, MaxPool2d{},
        Flatten{}, Dense{9}, Gelu{}, Residual{1}, Softplus{}, Dense{4}}});
}

TEST(Allocation, NoneInAStepOrPredictionOfWideLayers) {
  expect_no_allocation({{784}, {Dense{512}, Relu{}, Dense{600}, Relu{}, Dense{10}}});
}

// Pooled, plain, in groups and with strides.
TEST(Allocation, NoneInAStepOrPredictionOfConvolutions) {
  expect_no_allocation(
      {{3, 14, 14},
       {Conv2d{.filters = 18, .kernel = 3, .padding = 1}, Relu{}, MaxPool2d{},
        Conv2d{.filters = 12, .kernel = 3, .stride = 2, .groups = 6}, BatchNorm{}, Relu{},
        Conv2d{.filters = 20, .kernel = 1}, GlobalAvgPool{}, Flatten{}, Dense{4}}});
}

TEST(Allocation, NoneInAStepOrPredictionOfAnyLayer) {
  for (const test::LayerCase& c : test::training_cases())
    expect_no_allocation({c.input, {Tanh{}, c.layer, Flatten{}, Dense{3}}});
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
  const std::size_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    predictor.predict(parameters.theta(), x, y);
    predictor.predict(parameters.theta(), ByteInputs{one.view()}, y);
    predictor.predict(parameters.theta(), ByteInputs{bytes.view()}, ys);
  }
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace gradatim

#endif  // !GRADATIM_SANITIZED
