// Dropout and residual additions: what joins the layers of a network besides passing values on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/nn/check.hpp"
#include "gradatim/nn/gradient_method.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/problems.hpp"
#include "support/errors.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::make_problem;
using test::message_of;
using test::Problem;
using test::reference_gradient;
using test::relative_distance;
using test::TargetKind;
using test::uniform_tensor;

std::vector<float> backprop(const Problem& problem, const Batch& batch, std::size_t threads = 1) {
  TaskPool pool(threads);
  Program program(problem.network, problem.loss, batch.rows());
  std::vector<float> gradient(program.layout().size);
  program.gradient(problem.parameters.theta(), batch, gradient, pool);
  return gradient;
}

// Layers of one width in random order, with residuals over any number of them.
Network random_network(std::uint64_t seed) {
  const std::vector<Layer> choices = {Dense{6}, Dense{6},       Relu{},    Tanh{},
                                      Silu{},   Dropout{0.25F}, Flatten{}, LayerNorm{}};
  std::vector<std::uint32_t> drawn(24);
  choice(drawn, 1000, {.seed = seed});
  Network network({6}, {});
  for (const std::uint32_t number : drawn) {
    const std::size_t before = network.layers.size();
    if (number % 3 == 0 && before > 0)
      network.layers.push_back(Residual{1 + number / 3 % before});
    else
      network.layers.push_back(choices[number / 3 % choices.size()]);
  }
  network.layers.push_back(Dense{3});
  return network;
}

TEST(Joining, RandomNetworksHaveTheGradientOfTheirFormulae) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Problem problem = make_problem("", random_network(seed), SoftmaxCrossEntropy{}, 5,
                                         TargetKind::labels, seed, 0.5F);
    const auto gradient = backprop(problem, problem.batch());
    EXPECT_LT(relative_distance(gradient, reference_gradient(problem).theta), 2e-6)
        << "seed " << seed << "\n"
        << to_string(problem.network);
  }
}

TEST(Joining, RandomNetworksPassTheCheck) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Problem problem = make_problem("", random_network(seed), SoftmaxCrossEntropy{}, 5,
                                         TargetKind::labels, seed, 0.5F);
    const auto report =
        check(problem.network, problem.parameters.theta(), problem.batch(), {.threads = 1});
    EXPECT_EQ(report.count(&TensorCheck::failed), 0U) << report.to_string();
    EXPECT_LT(report.sample.shortcut_error, 1e-4);
  }
}

TEST(Joining, PredictionsAreThoseOfTheFormulae) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Problem problem = make_problem("", random_network(seed), SoftmaxCrossEntropy{}, 70,
                                         TargetKind::labels, seed, 0.5F);
    const reference::Evaluation evaluation(problem.network, problem.loss);
    const Tensor y = predict(problem.network, problem.parameters.theta(), problem.inputs);
    const auto theta = test::to_double(problem.parameters.theta());
    for (std::size_t n = 0; n < 70; ++n) {
      const auto x = test::to_double(problem.inputs.view().row(n));
      const auto expected = evaluation.outputs<double>(theta, x);
      for (std::size_t k = 0; k < expected.size(); ++k)
        ASSERT_NEAR(y.view()(n, k), expected[k], 4e-6 * (1 + std::abs(expected[k]))) << seed;
    }
  }
}

