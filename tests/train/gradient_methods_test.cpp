// Training by other gradients than backprop's: the same curve.
#include <gtest/gtest.h>

#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/nn/check.hpp"
#include "gradatim/nn/numerical_gradient.hpp"
#include "gradatim/train/train.hpp"
#include "nn/problems.hpp"
#include "support/datasets.hpp"
#include "support/mnist.hpp"
#include "support/sanitized.hpp"

namespace gradatim {
namespace {

using test::striped_dataset;

const Network kTwoLayer({784}, {Dense{50}, Sigmoid{}, Dense{10}});
constexpr GradientMethod kMethods[] = {GradientMethod::backprop, GradientMethod::numerical,
                                       GradientMethod::dual, GradientMethod::tape};

struct Losses final : TrainObserver {
  bool on_step(const StepRecord& record) override {
    values.push_back(record.loss);
    return true;
  }
  std::vector<double> values;
};

std::vector<double> losses(GradientMethod method, std::size_t threads) {
  const Network network({36}, {Dense{12, Xavier{}}, Tanh{}, Dense{4, Xavier{}}});
  Losses losses;
  train(network, striped_dataset(),
        {.gradient = method, .optimizer = Sgd{0.2F}, .batch = 20, .steps = 60, .threads = threads},
        &losses);
  return losses.values;
}

TEST(GradientMethods, AllSeeTheSameCurve) {
  const auto expected = losses(GradientMethod::backprop, 1);
  EXPECT_LT(expected.back(), 0.5 * expected.front());
  for (const GradientMethod method : kMethods) {
    const auto curve = losses(method, 1);
    ASSERT_EQ(curve.size(), expected.size());
    for (std::size_t i = 0; i < curve.size(); ++i)
      ASSERT_NEAR(curve[i], expected[i], 1e-5) << to_string(method) << ", step " << i + 1;
    for (const std::size_t threads : {2U, 3U, 7U})
      EXPECT_EQ(losses(method, threads), curve) << to_string(method);
  }
}

TEST(GradientMethods, FormulaeAreNeededForDualAndTape) {
  const Network network({36}, {Custom{}});
  EXPECT_THROW(make_gradient_program(GradientMethod::dual, network, SoftmaxCrossEntropy{}, 1),
               InvalidArgument);
}

struct NamedData {
  std::string name;
  Dataset data;
};

std::vector<NamedData> real_data() {
  std::vector<NamedData> all;
  if (locate(find_dataset("fashion-mnist")))
    all.push_back({"fashion-mnist", load_dataset("fashion-mnist")});
  if (const auto folder = test::mnist_folder(); !folder.empty())
    all.push_back({"mnist", load_dataset("mnist", {.chosen = folder})});
  return all;
}

// One full numerical gradient of the chapter's network on real images, untrained and trained.
TEST(RealNumericalGradient, IsWithinAMillionthOfTheDerivativeInDouble) {
  const auto all = real_data();
  if (all.empty()) GTEST_SKIP() << "neither Fashion-MNIST nor MNIST is there";
  for (const auto& [name, data] : all)
    for (const std::size_t steps : {1U, 600U}) {
      test::Problem problem{name, kTwoLayer, SoftmaxCrossEntropy{}, {}, {}, {}, {}};
      problem.parameters = train(kTwoLayer, data, {.steps = steps}).parameters;
      const Samples samples = data.train.batch(0, 100);
      problem.inputs = samples.inputs;
      problem.labels = samples.labels;
      const auto result = numerical_gradient(kTwoLayer, problem.parameters.theta(), samples);
      EXPECT_LT(test::relative_distance(result.d_theta, test::reference_gradient(problem).theta),
                1e-6)
          << name << " after " << steps << " steps";
      const auto report = check(kTwoLayer, problem.parameters, samples);
      EXPECT_TRUE(report.passed()) << report.to_string();
    }
}

TEST(RealCheck, EveryParameterOfAWideReluNetwork) {
  const auto all = real_data();
  if (all.empty()) GTEST_SKIP() << "neither Fashion-MNIST nor MNIST is there";
  const Network network({784},
                        {Dense{512, He{}}, Relu{}, Dense{512, He{}}, Relu{}, Dense{10, He{}}});
  const Parameters parameters = initialize(network, 1);
  const NetworkCheck report = check(network, parameters, all[0].data.train.batch(0, 10));
  EXPECT_TRUE(report.passed()) << report.to_string();
  EXPECT_EQ(report.parameters(), 669'706U);
  EXPECT_GT(report.count(&TensorCheck::passed), 400'000U);
}

constexpr std::size_t kSteps = test::kSanitized ? 100 : 10'000;

TEST(RealNumericalGradient, TrainsToBackpropsAccuracy) {
  const auto all = real_data();
  if (all.empty()) GTEST_SKIP() << "neither Fashion-MNIST nor MNIST is there";
  for (const auto& [name, data] : all) {
    const auto expected = train(kTwoLayer, data, {.steps = kSteps});
    const auto numerical =
        train(kTwoLayer, data, {.gradient = GradientMethod::numerical, .steps = kSteps});
    EXPECT_EQ(numerical.steps, kSteps);
    EXPECT_NEAR(numerical.test.accuracy, expected.test.accuracy, 0.003) << name;
  }
}

}  // namespace
}  // namespace gradatim
