#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradatim/core/error.hpp"
#include "gradatim/core/reference_changes.hpp"
#include "gradatim/nn/check.hpp"
#include "gradatim/nn/fold.hpp"
#include "gradatim/nn/gradient_method.hpp"
#include "gradatim/nn/losses.hpp"
#include "gradatim/nn/numerical_gradient.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/problems.hpp"
#include "support/errors.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::batch_problems;
using test::make_problem;
using test::message_of;
using test::Problem;
using test::reference_gradient;
using test::relative_distance;
using test::TargetKind;
using test::uniform_tensor;

std::vector<float> backprop(const Problem& problem, std::size_t threads = 1,
                            double* loss = nullptr) {
  TaskPool pool(threads);
  const Batch batch = problem.batch();
  Program program(problem.network, problem.loss, batch.rows());
  std::vector<float> gradient(program.layout().size, 99.0F);
  const double value = program.gradient(problem.parameters.theta(), batch, gradient, pool);
  if (loss != nullptr) *loss = value;
  return gradient;
}

TEST(BatchNorm, GradientIsThatOfTheFormulae) {
  for (const std::size_t rows : {2U, 7U, 64U})
    for (const Problem& problem : batch_problems(1, rows)) {
      if (rows > 7 && problem.name == "convolutions") continue;  // a long tape
      double loss = 0;
      const auto gradient = backprop(problem, 1, &loss);
      const auto exact = reference_gradient(problem).theta;
      // Over two rows every value is normalised to 1 or -1, and gradients are what rounding leaves.
      EXPECT_LT(relative_distance(gradient, exact), rows == 2 ? 1e-4 : 2e-6)
          << problem.name << ", " << rows;
      const reference::Evaluation evaluation(problem.network, problem.loss);
      const auto theta = test::to_double(problem.parameters.theta());
      EXPECT_NEAR(loss, evaluation.mean_loss<double>(theta, evaluation.samples(problem.batch())),
                  2e-6 * (1 + loss));
    }
}

// The variance too, which is kept from being negative: it goes into the running statistics.
TEST(BatchNorm, NanIsPassedOn) {
  const Network network({2}, {BatchNorm{}});
  const auto operations = make_operations(network);
  const BatchRule& rule = *operations[0]->over_batch();
  Tensor x = uniform_tensor({5, 2}, 1);
  x.view()(3, 1) = std::numeric_limits<float>::quiet_NaN();
  std::vector<double> sums(rule.sums());
  std::vector<float> statistics(rule.statistics());
  rule.add_sums(x, sums);
  rule.find_statistics(5, sums, statistics);
  Parameters parameters = initialize(network, 1);
  rule.move_running(5, statistics, parameters.theta());
  EXPECT_TRUE(std::isfinite(parameters["batch_norm1.running_variance"].values()[0]));
  EXPECT_TRUE(std::isnan(parameters["batch_norm1.running_variance"].values()[1]));
  EXPECT_TRUE(std::isnan(parameters["batch_norm1.running_mean"].values()[1]));
}

TEST(BatchNorm, SameBitsForAnyNumberOfThreads) {
  const Conv2d conv{.filters = 8, .kernel = 3, .padding = 1};
  const Problem wide = make_problem("",
                                    {{2, 20, 20},
                                     {conv, BatchNorm{}, Relu{}, conv, BatchNorm{}, Residual{4},
                                      MaxPool2d{}, Flatten{}, Dense{30}, BatchNorm{}, Dense{4}}},
                                    SoftmaxCrossEntropy{}, 100, TargetKind::labels, 2, 0.2F);
  double one_loss = 0;
  const auto one = backprop(wide, 1, &one_loss);
  for (const std::size_t threads : {2U, 3U, 7U}) {
    double loss = 0;
    EXPECT_EQ(backprop(wide, threads, &loss), one) << threads;
    EXPECT_EQ(loss, one_loss);
  }
}

TEST(BatchNorm, NumericalGradientIsTheDerivativeToRounding) {
  for (const Problem& problem : batch_problems(3)) {
    const auto exact = reference_gradient(problem);
    const auto result =
        numerical_gradient(problem.network, problem.parameters.theta(), problem.batch(),
                           {.loss = problem.loss, .step = 1e-5F, .inputs = true, .threads = 1});
    // Measured: 5e-8 to 9e-8, but 6e-7 to 1.9e-6 where a norm is the last layer or follows another,
    // which backprop shares (1.2e-6 to 3.5e-6).
    const bool usual =
        problem.name != "at the end" && problem.name != "two in a row" && problem.name != "images";
    EXPECT_LT(relative_distance(result.d_theta, exact.theta), usual ? 5e-7 : 2e-6) << problem.name;
    EXPECT_LT(relative_distance(result.d_inputs.values(), exact.inputs), 1e-6) << problem.name;
    EXPECT_TRUE(result.evaluated_again.empty());
  }
}