// Samples that pass in blocks, residuals inside and across the layers that do so.
TEST(Joining, ResidualsOfImages) {
  const Conv2d conv{.filters = 2, .kernel = 3, .padding = 1};
  const Network network({2, 40, 40}, {conv, Relu{}, conv, Residual{3}, Relu{}, MaxPool2d{}, conv,
                                      Residual{1}, Flatten{}, Residual{2}, Dense{3}});
  EXPECT_THROW(parameter_layout(network), ShapeError);  // (800) and (2, 20, 20)
  const Network fits({2, 40, 40},
                     {conv, Relu{}, conv, Residual{3}, Relu{}, Residual{1}, MaxPool2d{}, conv,
                      Residual{1}, Flatten{}, LayerNorm{}, Residual{1}, Dense{3}});
  const Problem problem =
      make_problem("", fits, SoftmaxCrossEntropy{}, 50, TargetKind::labels, 3, 0.2F);
  const auto gradient = backprop(problem, problem.batch());
  // Two samples at a time, which is one block: as if there were none.
  std::vector<double> sum(gradient.size());
  for (std::size_t first = 0; first < 50; first += 2) {
    Batch batch = problem.batch();
    batch.inputs = problem.inputs.view().slice(first, 2);
    batch.targets.labels = batch.targets.labels.subspan(first, 2);
    const auto part = backprop(problem, batch);
    for (std::size_t i = 0; i < part.size(); ++i) sum[i] += static_cast<double>(part[i]) / 25;
  }
  EXPECT_LT(relative_distance(gradient, sum), 1e-6);
  for (const std::size_t threads : {2U, 3U, 7U})
    EXPECT_EQ(backprop(problem, problem.batch(), threads), gradient);
}

// relu and the pool behind it change places, unless somebody reads what is between them.
TEST(Joining, AResidualBetweenReluAndPoolIsKept) {
  const Network network({1, 4, 4}, {Relu{}, MaxPool2d{3, 1, 1}, Residual{1}, Flatten{}, Dense{3}});
  const Problem problem =
      make_problem("", network, SoftmaxCrossEntropy{}, 5, TargetKind::labels, 4);
  EXPECT_LT(
      relative_distance(backprop(problem, problem.batch()), reference_gradient(problem).theta),
      1e-6);
}

TEST(Joining, InputsThatAreAddedAreNoBytes) {
  const Network network({6}, {Dense{6}, Residual{1}, Dense{3}});
  EXPECT_FALSE(Program(network, SoftmaxCrossEntropy{}, 2).accepts_bytes());
  const Parameters parameters = initialize(network, 1);
  ByteTensor bytes({2, 6}, {0, 1, 2, 3, 4, 255, 0, 0, 9, 8, 7, 6});
  Tensor floats({2, 6});
  for (std::size_t i = 0; i < 12; ++i)
    floats.values()[i] = (1.0F / 255) * static_cast<float>(bytes.values()[i]);
  Tensor y({2, 3});
  Predictor(network).predict(parameters.theta(), ByteInputs{bytes.view()}, y);
  EXPECT_EQ(y, predict(network, parameters.theta(), floats));
}

TEST(Joining, ErrorsNameTheLayers) {
  const auto refusal = [](std::vector<Layer> layers) {
    return message_of<InvalidArgument>([&] { parameter_layout({{6}, std::move(layers)}); });
  };
  EXPECT_EQ(refusal({Dense{5}, Relu{}, Residual{2}}),
            "layer 3 (residual): adds the input of layer 1 (dense), expected shape (5), got (6)");
  EXPECT_EQ(refusal({Relu{}, Residual{2}}),
            "layer 2 (residual): over must be 1 to 1, the number of layers before it, got 2");
  EXPECT_CONTAINS(refusal({Relu{}, Residual{0}}), "got 0");
  EXPECT_EQ(refusal({Relu{}, Dropout{1.0F}}), "layer 2 (dropout): rate must be in [0, 1), got 1");
  EXPECT_EQ(refusal({LayerNorm{0}}),
            "layer 1 (layer_norm): epsilon must be positive and finite, got 0");
}

// ---- Dropout.

Problem dropout_problem(std::size_t rows) {
  return make_problem(
      "dropout",
      {{30}, {Dense{200}, Relu{}, Dropout{0.3F}, Dense{150}, Tanh{}, Dropout{0.5F}, Dense{4}}},
      SoftmaxCrossEntropy{}, rows, TargetKind::labels, 7, 0.2F);
}

