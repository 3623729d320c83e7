#include "train/mini_batches.hpp"

#include <gtest/gtest.h>

#include "support/datasets.hpp"

namespace gradatim {
namespace {

const MiniBatchPlan kPlan{.step = {.samples = 400, .batch = 20, .seed = 1}};

bool takes_bytes(const Split& split, bool network_accepts_bytes) {
  MiniBatches batches(split, kPlan, network_accepts_bytes);
  TaskPool pool(1);
  batches.begin(0);
  return std::holds_alternative<ByteInputs>(batches.gather(0, pool).inputs);
}

TEST(MiniBatches, BytesWhereThereAreZerosToSkipAndTheNetworkCan) {
  const Split sparse = test::striped_split(400, 1);
  EXPECT_TRUE(takes_bytes(sparse, true));
  EXPECT_FALSE(takes_bytes(sparse, false));
  Split dense = sparse;
  for (std::uint8_t& byte : dense.images.values()) byte |= 1;
  EXPECT_FALSE(takes_bytes(dense, true));
}

TEST(MiniBatches, BothFormsHoldTheSameNumbersAndLabels) {
  const Split split = test::striped_split(400, 1);
  MiniBatches as_bytes(split, kPlan, true);
  MiniBatches as_floats(split, kPlan, false);
  TaskPool pool(1);
  for (std::size_t step = 0; step < 5; ++step) {
    EXPECT_EQ(as_bytes.begin(step), 1U);
    EXPECT_EQ(as_floats.begin(step), 1U);
    const Batch a = as_bytes.gather(0, pool);
    const Batch b = as_floats.gather(0, pool);
    const auto& bytes = std::get<ByteInputs>(a.inputs);
    const auto& floats = std::get<ConstTensorView>(b.inputs);
    ASSERT_EQ(bytes.bytes.shape(), floats.shape());
    for (std::size_t i = 0; i < floats.size(); ++i)
      ASSERT_EQ(bytes.scale * static_cast<float>(bytes.bytes.values()[i]), floats.values()[i]);
    EXPECT_TRUE(std::ranges::equal(a.targets.labels, b.targets.labels));
  }
}

}  // namespace
}  // namespace gradatim
