// What every layer has to pass, by one table (layer_cases.hpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/nn/reference.hpp"
#include "nn/layer_cases.hpp"
#include "support/errors.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::layer_cases;
using test::LayerCase;
using test::to_double;
using test::uniform_tensor;

constexpr std::size_t kRowCounts[] = {0, 1, 2, 5, 13};

Network network_of(const LayerCase& c) { return {c.input, {c.layer}}; }

std::vector<double> reference_forward(const LayerCase& c, std::span<const double> theta,
                                      std::span<const double> x) {
  return std::visit(
      [&](const auto& layer) { return reference::forward<double>(layer, c.input, theta, x); },
      c.layer);
}

void parameter_gradient(const Operation& operation, ConstTensorView x, ConstTensorView dy,
                        std::span<float> d_theta) {
  if (operation.adds_gradient_by_rows()) {
    std::ranges::fill(d_theta, 0.0F);
    operation.add_gradient(x, dy, d_theta);
  }
  for (std::size_t task = 0; task < operation.gradient_tasks(x.rows()); ++task)
    operation.parameter_gradient(task, x, dy, d_theta);
}

// One layer with parameters, inputs away from the kinks at 0, and a gradient that comes in.
struct Sample {
  std::unique_ptr<const Operation> operation;
  Parameters parameters;
  Tensor x, dy, y, dx;
  std::vector<float> d_theta;

  Sample(const LayerCase& c, std::size_t rows)
      : operation(std::move(make_operations(network_of(c)).front())),
        parameters(initialize(network_of(c), 3)),
        x(uniform_tensor({rows, c.input.size()}, 11 + rows, -2, 2)),
        dy(uniform_tensor({rows, operation->output().size()}, 5)),
        y(uniform_tensor(dy.shape(), 6)),
        dx(uniform_tensor(x.shape(), 7)),
        d_theta(parameters.theta().size(), 99.0F) {
    for (float& value : x.values())
      if (std::abs(value) < 0.01F) value = 0.5F;
  }
  void forward() { operation->forward(parameters.theta(), x, y); }
  void backward() {
    operation->backward(parameters.theta(), x, y, dy, dx);
    parameter_gradient(*operation, x, dy, d_theta);
  }
};

std::string name_of(const LayerCase& c, std::size_t rows) {
  return std::string(kind(c.layer)) + " of " + c.input.to_string() + ", rows " +
         std::to_string(rows);
}

// sum of dy · y over one sample, in double: what backward differentiates.
double weighted(const LayerCase& c, std::span<const double> theta, std::span<const double> x,
                std::span<const float> dy) {
  const std::vector<double> y = reference_forward(c, theta, x);
  double sum = 0;
  for (std::size_t k = 0; k < y.size(); ++k) sum += static_cast<double>(dy[k]) * y[k];
  return sum;
}

template <class F>
double slope(F f, double& at) {
  constexpr double kStep = 1e-5;
  const double before = at;
  at = before + kStep;
  const double above = f();
  at = before - kStep;
  const double below = f();
  at = before;
  return (above - below) / (2 * kStep);
}

// The largest error of dx and d_theta against central differences of the double reference,
// relative to 1 + |value|.
double gradient_error(const LayerCase& c, const Sample& s) {
  const std::size_t rows = s.x.shape()[0];
  auto theta = to_double(s.parameters.theta());
  std::vector<std::vector<double>> inputs;
  for (std::size_t i = 0; i < rows; ++i) inputs.push_back(to_double(s.x.view().row(i)));
  double worst = 0;
  const auto compare = [&](float computed, double expected) {
    const double error = std::abs(static_cast<double>(computed) - expected);
    worst = std::max(worst, std::isnan(computed) ? HUGE_VAL : error / (1 + std::abs(expected)));
  };
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t k = 0; k < c.input.size(); ++k)
      compare(
          s.dx.view()(i, k),
          slope([&] { return weighted(c, theta, inputs[i], s.dy.view().row(i)); }, inputs[i][k]));
  for (std::size_t p = 0; p < theta.size(); ++p)
    compare(s.d_theta[p], slope(
                              [&] {
                                double sum = 0;
                                for (std::size_t i = 0; i < rows; ++i)
                                  sum += weighted(c, theta, inputs[i], s.dy.view().row(i));
                                return sum;
                              },
                              theta[p]));
  return worst;
}

constexpr double kGradientTolerance = 5e-6;

std::vector<double> absolute(std::vector<double> x) {
  for (double& value : x) value = std::abs(value);
  return x;
}