// A mean that is rounded is off for all rows alike: by a hundred thousandth of a standard deviation
// here, which backprop would add up over them.
TEST(BatchNorm, GradientIsExactWhereTheMeanIsLarge) {
  Problem problem = make_problem("", {{8}, {Dense{8}, BatchNorm{}, Softplus{}, Dense{2}}},
                                 SoftmaxCrossEntropy{}, 256, TargetKind::labels, 1);
  for (float& value : problem.inputs.values()) value += 100;
  EXPECT_LT(relative_distance(backprop(problem), reference_gradient(problem).theta), 3e-5);
}

// A channel is a row of layer_norm_change. Changes that all rows share are taken away again: what
// is left of them is a hundredth, and would be off by a hundred roundings of the mean.
TEST(BatchNorm, ChangeIsExactWhereRowsChangeAlike) {
  constexpr std::size_t kRows = 512;
  constexpr std::size_t kChannels = 3;
  const auto operations = make_operations({{kChannels}, {BatchNorm{}}});
  const Tensor x = uniform_tensor({kRows, kChannels}, 1, 2.0F, 3.0F);
  const Tensor dx = uniform_tensor({kRows, kChannels}, 2, 0.99e-6F, 1.01e-6F);
  std::vector<float> theta(4 * kChannels, 0.0F);
  std::fill_n(theta.begin(), kChannels, 1.5F);
  Tensor y({kRows, kChannels});
  Tensor dy({kRows, kChannels});
  operations[0]->change(theta, x, y, dx, dy);
  const auto channel = [](const Tensor& all, std::size_t c) {
    std::vector<float> values;
    for (std::size_t n = 0; n < kRows; ++n) values.push_back(all.view()(n, c));
    return values;
  };
  for (std::size_t c = 0; c < kChannels; ++c) {
    std::vector<double> exact(kRows);
    reference::layer_norm_change<double>(
        test::to_double(channel(x, c)), std::vector<double>(kRows, 1.5),
        test::to_double(channel(dx, c)), static_cast<double>(1e-5F), exact);
    double error = 0;
    double squares = 0;
    const auto change = channel(dy, c);
    for (std::size_t n = 0; n < kRows; ++n) {
      error += static_cast<double>(change[n]) - exact[n];
      squares += exact[n] * exact[n];
    }
    EXPECT_LT(relative_distance(change, exact), 2e-7);
    // In common, which would add up over the rows: one rounding of what is left.
    EXPECT_LT(std::abs(error) / kRows, 6e-8 * std::sqrt(squares / kRows));
  }
}

TEST(BatchNorm, TheCheckPassesAndSaysHow) {
  for (const Problem& problem : batch_problems(4)) {
    const auto report =
        check(problem.network, problem.parameters.theta(), problem.batch(),
              {.loss = problem.loss, .inputs = problem.network.input.size() < 10, .threads = 1});
    EXPECT_EQ(report.count(&TensorCheck::failed), 0U) << problem.name << report.to_string();
    // A norm of a norm takes the weight and bias of the first away, and nothing is proved of them.
    const bool degenerate = problem.name == "two in a row";
    EXPECT_TRUE(report.passed() || degenerate) << problem.name << "\n" << report.to_string();
    EXPECT_FALSE(report.over_batch.empty());
    EXPECT_CONTAINS(report.to_string(), "normalises over the batch");
    for (const TensorCheck& tensor : report.tensors)
      EXPECT_EQ(tensor.name.find("running"), std::string::npos);
  }
}

TEST(BatchNorm, TheCheckSaysTheSameForAnyNumberOfThreads) {
  const Problem problem = batch_problems(4)[4];
  const auto with = [&](std::size_t threads) {
    auto report = check(problem.network, problem.parameters.theta(), problem.batch(),
                        {.inputs = true, .threads = threads});
    report.seconds = 0;
    return report.to_string();
  };
  const std::string one = with(1);
  for (const std::size_t threads : {2U, 3U, 7U}) EXPECT_EQ(with(threads), one);
}

