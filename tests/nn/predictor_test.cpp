#include <gtest/gtest.h>

#include <thread>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/program.hpp"
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
  using kernels::Transpose;
  kernels::gemm(Transpose::no, Transpose::no, x, p["dense1.weight"], hidden);
  kernels::add_bias(p["dense1.bias"].values(), hidden);
  kernels::sigmoid(hidden.values(), hidden.values());
  kernels::gemm(Transpose::no, Transpose::no, hidden, p["dense2.weight"], y);
  kernels::add_bias(p["dense2.bias"].values(), y);
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

TEST(Predict, BytesMatchFloats) {
  const Network starts_with_sigmoid({20}, {Sigmoid{}, Dense{5}});
  const Network one_layer({20}, {Dense{5, Gaussian{0.4F}}});
  for (const Network& network : {kNetwork, starts_with_sigmoid, one_layer}) {
    const Parameters parameters = initialize(network, 1);
    ByteTensor bytes({70, 20});
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes.values()[i] = static_cast<std::uint8_t>(i % 3 == 0 ? i % 256 : 0);
    Tensor floats({70, 20});
    kernels::bytes_to_float(bytes.values(), 1.0F / 255, floats.values());
    Tensor y({70, 5});
    Predictor(network).predict(parameters.theta(), ByteInputs{bytes.view()}, y);
    expect_close(y, predict(network, parameters.theta(), floats));
  }
}

TEST(Predict, ManyThreadsAtOnceGetTheBitsOfOne) {
  const Parameters parameters = initialize(kNetwork, 1);
  const Predictor predictor(kNetwork);
  const Tensor x = uniform_tensor({100, 20}, 1);
  Tensor alone({100, 5});
  predictor.predict(parameters.theta(), x, alone);
  std::vector<Tensor> results(8, Tensor({100, 5}));
  std::vector<std::thread> threads;
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
