// Layers whose training is more than their gradient: dropout and batch normalisation.
#include <gtest/gtest.h>

#include <cmath>

#include "gradatim/train/train.hpp"
#include "support/datasets.hpp"

namespace gradatim {
namespace {

const Network kNetwork({36}, {Dense{12, Xavier{}}, BatchNorm{}, Relu{}, Dropout{0.2F},
                              Dense{12, Xavier{}}, Residual{3}, LayerNorm{}, Dense{4, Xavier{}}});

TrainOptions options(std::size_t threads) {
  return {.optimizer = AdamW{.learning_rate = 0.01F},
          .weight_decay = DecoupledDecay{0.01F},
          .batch = 20,
          .steps = 300,
          .threads = threads};
}

TEST(TrainLayers, LearnTheSameBitsForAnyNumberOfThreads) {
  const Dataset data = test::striped_dataset();
  const TrainResult one = train(kNetwork, data, options(1));
  EXPECT_GT(one.test.accuracy, 0.95);
  for (const std::size_t threads : {2U, 3U})
    EXPECT_TRUE(std::ranges::equal(train(kNetwork, data, options(threads)).parameters.theta(),
                                   one.parameters.theta()));
}

// What prediction normalises by: the data's own, whatever the decay of weights.
TEST(TrainLayers, RunningStatisticsFollowTheData) {
  const Network network({36}, {BatchNorm{}, Dense{4, Xavier{}}});
  const Dataset data = test::striped_dataset();
  TrainOptions decaying = options(1);
  decaying.weight_decay = DecoupledDecay{1.0F};
  for (const GradientMethod method : {GradientMethod::backprop, GradientMethod::tape}) {
    decaying.gradient = method;
    const TrainResult result = train(network, data, decaying);
    for (std::size_t k = 0; k < 36; ++k) {
      double mean = 0;
      double squares = 0;
      for (std::size_t n = 0; n < 400; ++n) {
        const double x = data.train.images.values()[n * 36 + k] / 255.0;
        mean += x / 400;
        squares += x * x / 400;
      }
      const double variance = squares - mean * mean;
      // An average over some ten batches of 20.
      EXPECT_NEAR(result.parameters["batch_norm1.running_mean"].values()[k], mean, 0.05);
      EXPECT_NEAR(result.parameters["batch_norm1.running_variance"].values()[k], variance,
                  0.5 * variance);
    }
  }
}

}  // namespace
}  // namespace gradatim
