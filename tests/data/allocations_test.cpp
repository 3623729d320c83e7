#include <gtest/gtest.h>

#include "gradatim/data/batches.hpp"
#include "support/allocation_count.hpp"

namespace gradatim {
namespace {

TEST(Allocations, NoneInAStepAfterConstruction) {
  Split split{.images = ByteTensor({1'000, 28, 28}), .labels = std::vector<std::int32_t>(1'000)};
  Tensor inputs({100, 784});
  ByteTensor images({100, 784});
  std::vector<std::int32_t> labels(100);
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs}) {
    const std::size_t before_construction = test::allocation_count();
    BatchSampler sampler({.samples = 1'000, .batch = 100, .sampling = sampling});
    ASSERT_GT(test::allocation_count(), before_construction) << "the counter must count";
    const std::size_t before = test::allocation_count();
    for (std::uint64_t step = 0; step < 35; ++step) {
      gather(split, sampler.indices(step), inputs, labels);
      gather(split, sampler.indices(step), images, labels);
    }
    EXPECT_EQ(test::allocation_count(), before);
  }
}

}  // namespace
}  // namespace gradatim
