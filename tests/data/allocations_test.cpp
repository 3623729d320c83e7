#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "gradatim/data/batches.hpp"

namespace {
std::atomic<std::size_t> allocations = 0;

void* counted(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace gradatim {
namespace {

TEST(Allocations, NoneInAStepAfterConstruction) {
  Split split{.images = ByteTensor({1'000, 28, 28}), .labels = std::vector<std::int32_t>(1'000)};
  Tensor inputs({100, 784});
  ByteTensor images({100, 784});
  std::vector<std::int32_t> labels(100);
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs}) {
    const std::size_t before_construction = allocations;
    BatchSampler sampler({.samples = 1'000, .batch = 100, .sampling = sampling});
    ASSERT_GT(allocations, before_construction) << "the counter must count";
    const std::size_t before = allocations;
    for (std::uint64_t step = 0; step < 35; ++step) {
      gather(split, sampler.indices(step), inputs, labels);
      gather(split, sampler.indices(step), images, labels);
    }
    EXPECT_EQ(allocations, before);
  }
}

}  // namespace
}  // namespace gradatim
