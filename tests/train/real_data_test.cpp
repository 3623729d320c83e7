// The chapter's training to its end on the real data sets: the accuracies that are promised.
#include <gtest/gtest.h>

#include "gradatim/core/error.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/train/train.hpp"
#include "support/mnist.hpp"
#include "support/sanitized.hpp"

namespace gradatim {
namespace {

const Network kTwoLayer({784}, {Dense{50}, Sigmoid{}, Dense{10}});

void expect_accuracy(const Dataset& data, double least) {
  if (test::kSanitized) GTEST_SKIP() << "a minute for what BitsDoNotDependOnThreads trains too";
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const TrainResult result = train(kTwoLayer, data, {.seed = seed});
    EXPECT_EQ(result.steps, 10'000U);
    EXPECT_GE(result.test.accuracy, least) << data.name << ", seed " << seed;
  }
}

TEST(RealData, FashionMnistReaches84Percent) {
  if (!locate(find_dataset("fashion-mnist")))
    GTEST_SKIP() << "Fashion-MNIST is absent: apt-get install dataset-fashion-mnist";
  expect_accuracy(load_dataset("fashion-mnist"), 0.84);
}

TEST(RealData, MnistReaches94Point3Percent) {
  const auto folder = test::mnist_folder();
  if (folder.empty()) GTEST_SKIP() << test::kNoMnist;
  expect_accuracy(load_dataset("mnist", {.chosen = folder}), 0.943);
}

TEST(RealData, BitsDoNotDependOnThreads) {
  if (!locate(find_dataset("fashion-mnist")))
    GTEST_SKIP() << "Fashion-MNIST is absent: apt-get install dataset-fashion-mnist";
  const Dataset data = load_dataset("fashion-mnist");
  const TrainResult first = train(kTwoLayer, data, {.steps = 300, .threads = 1});
  for (const std::size_t threads : {2U, 3U, 7U}) {
    const TrainResult again = train(kTwoLayer, data, {.steps = 300, .threads = threads});
    EXPECT_TRUE(std::ranges::equal(again.parameters.theta(), first.parameters.theta()))
        << threads << " threads";
  }
}

}  // namespace
}  // namespace gradatim