// The classic mistake: mean and variance taken for constants.
TEST(BatchNorm, AGradientThatForgetsTheStatisticsFails) {
  const Problem problem = batch_problems(5)[0];
  const auto operations = make_operations(problem.network);
  const BatchRule& rule = *operations[1]->over_batch();
  const auto theta = problem.parameters.theta();
  const auto norm = theta.subspan(63, 36);
  const auto last = theta.subspan(99);
  Tensor hidden({7, 9});
  Tensor z({7, 9});
  Tensor outputs({7, 4});
  operations[0]->forward(theta.first(63), problem.inputs, hidden);
  std::vector<double> sums(rule.sums());
  std::vector<float> statistics(rule.statistics());
  rule.add_sums(hidden, sums);
  rule.find_statistics(7, sums, statistics);
  rule.forward_rows(norm, statistics, hidden, z);
  operations[2]->forward({}, z, z);
  operations[3]->forward(last, z, outputs);
  loss_and_gradient(problem.loss, outputs, problem.batch().targets, 1.0F / 7, outputs);
  Tensor dz({7, 9});
  operations[3]->backward(last, z, outputs, outputs, dz);
  operations[2]->backward({}, z, z, dz, dz);
  const auto dense_gradient = [&](std::span<const double> batch_sums) {
    std::vector<float> slopes(rule.slopes());
    rule.find_slopes(norm, 7, statistics, batch_sums, slopes);
    Tensor d_hidden({7, 9});
    rule.backward_rows(slopes, hidden, dz, d_hidden);
    auto gradient = backprop(problem);
    operations[0]->gradient(problem.inputs, d_hidden, std::span(gradient).first(63));
    return gradient;
  };
  std::ranges::fill(sums, 0.0);
  const auto wrong = dense_gradient(sums);
  rule.add_backward_sums(statistics, hidden, dz, sums);
  EXPECT_LT(relative_distance(dense_gradient(sums), test::to_double(backprop(problem))), 1e-6);
  const auto report = check(problem.network, theta, problem.batch(), wrong, {.threads = 1});
  EXPECT_FALSE(report.passed());
  EXPECT_GT(report.tensors[0].failed, 20U);
  EXPECT_EQ(report.tensors[2].failed, 0U);
}

TEST(BatchNorm, AllMethodsAgree) {
  const Problem problem = batch_problems(6)[4];
  const auto exact = reference_gradient(problem).theta;
  TaskPool pool(2);
  for (const GradientMethod method : {GradientMethod::backprop, GradientMethod::numerical,
                                      GradientMethod::dual, GradientMethod::tape}) {
    std::vector<float> d_theta(exact.size(), 9.0F);
    make_gradient_program(method, problem.network, problem.loss, 7)
        ->gradient(problem.parameters.theta(), problem.batch(), d_theta, pool);
    EXPECT_LT(relative_distance(d_theta, exact), 2e-6) << to_string(method);
  }
}

// Against the formulae: the mean, and the variance over count - 1, with momentum.
TEST(BatchNorm, RunningStatisticsMoveByMomentum) {
  const Network network({3, 2, 2}, {BatchNorm{.momentum = 0.25F}, Flatten{}, Dense{2}});
  Parameters parameters = initialize(network, 1);
  std::ranges::fill(parameters["batch_norm1.running_mean"].values(), 2.0F);
  const Tensor x = uniform_tensor({5, 3, 2, 2}, 1, -1, 3);
  const std::vector<std::int32_t> labels(5, 1);
  const Batch batch{.inputs = x.view(), .targets = {.labels = labels}};
  Program program(network, SoftmaxCrossEntropy{}, 8);
  TaskPool pool(1);
  std::vector<float> gradient(program.layout().size, 9.0F);
  program.gradient(parameters.theta(), batch, gradient, pool);
  const Parameters before = parameters;
  program.update_statistics(parameters.theta());
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0;
    double squares = 0;
    for (std::size_t n = 0; n < 5; ++n)
      for (std::size_t i = 0; i < 4; ++i)
        sum += static_cast<double>(x.values()[(n * 3 + c) * 4 + i]) / 20;
    for (std::size_t n = 0; n < 5; ++n)
      for (std::size_t i = 0; i < 4; ++i)
        squares += std::pow(static_cast<double>(x.values()[(n * 3 + c) * 4 + i]) - sum, 2);
    EXPECT_NEAR(parameters["batch_norm1.running_mean"].values()[c], 0.75 * 2 + 0.25 * sum, 1e-6);
    EXPECT_NEAR(parameters["batch_norm1.running_variance"].values()[c],
                0.75 * 1 + 0.25 * squares / 19, 1e-6);
  }
  for (const ParameterTensor& tensor : program.layout().tensors)
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.shape.size(); ++i)
      EXPECT_EQ(tensor.trained ? parameters.theta()[i] : gradient[i],
                tensor.trained ? before.theta()[i] : 0.0F);
}

