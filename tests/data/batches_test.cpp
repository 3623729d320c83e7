#include "gradatim/data/batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "data/files.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

std::vector<std::uint32_t> drawn(BatchSampler& sampler, std::uint64_t step) {
  const auto indices = sampler.indices(step);
  return {indices.begin(), indices.end()};
}

TEST(BatchSampler, AStepIsTheSameWheneverItIsAskedFor) {
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs}) {
    const BatchPlan plan{.samples = 103, .batch = 10, .sampling = sampling, .seed = 4};
    BatchSampler forwards(plan);
    std::vector<std::vector<std::uint32_t>> batches;
    for (std::uint64_t step = 0; step < 50; ++step) batches.push_back(drawn(forwards, step));
    BatchSampler backwards(plan);
    for (std::uint64_t step = 50; step-- > 0;) ASSERT_EQ(drawn(backwards, step), batches[step]);
    EXPECT_NE(batches[0], batches[1]);

    BatchSampler other({.samples = 103, .batch = 10, .sampling = sampling, .seed = 5});
    EXPECT_NE(drawn(other, 0), batches[0]);
  }
}

TEST(BatchSampler, ShuffledEpochsSeeEverySampleOnce) {
  for (const std::size_t samples : {1U, 2U, 9U, 10U, 11U, 103U, 1000U})
    for (const std::size_t batch : {1U, 3U, 10U}) {
      if (batch > samples) continue;
      BatchSampler sampler(
          {.samples = samples, .batch = batch, .sampling = Sampling::shuffled_epochs, .seed = 1});
      const std::size_t steps = sampler.steps_per_epoch();
      ASSERT_EQ(steps, (samples + batch - 1) / batch);
      for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        std::multiset<std::uint32_t> seen;
        for (std::uint64_t step = 0; step < steps; ++step) {
          const auto indices = sampler.indices(epoch * steps + step);
          ASSERT_EQ(indices.size(), step + 1 < steps ? batch : samples - batch * (steps - 1));
          seen.insert(indices.begin(), indices.end());
        }
        ASSERT_EQ(seen.size(), samples);
        ASSERT_EQ(*seen.rbegin(), samples - 1);
        ASSERT_EQ(std::set<std::uint32_t>(seen.begin(), seen.end()).size(), samples);
      }
    }
}

TEST(BatchSampler, EpochsAreShuffledAnew) {
  BatchSampler sampler(
      {.samples = 100, .batch = 100, .sampling = Sampling::shuffled_epochs, .seed = 1});
  const auto first = drawn(sampler, 0);
  EXPECT_NE(first, drawn(sampler, 1));
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
}

// 600 draws of 100 from 1000, 999 degrees of freedom: mean 999, standard deviation 44.7.
TEST(BatchSampler, WithReplacementIsUniform) {
  BatchSampler sampler({.samples = 1000, .batch = 100, .seed = 2});
  std::vector<double> counts(1000);
  for (std::uint64_t step = 0; step < 600; ++step)
    for (const auto index : sampler.indices(step)) counts.at(index) += 1;
  double chi_squared = 0;
  for (const double count : counts) chi_squared += (count - 60) * (count - 60) / 60;
  EXPECT_LT(chi_squared, 999 + 5 * 44.7);
  EXPECT_GT(chi_squared, 999 - 5 * 44.7);
}

TEST(BatchSampler, WithReplacementABatchMayExceedTheData) {
  BatchSampler sampler({.samples = 3, .batch = 10});
  EXPECT_EQ(sampler.indices(0).size(), 10U);
  EXPECT_EQ(sampler.steps_per_epoch(), 1U);
}