TEST(Dropout, SameBitsForAnyNumberOfThreads) {
  const Problem problem = dropout_problem(96);
  const auto one = backprop(problem, problem.batch());
  for (const std::size_t threads : {2U, 3U, 7U})
    EXPECT_EQ(backprop(problem, problem.batch(), threads), one) << threads;
}

TEST(Dropout, EveryPartOfTheKeyMatters) {
  const Problem problem = dropout_problem(8);
  const auto with = [&](const StepKey& key) {
    Batch batch = problem.batch();
    batch.key = key;
    return backprop(problem, batch);
  };
  const auto one = with({.seed = 1, .step = 1});
  EXPECT_EQ(with({.seed = 1, .step = 1}), one);
  EXPECT_NE(with({.seed = 2, .step = 1}), one);
  EXPECT_NE(with({.seed = 1, .step = 2}), one);
  EXPECT_NE(with({.seed = 1, .step = 1, .first_row = 8}), one);
  EXPECT_NE(dropout_key({}, 1).stream, dropout_key({}, 2).stream);
}

// A step that takes its rows in two batches draws what one batch would.
TEST(Dropout, RowsCountWithinTheStep) {
  const Problem problem = dropout_problem(10);
  const auto whole = backprop(problem, problem.batch());
  std::vector<double> sum(whole.size());
  for (const std::size_t first : {0U, 5U}) {
    Batch batch = problem.batch();
    batch.inputs = problem.inputs.view().slice(first, 5);
    batch.targets.labels = batch.targets.labels.subspan(first, 5);
    batch.key->first_row = first;
    const auto part = backprop(problem, batch);
    for (std::size_t i = 0; i < part.size(); ++i) sum[i] += static_cast<double>(part[i]) / 2;
  }
  EXPECT_LT(relative_distance(whole, sum), 1e-6);
}

TEST(Dropout, WithoutAKeyNoGradient) {
  const Problem problem = dropout_problem(2);
  Batch batch = problem.batch();
  batch.key.reset();
  const std::string expected =
      "batch: layer 3 (dropout) draws at random in training: expected a key of seed and step, got "
      "none";
  EXPECT_EQ(message_of<InvalidArgument>([&] { backprop(problem, batch); }), expected);
  EXPECT_EQ(message_of<InvalidArgument>(
                [&] { check(problem.network, problem.parameters.theta(), batch, {.threads = 1}); }),
            expected);
  TaskPool pool(1);
  std::vector<float> d_theta(problem.parameters.theta().size());
  const auto tape = make_gradient_program(GradientMethod::tape, problem.network, problem.loss, 2);
  EXPECT_EQ(message_of<InvalidArgument>(
                [&] { tape->gradient(problem.parameters.theta(), batch, d_theta, pool); }),
            expected);
}

TEST(Dropout, AllMethodsDropTheSame) {
  const Problem problem = test::problems(9)[13];
  ASSERT_EQ(problem.name, "dropout");
  const auto exact = reference_gradient(problem).theta;
  TaskPool pool(2);
  for (const GradientMethod method : {GradientMethod::backprop, GradientMethod::numerical,
                                      GradientMethod::dual, GradientMethod::tape}) {
    std::vector<float> d_theta(exact.size());
    make_gradient_program(method, problem.network, problem.loss, 7)
        ->gradient(problem.parameters.theta(), problem.batch(), d_theta, pool);
    EXPECT_LT(relative_distance(d_theta, exact), 1e-6) << to_string(method);
  }
}

TEST(Dropout, TheCheckFreezesItAndSaysSo) {
  const Problem problem = test::problems(9)[13];
  const auto report =
      check(problem.network, problem.parameters.theta(), problem.batch(), {.threads = 1});
  EXPECT_TRUE(report.passed()) << report.to_string();
  EXPECT_CONTAINS(report.to_string(), "randomness frozen: layer 4 (dropout), seed 5, step 3");
  EXPECT_EQ(report.frozen.size(), 2U);
}

}  // namespace
}  // namespace gradatim
