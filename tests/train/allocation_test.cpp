// Counts every allocation of this program: operator new in all its forms ends here.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "gradatim/nn/program.hpp"
#include "gradatim/train/train.hpp"
#include "support/datasets.hpp"
#include "support/numbers.hpp"

namespace {

std::atomic<std::size_t> allocations = 0;

void* try_allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (void* p = try_allocate(size, alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace

// NOLINTBEGIN(misc-definitions-in-headers)
void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {  // std::stable_sort's
  return try_allocate(size, alignof(std::max_align_t));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
// NOLINTEND(misc-definitions-in-headers)

namespace gradatim {
namespace {

const Network kNetwork({36}, {Dense{12, Xavier{}}, Sigmoid{}, Dense{4, Xavier{}}});

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
  const std::size_t before = allocations;
  const Tensor tensor({100});
  EXPECT_GT(allocations, before);
}

TEST(Allocation, NoneInATrainingStepAfterTheFirst) {
  Dataset sparse = testing::striped_dataset();
  Dataset dense = sparse;
  for (std::uint8_t& byte : dense.train.images.values()) byte |= 1;
  for (const Dataset* data : {&sparse, &dense})
    for (const Optimizer& optimizer : {Optimizer(Sgd{}), Optimizer(Momentum{}), Optimizer(Adam{})})
      for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs}) {
        AllocationObserver observer;
        train(kNetwork, *data,
              {.optimizer = optimizer,
               .clipping = ClipByGlobalNorm{},
               .batch = 7,
               .steps = 58,
               .sampling = sampling,
               .threads = 1},
              &observer);
        EXPECT_GT(observer.after_second, 0U);
        EXPECT_EQ(observer.at_end, observer.after_second);
      }
}

TEST(Allocation, NoneInAPredictionAfterTheFirst) {
  const Parameters parameters = initialize(kNetwork, 1);
  const Predictor predictor(kNetwork);
  const Tensor x = testing::uniform_tensor({1, 36}, 1);
  const ByteTensor bytes({1, 36});
  Tensor y({1, 4});
  predictor.predict(parameters.theta(), x, y);
  predictor.predict(parameters.theta(), ByteInputs{bytes.view()}, y);
  const std::size_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    predictor.predict(parameters.theta(), x, y);
    predictor.predict(parameters.theta(), ByteInputs{bytes.view()}, y);
  }
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace gradatim
