#include "apps/gradatim/progress.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/open_file.hpp"

namespace gradatim {
namespace {

std::string content_of(std::FILE* file) {
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  return text;
}

TEST(Progress, AnEpochsLossIsTheMeanOverItsOwnSteps) {
  const detail::OpenFile file(std::tmpfile());
  ASSERT_NE(file, nullptr);
  app::Progress progress(file.get(), 5, 2);
  progress.on_step({.step = 1, .loss = 3});
  progress.on_step({.step = 2, .loss = 1});
  progress.on_epoch(
      {.epoch = 1, .step = 2, .train = {.accuracy = 0.25}, .test = {.accuracy = 0.5}});
  progress.on_step({.step = 3, .loss = 10});
  progress.on_step({.step = 4, .loss = 20});
  progress.on_epoch(
      {.epoch = 2, .step = 4, .train = {.accuracy = 0.75}, .test = {.accuracy = 0.625}});
  progress.on_step({.step = 5, .loss = 0.5});
  progress.on_epoch({.epoch = 3, .step = 5, .train = {.accuracy = 1}, .test = {.accuracy = 0.875}});
  progress.finish();
  EXPECT_EQ(content_of(file.get()),
            "epoch 1/3  step 2  loss 2.0000  train accuracy 0.2500  test 0.5000\n"
            "epoch 2/3  step 4  loss 15.0000  train accuracy 0.7500  test 0.6250\n"
            "epoch 3/3  step 5  loss 0.5000  train accuracy 1.0000  test 0.8750\n");
  EXPECT_EQ(progress.losses(), (std::vector<double>{2, 15, 0.5}));
  EXPECT_EQ(progress.test_figures(), (std::vector<double>{0.5, 0.625, 0.875}));
}

// A run that is resumed at an epoch's end has that evaluated again, and no loss to tell.
TEST(Progress, AnEpochWithoutStepsHasNoLoss) {
  const detail::OpenFile file(std::tmpfile());
  ASSERT_NE(file, nullptr);
  app::Progress progress(file.get(), 4, 2);
  progress.on_epoch(
      {.epoch = 1, .step = 2, .train = {.accuracy = 0.25}, .test = {.accuracy = 0.5}});
  EXPECT_EQ(content_of(file.get()), "epoch 1/2  step 2  train accuracy 0.2500  test 0.5000\n");
  EXPECT_TRUE(progress.losses().empty());
}

}  // namespace
}  // namespace gradatim