// The error allowed is relative to what was added up: y of |theta| and |x| (Higham, "Accuracy and
// stability of numerical algorithms", 3.5).
TEST(Conformance, ForwardMatchesTheReference) {
  for (const LayerCase& c : layer_cases())
    for (const std::size_t rows : kRowCounts) {
      Sample s(c, rows);
      s.forward();
      const auto theta = to_double(s.parameters.theta());
      for (std::size_t i = 0; i < rows; ++i) {
        const auto expected = reference_forward(c, theta, to_double(s.x.view().row(i)));
        const auto terms =
            reference_forward(c, absolute(theta), absolute(to_double(s.x.view().row(i))));
        ASSERT_EQ(expected.size(), s.y.view().row_size());
        for (std::size_t k = 0; k < expected.size(); ++k)
          ASSERT_NEAR(s.y.view()(i, k), expected[k], 1e-6 * (1 + std::abs(terms[k])))
              << name_of(c, rows);
      }
    }
}

TEST(Conformance, BackwardMatchesDifferencesOfTheReference) {
  for (const LayerCase& c : layer_cases())
    for (const std::size_t rows : kRowCounts) {
      Sample s(c, rows);
      s.forward();
      s.backward();
      ASSERT_LT(gradient_error(c, s), kGradientTolerance) << name_of(c, rows);
    }
}

// The control: backward passes that are wrong in one way each are caught, in every layer.
TEST(Conformance, WrongBackwardPassesAreCaught) {
  for (const LayerCase& c : layer_cases()) {
    Sample right(c, 5);
    right.forward();
    right.backward();
    const auto is_caught = [&](auto spoil) {
      Sample wrong(c, 5);
      wrong.y = right.y;
      wrong.dx = right.dx;
      wrong.d_theta = right.d_theta;
      spoil(wrong);
      return gradient_error(c, wrong) > kGradientTolerance;
    };
    const std::string name = name_of(c, 5);
    // What has one value, or two once their mean is taken away, has no size that matters.
    const bool norm = std::holds_alternative<LayerNorm>(c.layer);
    const bool vanishes = (std::holds_alternative<Softmax>(c.layer) && c.input.size() == 1) ||
                          (norm && c.input.size() <= 2);
    if (!vanishes) {
      EXPECT_TRUE(is_caught([](Sample& s) {
        for (float& d : s.dx.values()) d = 0;
      })) << name;
      EXPECT_TRUE(is_caught([](Sample& s) {
        for (float& d : s.dx.values()) d *= 1.001F;
      })) << name;
    }
    EXPECT_TRUE(is_caught([](Sample& s) { s.dx.values().back() += 1e-4F; })) << name;
    if (right.d_theta.empty() || (norm && c.input.size() == 1)) continue;
    EXPECT_TRUE(is_caught([](Sample& s) { s.d_theta.back() = 0; })) << name;
    EXPECT_TRUE(is_caught([](Sample& s) { s.d_theta.front() *= 1.001F; })) << name;
  }
}

// Any slice of the rows has the bits it has in the whole: tasks may be cut anywhere.
TEST(Conformance, RowsAreIndependent) {
  for (const LayerCase& c : layer_cases()) {
    Sample whole(c, 13);
    Sample parts(c, 13);
    whole.forward();
    whole.backward();
    const auto theta = whole.parameters.theta();
    for (const auto& [first, count] : {std::pair{0U, 4U}, {4U, 8U}, {12U, 1U}}) {
      const auto x = parts.x.view().slice(first, count);
      const auto y = parts.y.view().slice(first, count);
      parts.operation->forward(theta, x, y);
      parts.operation->backward(theta, x, y, parts.dy.view().slice(first, count),
                                parts.dx.view().slice(first, count));
    }
    EXPECT_EQ(whole.y, parts.y) << name_of(c, 13);
    EXPECT_EQ(whole.dx, parts.dx) << name_of(c, 13);
  }
}

// A NaN comes out where it does of the reference, wherever it goes in: a divergence is seen.
TEST(Conformance, NanIsPassedOn) {
  for (const LayerCase& c : layer_cases())
    for (std::size_t at = 0; at < c.input.size(); ++at) {
      Sample s(c, 1);
      s.x.values()[at] = std::numeric_limits<float>::quiet_NaN();
      s.forward();
      const auto expected =
          reference_forward(c, to_double(s.parameters.theta()), to_double(s.x.values()));
      bool any = false;
      for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_EQ(std::isnan(s.y.values()[k]), std::isnan(expected[k]))
            << name_of(c, 1) << ", " << at;
        any = any || std::isnan(expected[k]);
      }
      // Windows with strides may not see a pixel.
      ASSERT_TRUE(any || c.input.rank() == 3) << name_of(c, 1);
    }
}