// From a Python implementation of Philox: a run must be repeatable on any machine and by any later
// version.
TEST(BatchSampler, PortableIndices) {
  BatchSampler replaced({.samples = 60'000, .batch = 5, .seed = 1});
  EXPECT_EQ(drawn(replaced, 7), (std::vector<std::uint32_t>{26878, 16791, 5907, 38137, 14134}));
  BatchSampler shuffled(
      {.samples = 60'000, .batch = 5, .sampling = Sampling::shuffled_epochs, .seed = 1});
  EXPECT_EQ(drawn(shuffled, 7), (std::vector<std::uint32_t>{44702, 578, 13767, 59464, 32641}));
}

TEST(BatchSampler, RefusesPlansThatCannotBe) {
  const auto error_of = [](const BatchPlan& plan) {
    return message_of<InvalidArgument>([&] { BatchSampler sampler(plan); });
  };
  EXPECT_TRUE(contains(error_of({.samples = 0}), "got 0"));
  EXPECT_TRUE(contains(error_of({.samples = std::size_t{1} << 32}), "got 4294967296"));
  EXPECT_TRUE(contains(error_of({.samples = 10, .batch = 0}), "got 0"));
  const std::string message =
      error_of({.samples = 10, .batch = 11, .sampling = Sampling::shuffled_epochs});
  EXPECT_TRUE(contains(message, "10 samples") && contains(message, "got 11")) << message;
}

struct GatherTest : testing::Test {
  GatherTest() {
    for (std::size_t i = 0; i < split.images.size(); ++i)
      split.images.data()[i] = static_cast<std::uint8_t>((7 * i) % 256);
    for (std::size_t i = 0; i < 20; ++i) split.labels.push_back(static_cast<std::int32_t>(i % 10));
  }
  Split split{.images = ByteTensor({20, 5, 7}), .labels = {}};
};

TEST_F(GatherTest, IsARowOfTheNormalizedImagesEach) {
  const Tensor all = normalize(split.images);
  for (const std::size_t count : {0U, 1U, 3U, 4U, 5U, 20U, 33U}) {
    std::vector<std::uint32_t> indices(count);
    for (std::size_t i = 0; i < count; ++i) indices[i] = static_cast<std::uint32_t>((11 * i) % 20);
    Tensor inputs({count, 35});
    std::vector<std::int32_t> labels(count);
    gather(split, indices, inputs, labels);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(std::ranges::equal(inputs.view().row(i), all.view().row(indices[i])));
      ASSERT_EQ(labels[i], split.labels[indices[i]]);
    }
  }
}

TEST_F(GatherTest, BytesAreThoseOfTheImages) {
  const std::vector<std::uint32_t> indices{19, 0, 7, 7};
  ByteTensor images({4, 5, 7});
  std::vector<std::int32_t> labels(4);
  gather(split, indices, images, labels);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(images.view().row(i),
                                   std::as_const(split.images).view().row(indices[i])));
    EXPECT_EQ(labels[i], split.labels[indices[i]]);
  }
  EXPECT_THROW(gather(split, std::span(indices).first(3), images, labels), ShapeError);
}

TEST_F(GatherTest, ABatchIsTheSameAsItsIndices) {
  Tensor inputs({6, 1, 5, 7});
  std::vector<std::int32_t> labels(6);
  const std::vector<std::uint32_t> indices{14, 15, 16, 17, 18, 19};
  gather(split, indices, inputs, labels);

  const Samples batch = split.batch(14, 6);
  EXPECT_EQ(batch.inputs.shape(), (Shape{6, 35}));
  EXPECT_TRUE(std::ranges::equal(batch.inputs.values(), inputs.values()));
  EXPECT_EQ(batch.labels, labels);
}

TEST_F(GatherTest, RefusesWhatDoesNotFit) {
  Tensor inputs({2, 35});
  std::vector<std::int32_t> labels(2);
  const std::vector<std::uint32_t> good{0, 19};
  const std::vector<std::uint32_t> outside{0, 20};
  const std::vector<std::uint32_t> three{0, 1, 2};
  EXPECT_NO_THROW(gather(split, good, inputs, labels));
  const std::string message =
      message_of<InvalidArgument>([&] { gather(split, outside, inputs, labels); });
  EXPECT_TRUE(contains(message, "[0, 20), got 20 at 1")) << message;
  EXPECT_THROW(gather(split, three, inputs, labels), ShapeError);
  Tensor narrow({2, 34});
  EXPECT_THROW(gather(split, good, narrow, labels), ShapeError);
  EXPECT_THROW(split.batch(19, 2), ShapeError);
  EXPECT_THROW(split.batch(21, 0), ShapeError);
}

TEST_F(GatherTest, RefusesASplitOfFewerImagesThanLabels) {
  split.images = ByteTensor({19, 5, 7});
  const std::string expected =
      "split: expected as many images as labels, got images (19, 5, 7) and 20 labels";
  Tensor inputs({2, 35});
  ByteTensor bytes({2, 35});
  std::vector<std::int32_t> labels(2);
  const std::vector<std::uint32_t> indices{0, 19};
  const auto refusal = [](auto&& action) { return message_of<ShapeError>(action); };
  EXPECT_EQ(refusal([&] { gather(split, indices, inputs, labels); }), expected);
  EXPECT_EQ(refusal([&] { gather(split, indices, bytes, labels); }), expected);
  EXPECT_EQ(refusal([&] { split.batch(18, 2); }), expected);
  EXPECT_EQ(refusal([&] { Split{.images = {}, .labels = {1}}.batch(0, 1); }),
            "split: expected as many images as labels, got images (0) and 1 labels");
}

}  // namespace
}  // namespace gradatim
