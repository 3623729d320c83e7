#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "gradatim/core/error.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/dense.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::uniform_tensor;

const Network kNetwork({20},
                       {Dense{30, Gaussian{0.4F}}, Sigmoid{}, Dense{5, Gaussian{0.4F}}, Softmax{}});

// By hand, with the kernels that have tests of their own.
Tensor expected_outputs(const Parameters& p, const Tensor& x) {
  const std::size_t rows = x.shape()[0];
  Tensor hidden({rows, 30});
  Tensor y({rows, 5});
  kernels::affine(x, p["dense1.weight"], p["dense1.bias"].values(), hidden);
  kernels::sigmoid(hidden.values(), hidden.values());
  kernels::affine(hidden, p["dense2.weight"], p["dense2.bias"].values(), y);
  kernels::softmax(y, y);
  return y;
}

void expect_close(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a.values()[i], b.values()[i], 1e-6);
}

TEST(Predict, AnyNumberOfRows) {
  const Parameters parameters = initialize(kNetwork, 1);
  for (const std::size_t rows : {0U, 1U, 2U, 63U, 64U, 65U, 200U}) {
    const Tensor x = uniform_tensor({rows, 20}, rows);
    expect_close(predict(kNetwork, parameters.theta(), x), expected_outputs(parameters, x));
  }
}

// The narrow layer at the share that training goes by, wider ones later.
TEST(Predict, SkipsZerosFromTheShareThatPays) {
  constexpr std::size_t kInputs = 1000;
  for (const std::size_t units : {1U, 64U, 65U, 256U, 257U}) {
    const DenseOperation dense(Dense{units}, kInputs);
    const double share = units <= 64 ? kernels::kZerosThatPay : units <= 256 ? 0.42 : 0.59;
    const auto border = static_cast<std::size_t>(std::ceil(share * kInputs));
    for (const std::size_t zeros : {border - 1, border}) {
      ByteTensor bytes({1, kInputs});
      std::ranges::fill(bytes.values().subspan(zeros), std::uint8_t{9});
      EXPECT_EQ(dense.skipping_zeros_pays(bytes.view()), zeros == border) << units << " units";
    }
  }
}

TEST(Predict, BytesMatchFloats) {
  const Network starts_with_sigmoid({20}, {Sigmoid{}, Dense{5}});
  const Network one_layer({20}, {Dense{5, Gaussian{0.4F}}});
  const Network wide({20}, {Dense{300, Gaussian{0.4F}}, Tanh{}, Dense{5}});
  for (const Network& network : {kNetwork, starts_with_sigmoid, one_layer, wide})
    for (const std::size_t kept : {1U, 2U, 3U}) {
      const Parameters parameters = initialize(network, 1);
      ByteTensor bytes({70, 20});
      for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes.values()[i] = static_cast<std::uint8_t>(i % kept == 0 ? 1 + i % 255 : 0);
      Tensor floats({70, 20});
      kernels::bytes_to_float(bytes.values(), 1.0F / 255, floats.values());
      Tensor y({70, 5});
      Predictor(network).predict(parameters.theta(), ByteInputs{bytes.view()}, y);
      expect_close(y, predict(network, parameters.theta(), floats));
    }
}

// Each layer alone, every value in memory of its own.
Tensor one_by_one(const Network& network, std::span<const float> theta, const Tensor& inputs) {
  const auto operations = make_operations(network);
  std::vector<Tensor> values{inputs};
  for (const auto& operation : operations) {
    std::size_t parameters = 0;
    for (const ParameterSpec& spec : operation->parameters()) parameters += spec.shape.size();
    Tensor y(operation->output().batched(inputs.shape()[0]));
    operation->forward(theta.first(parameters), flatten(values.back()), flatten(y.view()));
    theta = theta.subspan(parameters);
    if (const std::size_t over = operation->adds_input_back(); over != 0)
      kernels::add_to(values[values.size() - 1 - over].values(), y.values());
    values.push_back(std::move(y));
  }
  return values.back();
}

// Layers work in the memory of their input where nobody misses it.
TEST(Predict, SharedMemoryKeepsWhatIsReadLater) {
  const Dense same{6, Gaussian{0.5F}};
  const std::vector<std::vector<Layer>> cases{
      {Dropout{0.5F}, Relu{}},
      {same, Dropout{0.5F}, Relu{}, same, Residual{1}},
      {same, Dropout{0.5F}, Relu{}, same, Residual{2}, Tanh{}},
      {same, Dropout{0.5F}, Relu{}, same, Residual{3}, Sigmoid{}},
      {same, Dropout{0.5F}, Residual{1}, Relu{}, Residual{2}},
      {Dropout{0.5F}, Residual{1}, Tanh{}, Residual{3}, same},
      {same, Tanh{}, Flatten{}, Sigmoid{}, Residual{2}, Residual{1}, Dropout{0.1F}},
      {Flatten{}, Relu{}, Residual{1}, Dropout{0.5F}},
  };
  for (const auto& layers : cases) {
    const Network network({6}, layers);
    const Parameters parameters = initialize(network, 3);
    const Tensor x = uniform_tensor({70, 6}, 5);
    const Tensor expected = one_by_one(network, parameters.theta(), x);
    expect_close(predict(network, parameters.theta(), x), expected);
  }
  const Network images(
      {1, 6, 6}, {Conv2d{4}, MaxPool2d{}, Relu{}, Residual{1}, Flatten{}, Dropout{0.3F}, Relu{}});
  const Parameters parameters = initialize(images, 3);
  const Tensor x = uniform_tensor({70, 1, 6, 6}, 5);
  expect_close(predict(images, parameters.theta(), x), one_by_one(images, parameters.theta(), x));
}

TEST(Predict, ManyThreadsAtOnceGetTheBitsOfOne) {
  const Parameters parameters = initialize(kNetwork, 1);
  const Predictor predictor(kNetwork);
  const Tensor x = uniform_tensor({100, 20}, 1);
  Tensor alone({100, 5});
  predictor.predict(parameters.theta(), x, alone);
  std::vector<Tensor> results(8, Tensor({100, 5}));
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (Tensor& result : results)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) predictor.predict(parameters.theta(), x, result);
    });
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& result : results) EXPECT_EQ(result, alone);
}

TEST(Predict, RejectsSizesThatDoNotFit) {
  const Parameters parameters = initialize(kNetwork, 1);
  const Predictor predictor(kNetwork);
  Tensor y({2, 5});
  EXPECT_THROW(predictor.predict(parameters.theta(), Tensor({2, 19}), y), ShapeError);
  EXPECT_THROW(predictor.predict(parameters.theta(), Tensor({3, 20}), y), ShapeError);
  EXPECT_THROW(predictor.predict({}, Tensor({2, 20}), y), ShapeError);
}

}  // namespace
}  // namespace gradatim