TEST(Conformance, ShapeErrorsNameTheLayer) {
  const auto refusal = [](const Shape& input, const Layer& layer) {
    return test::message_of<InvalidArgument>([&] { parameter_layout({input, {Relu{}, layer}}); });
  };
  EXPECT_EQ(refusal({784}, Conv2d{3}),
            "layer 2 (conv2d): expected an input of shape (channels, height, width), got (784)");
  EXPECT_EQ(refusal({1, 4, 4}, Conv2d{}), "layer 2 (conv2d): filters must be at least 1, got 0");
  EXPECT_EQ(refusal({1, 4, 4}, Conv2d{3, 5}),
            "layer 2 (conv2d): a window of 5 x 5 with padding 0 does not fit an image of 4 x 4");
  EXPECT_EQ(refusal({1, 4, 4}, Conv2d{3, 0}),
            "layer 2 (conv2d): size and stride must be at least 1, got 0 and 1");
  EXPECT_EQ(refusal({4, 4, 4}, Conv2d{.filters = 6, .groups = 4}),
            "layer 2 (conv2d): groups must divide 4 channels and 6 filters, got 4");
  EXPECT_EQ(
      refusal({1, 4, 1}, MaxPool2d{}),
      "layer 2 (max_pool2d): a window of 2 x 2 with padding 0 does not fit an image of 4 x 1");
  EXPECT_EQ(refusal({1, 4, 4}, AvgPool2d{2, 2, 2}),
            "layer 2 (avg_pool2d): padding must be less than size 2, got 2");
  EXPECT_CONTAINS(refusal({4, 4}, Dense{3}), "layer 2 (dense): expected an input of rank 1");
  EXPECT_CONTAINS(refusal({4, 4}, MaxPool2d{}), "layer 2 (max_pool2d): expected an input");
  EXPECT_CONTAINS(refusal({4, 4}, BatchNorm{}), "layer 2 (batch_norm): expected an input");
  EXPECT_CONTAINS(refusal({4}, LayerNorm{0}), "layer 2 (layer_norm): epsilon");
  EXPECT_CONTAINS(refusal({4}, Dropout{1}), "layer 2 (dropout): rate must be in [0, 1), got 1");
  EXPECT_CONTAINS(refusal({4}, Residual{3}), "layer 2 (residual)");
  EXPECT_CONTAINS(refusal({4, 4}, GlobalAvgPool{}), "layer 2 (global_avg_pool): expected an input");
  EXPECT_EQ(refusal({4}, LeakyRelu{-1}),
            "layer 2 (leaky_relu): slope must be finite and not negative, got -1");
}

// Whole networks, whose layers share memory, against each layer with memory of its own.
TEST(Conformance, SharedMemoryChangesNoGradient) {
  for (const LayerCase& c : layer_cases())
    for (const Layer& before : {Layer(Relu{}), Layer(Silu{}), Layer(Flatten{})}) {
      const bool flat = std::holds_alternative<Flatten>(before);
      if (flat && c.input.rank() != 1) continue;
      const Network network(c.input, {before, c.layer, Softplus{}});
      const auto operations = make_operations(network);
      const Parameters parameters = initialize(network, 3);
      const std::size_t outputs = operations.back()->output().size();
      const Tensor x = uniform_tensor({4, c.input.size()}, 1);
      const Tensor t = uniform_tensor(operations.back()->output().batched(4), 2);

      std::vector<Tensor> values{x};
      for (const auto& operation : operations) {
        Tensor y({4, operation->output().size()});
        operation->forward(operation == operations[1] ? parameters.theta() : std::span<float>(),
                           values.back(), y);
        values.push_back(y);
      }
      Tensor d({4, outputs});
      for (std::size_t i = 0; i < d.size(); ++i)
        d.values()[i] = 0.25F * (values.back().values()[i] - t.values()[i]);
      Tensor d_layer({4, operations[1]->output().size()});
      operations[2]->backward({}, values[2], values[3], d, d_layer);
      std::vector<float> expected(parameters.theta().size());
      parameter_gradient(*operations[1], values[1], d_layer, expected);

      Program program(network, SumOfSquaredErrors{}, 4);
      TaskPool pool(1);
      std::vector<float> gradient(expected.size());
      const double loss = program.gradient(
          parameters.theta(),
          {.inputs = x.view().reshaped(c.input.batched(4)), .targets = {.values = t.view()}},
          gradient, pool);
      double sum = 0;
      for (const float e : d.values()) sum += 8.0 * static_cast<double>(e) * static_cast<double>(e);
      EXPECT_NEAR(loss, sum / 4, 1e-5 * (1 + sum)) << name_of(c, 4);
      for (std::size_t i = 0; i < gradient.size(); ++i)
        ASSERT_NEAR(gradient[i], expected[i], 1e-6) << name_of(c, 4);
    }
}

}  // namespace
}  // namespace gradatim
