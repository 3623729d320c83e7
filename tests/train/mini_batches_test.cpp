#include "train/mini_batches.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/program.hpp"
#include "support/datasets.hpp"
#include "train/step_gradient.hpp"

namespace gradatim {
namespace {

const MiniBatchPlan kPlan{.step = {.samples = 400, .batch = 20, .seed = 1}};

bool takes_bytes(const Split& split, double zeros_for_bytes) {
  MiniBatches batches(split, kPlan, zeros_for_bytes);
  TaskPool pool(1);
  return std::holds_alternative<ByteInputs>(batches.batch(0, 0, pool).inputs);
}

TEST(MiniBatches, BytesWhereTheNetworkTakesThem) {
  const Split sparse = test::striped_split(400, 1);
  EXPECT_TRUE(takes_bytes(sparse, kernels::kZerosThatPay));
  EXPECT_FALSE(takes_bytes(sparse, Program::kNeverBytes));
  Split dense = sparse;
  for (std::uint8_t& byte : dense.images.values()) byte |= 1;
  EXPECT_FALSE(takes_bytes(dense, kernels::kZerosThatPay));
  EXPECT_TRUE(takes_bytes(dense, 0));
}

// To the byte.
TEST(MiniBatches, BytesFromTheShareOfZerosThatPays) {
  Split split = test::striped_split(400, 1);
  const auto bytes = split.images.values();
  const auto border = static_cast<std::size_t>(
      std::ceil(kernels::kZerosThatPay * static_cast<double>(bytes.size())));
  for (const std::size_t zeros : {border - 1, border}) {
    std::ranges::fill(bytes, std::uint8_t{7});
    std::ranges::fill(bytes.first(zeros), std::uint8_t{0});
    EXPECT_EQ(takes_bytes(split, kernels::kZerosThatPay), zeros == border);
  }
}

// What is done to a sample is a function of seed, step and its index, wherever in a batch it is: a
// step of 70 rows is gathered by several tasks.
TEST(MiniBatches, AugmentBySeedStepAndSample) {
  const Split split = test::striped_split(400, 1);
  MiniBatchPlan plan{.step = {.samples = 400, .batch = 70, .seed = 5}};
  plan.augmentation = {.shift = 1, .rotate = 20, .scale = 0.2F, .flip = 0.5F};
  MiniBatchPlan plain = plan;
  plain.augmentation = {};
  MiniBatches varied(split, plan, Program::kNeverBytes);
  BatchSampler sampler(plan.step);
  std::vector<float> expected(split.sample().size());
  for (const std::size_t threads : {1U, 3U}) {
    TaskPool pool(threads);
    for (std::size_t step = 0; step < 3; ++step) {
      const Batch batch = varied.batch(step, 0, pool);
      const auto& floats = std::get<ConstTensorView>(batch.inputs);
      const auto indices = sampler.indices(step);
      for (std::size_t i = 0; i < indices.size(); ++i) {
        const auto change = draw_change(plan.augmentation, 5, step, indices[i]);
        apply_change(change, {split.images.view().row(indices[i]), split.sample()}, kByteScale,
                     expected);
        ASSERT_TRUE(std::ranges::equal(floats.row(i), expected)) << step << " " << i;
      }
    }
  }
}

TEST(MiniBatches, BothFormsHoldTheSameNumbersAndLabels) {
  const Split split = test::striped_split(400, 1);
  MiniBatches as_bytes(split, kPlan, 0);
  MiniBatches as_floats(split, kPlan, Program::kNeverBytes);
  TaskPool pool(1);
  for (std::size_t step = 0; step < 5; ++step) {
    EXPECT_EQ(as_bytes.parts(step), 1U);
    const Batch a = as_bytes.batch(step, 0, pool);
    const Batch b = as_floats.batch(step, 0, pool);
    const auto& bytes = std::get<ByteInputs>(a.inputs);
    const auto& floats = std::get<ConstTensorView>(b.inputs);
    ASSERT_EQ(bytes.bytes.shape(), floats.shape());
    for (std::size_t i = 0; i < floats.size(); ++i)
      ASSERT_EQ(bytes.scale * static_cast<float>(bytes.bytes.values()[i]), floats.values()[i]);
    EXPECT_TRUE(std::ranges::equal(a.targets.labels, b.targets.labels));
  }
}

void expect_same(const Batch& a, const Batch& b, const std::string& where) {
  EXPECT_EQ(a.key, b.key) << where;
  EXPECT_TRUE(std::ranges::equal(a.targets.labels, b.targets.labels)) << where;
  EXPECT_TRUE(std::ranges::equal(a.targets.weights, b.targets.weights)) << where;
  const auto* floats = std::get_if<ConstTensorView>(&a.inputs);
  if (floats == nullptr)
    EXPECT_TRUE(std::ranges::equal(std::get<ByteInputs>(a.inputs).bytes.values(),
                                   std::get<ByteInputs>(b.inputs).bytes.values()))
        << where;
  else
    EXPECT_TRUE(std::ranges::equal(floats->values(), std::get<ConstTensorView>(b.inputs).values()))
        << where;
}

// Steps of 50 samples in parts of 16, over the end of an epoch: what was prepared, in any order of
// tasks, is what is gathered when it is asked for.
TEST(MiniBatches, PreparedBatchesAreThoseThatAreAskedFor) {
  const Split split = test::striped_split(120, 1);
  MiniBatchPlan plan{.step = {.samples = 120, .batch = 50, .seed = 3},
                     .most_rows = 16,
                     .class_weights = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
  TaskPool pool(2);
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::shuffled_epochs})
    for (const bool augmented : {false, true}) {
      plan.step.sampling = sampling;
      plan.augmentation.shift = augmented ? 2.0F : 0.0F;
      MiniBatches ahead(split, plan, 0);
      MiniBatches asked(split, plan, 0);
      for (std::size_t step = 0; step < 7; ++step)
        for (std::size_t part = 0; part < asked.parts(step); ++part) {
          const Batch now = ahead.batch(step, part, pool);
          const Aside next = ahead.prepare_next();
          for (std::size_t task = next.tasks; task-- > 0;) next.run(task);
          expect_same(now, asked.batch(step, part, pool),
                      fmt::format("step {} part {}", step, part));
        }
      EXPECT_EQ(asked.parts(2), sampling == Sampling::shuffled_epochs ? 2U : 4U) << "20 samples";
    }
}

// A step that throws never runs what prepares the next one, or only a part of it.
TEST(MiniBatches, WhatWasPreparedInPartIsGatheredAnew) {
  const Split split = test::striped_split(120, 1);
  const MiniBatchPlan plan{.step = {.samples = 120, .batch = 50, .seed = 3}};
  TaskPool pool(1);
  for (const std::size_t tasks : {0U, 1U}) {
    MiniBatches dropped(split, plan, 0);
    MiniBatches asked(split, plan, 0);
    dropped.batch(0, 0, pool);
    const Aside next = dropped.prepare_next();
    ASSERT_EQ(next.tasks, 2U);
    for (std::size_t task = 0; task < tasks; ++task) next.run(task);
    expect_same(dropped.batch(1, 0, pool), asked.batch(1, 0, pool), fmt::format("{} tasks", tasks));
  }
}

// While a step's gradient is computed: samples that change behind it are those of the step after
// the next.
TEST(StepGradient, TheNextBatchIsPreparedWithinAStep) {
  const Split split = test::striped_split(120, 1);
  const Network network({36}, {Dense{4, Xavier{}}});
  const Parameters parameters = initialize(network, 1);
  const TrainOptions options{.batch = 50};
  for (const std::size_t threads : {1U, 2U}) {
    TaskPool pool(threads);
    Split changing = split;
    StepGradient ahead(network, changing, options);
    StepGradient plain(network, split, options);
    std::vector<float> theta(parameters.theta().begin(), parameters.theta().end());
    ahead.at(0, theta, pool);
    std::ranges::fill(changing.images.values(), std::uint8_t{0});
    EXPECT_EQ(ahead.at(1, theta, pool), plain.at(1, theta, pool));
    EXPECT_NE(ahead.at(2, theta, pool), plain.at(2, theta, pool));
  }
}

TEST(MiniBatches, ABatchIsValidUntilTheSecondCall) {
  const Split split = test::striped_split(120, 1);
  const MiniBatchPlan plan{.step = {.samples = 120, .batch = 50, .seed = 3}};
  TaskPool pool(1);
  MiniBatches batches(split, plan, 0);
  MiniBatches other(split, plan, 0);
  const Batch first = batches.batch(0, 0, pool);
  batches.batch(1, 0, pool);
  expect_same(first, other.batch(0, 0, pool), "first");
}

}  // namespace
}  // namespace gradatim