TEST(BatchNorm, PredictionUsesTheRunningStatistics) {
  for (Problem& problem : batch_problems(7, 70)) {
    const reference::Evaluation evaluation(problem.network, problem.loss);
    for (const ParameterTensor& tensor : problem.parameters.layout().tensors)
      if (tensor.name.ends_with("variance"))
        for (float& value : problem.parameters[tensor.name].values()) value = 0.5F + value * value;
    const Tensor y = predict(problem.network, problem.parameters.theta(), problem.inputs);
    const auto theta = test::to_double(problem.parameters.theta());
    for (std::size_t n = 0; n < 70; ++n) {
      const auto expected =
          evaluation.outputs<double>(theta, test::to_double(problem.inputs.view().row(n)));
      for (std::size_t k = 0; k < expected.size(); ++k)
        ASSERT_NEAR(y.view()(n, k), expected[k], 4e-6 * (1 + std::abs(expected[k])))
            << problem.name;
    }
  }
}

TEST(BatchNorm, FoldedNetworksPredictTheSame) {
  std::size_t gone = 0;
  for (Problem& problem : batch_problems(10, 70)) {
    for (const ParameterTensor& tensor : problem.parameters.layout().tensors)
      if (tensor.name.ends_with("variance"))
        for (float& value : problem.parameters[tensor.name].values()) value = 0.5F + value * value;
    const auto folded = fold_batch_norm(problem.network, problem.parameters.theta());
    gone += problem.network.layers.size() - folded.network.layers.size();
    const Tensor y = predict(problem.network, problem.parameters.theta(), problem.inputs);
    const Tensor folded_y = predict(folded.network, folded.theta, problem.inputs);
    for (std::size_t i = 0; i < y.size(); ++i)
      ASSERT_NEAR(folded_y.values()[i], y.values()[i], 2e-6 * (1 + std::abs(y.values()[i])))
          << problem.name;
  }
  EXPECT_EQ(gone, 7U);
  // What a residual reads between a layer and its norm is not the folded layer's output.
  const Network read({3}, {Dense{4}, BatchNorm{}, Relu{}, Residual{2}});
  const Parameters parameters = initialize(read, 1);
  EXPECT_EQ(fold_batch_norm(read, parameters.theta()).network, read);
  EXPECT_THROW(fold_batch_norm(read, parameters.theta().first(3)), ShapeError);
}

TEST(BatchNorm, NamesWhereAValueStopsBeingFinite) {
  const Problem problem = batch_problems(8)[0];
  Program program(problem.network, problem.loss, 7);
  EXPECT_EQ(program.first_non_finite(problem.parameters.theta(), problem.batch()), std::nullopt);
  Parameters parameters = problem.parameters;
  for (float& weight : parameters["batch_norm1.weight"].values()) weight = 3e38F;
  EXPECT_EQ(program.first_non_finite(parameters.theta(), problem.batch()), "layer 2 (batch_norm)");
}

TEST(BatchNorm, RefusesWhatItCannotNormalise) {
  EXPECT_EQ(message_of<ShapeError>([] {
              parameter_layout({{4, 4}, {Relu{}, BatchNorm{}}});
            }),
            "layer 2 (batch_norm): expected an input of shape (features) or (channels, height, "
            "width), got (4, 4)");
  EXPECT_CONTAINS(message_of<InvalidArgument>([] {
                    parameter_layout({{4}, {BatchNorm{0}}});
                  }),
                  "layer 1 (batch_norm): epsilon must be positive");
  EXPECT_CONTAINS(message_of<InvalidArgument>([] {
                    parameter_layout({{4}, {BatchNorm{1e-5F, 2}}});
                  }),
                  "layer 1 (batch_norm): momentum must be in [0, 1], got 2");
  const Problem one = batch_problems(9, 1)[0];
  EXPECT_EQ(message_of<InvalidArgument>([&] { backprop(one); }),
            "batch: layer 2 (batch_norm) needs at least 2 rows in training, got 1");
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] {
                    numerical_gradient(one.network, one.parameters.theta(), one.batch());
                  }),
                  "needs at least 2 rows");
}

}  // namespace
}  // namespace gradatim
