#include "gradatim/train/evaluation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "gradatim/train/train.hpp"
#include "support/datasets.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

// One pixel a class: the network hands the pixels on, so that the brightest is the prediction.
struct Pixels {
  Network network{{3}, {Dense{3, Zeros{}}}};
  Parameters parameters{parameter_layout(network)};
  Split split;

  Pixels(std::vector<std::vector<std::uint8_t>> images, std::vector<std::int32_t> labels) {
    for (std::size_t i = 0; i < 3; ++i) parameters["dense1.weight"](i, i) = 1;
    split.images = ByteTensor({images.size(), 1, 3});
    for (std::size_t i = 0; i < images.size(); ++i)
      std::copy(images[i].begin(), images[i].end(), split.images.view().row(i).begin());
    split.labels = std::move(labels);
  }

  Evaluation evaluated(const Loss& loss = SoftmaxCrossEntropy{}) {
    TaskPool pool(1);
    return evaluate(network, loss, parameters.theta(), split, pool);
  }
};

TEST(Evaluate, CountsByHand) {
  Pixels pixels({{255, 0, 0}, {0, 255, 0}, {0, 255, 0}, {51, 51, 0}}, {0, 1, 0, 1});
  const Evaluation evaluation = pixels.evaluated();
  EXPECT_EQ(evaluation.samples, 4U);
  EXPECT_EQ(evaluation.scores.accuracy, 0.5);  // the tie goes to class 0
  const auto table = evaluation.confusion.view();
  EXPECT_EQ(table(0, 0), 1U);
  EXPECT_EQ(table(0, 1), 1U);
  EXPECT_EQ(table(1, 0), 1U);
  EXPECT_EQ(table(1, 1), 1U);
  const double e = std::exp(1.0);
  const double right = -std::log(e / (e + 2));
  const double wrong = -std::log(1 / (e + 2));
  const double tie = std::log(2 + std::exp(-0.2));
  EXPECT_NEAR(evaluation.scores.loss, (2 * right + wrong + tie) / 4, 1e-6);
}

TEST(Evaluate, ScoresClassesAndSaysNaNWhereThereIsNothing) {
  Pixels pixels({{255, 0, 0}, {0, 255, 0}, {0, 255, 0}}, {0, 1, 0});
  const auto scores = class_scores(pixels.evaluated());
  ASSERT_EQ(scores.size(), 3U);
  EXPECT_EQ(scores[0].samples, 2U);
  EXPECT_EQ(scores[0].recall, 0.5);
  EXPECT_EQ(scores[0].precision, 1.0);
  EXPECT_EQ(scores[1].recall, 1.0);
  EXPECT_EQ(scores[1].precision, 0.5);
  EXPECT_TRUE(std::isnan(scores[2].recall));
  EXPECT_TRUE(std::isnan(scores[2].precision));
}

TEST(Evaluate, AgreesWithAccuracyOnMoreThanOnePiece) {
  const Dataset data = test::striped_dataset();
  Split large;
  large.images = ByteTensor(data.train.images.shape().sample().batched(2300));
  for (std::size_t i = 0; i < 2300; ++i) {
    const auto from = data.train.images.view().row(i % data.train.size());
    std::copy(from.begin(), from.end(), large.images.view().row(i).begin());
    large.labels.push_back(data.train.labels[i % data.train.size()]);
  }
  const Network network({36}, {Dense{4, Xavier{}}});
  const Parameters parameters = initialize(network, 3);
  TaskPool pool(2);
  const Evaluation evaluation =
      evaluate(network, SoftmaxCrossEntropy{}, parameters.theta(), large, pool);
  EXPECT_EQ(evaluation.scores.accuracy, accuracy(network, parameters.theta(), large, pool));
}

// Outputs that differ by nothing but rounding: whoever adds in another order counts otherwise.
TEST(Evaluate, IsTheLoopsFigureToTheBitOnSamplesThatRoundingDecides) {
  const Split split = test::striped_split(2300, 5);
  const Network network({36}, {Dense{4, Zeros{}}});
  Parameters parameters(parameter_layout(network));
  std::vector<float> drawn(36);
  fill_uniform(drawn, {.seed = 6}, -1, 1);
  const auto weight = parameters["dense1.weight"];
  for (std::size_t i = 0; i < 36; ++i)
    for (std::size_t k = 0; k < 4; ++k)
      weight(i, k) = (i * 7 + k * 5) % 3 == 0 ? std::nextafter(drawn[i], 2.0F) : drawn[i];
  TaskPool pool(2);
  const Evaluation evaluation =
      evaluate(network, SoftmaxCrossEntropy{}, parameters.theta(), split, pool);
  EXPECT_EQ(evaluation.scores.accuracy, accuracy(network, parameters.theta(), split, pool));
  EXPECT_NEAR(evaluation.scores.loss, std::log(4.0), 1e-5);
  std::uint64_t right = 0;
  for (std::size_t k = 0; k < 4; ++k) right += evaluation.confusion.view()(k, k);
  EXPECT_EQ(static_cast<double>(right) / 2300, evaluation.scores.accuracy);
}

TEST(Evaluate, SaysWhatDoesNotFit) {
  Pixels pixels({{1, 2, 3}}, {3});
  EXPECT_EQ(test::message_of<InvalidArgument>([&] { pixels.evaluated(); }),
            "evaluate: label 3 for a network of 3 outputs");
  Pixels none({}, {});
  EXPECT_EQ(test::message_of<InvalidArgument>([&] { none.evaluated(); }),
            "evaluate: there are no samples");
  Pixels shaped({{1, 2, 3}}, {0});
  shaped.split.images = ByteTensor({1, 2, 2});
  EXPECT_EQ(test::message_of<ShapeError>([&] { shaped.evaluated(); }),
            "evaluate: the network expects inputs of shape (3), a sample has shape (2, 2)");
  Pixels fewer({{1, 2, 3}}, {0, 1});
  EXPECT_EQ(test::message_of<ShapeError>([&] { fewer.evaluated(); }),
            "split: expected as many images as labels, got images (1, 1, 3) and 2 labels");
  TaskPool pool(1);
  EXPECT_THROW(accuracy(fewer.network, fewer.parameters.theta(), fewer.split, pool), ShapeError);
  EXPECT_CONTAINS(
      test::message_of<InvalidArgument>([&] { pixels.split.labels = {-1}, pixels.evaluated(); }),
      "label -1");
}

}  // namespace
}  // namespace gradatim
