#include "gradatim/nn/network.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/parameters.hpp"

namespace gradatim {
namespace {

const Network kTwoLayer({784}, {Dense{50}, Sigmoid{}, Dense{10}});

template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Network, IsAValue) {
  Network copy = kTwoLayer;
  EXPECT_EQ(copy, kTwoLayer);
  std::get<Dense>(copy.layers[0]).units = 51;
  EXPECT_NE(copy, kTwoLayer);
}

TEST(Network, PrintsItsLayersAndParameters) {
  EXPECT_EQ(to_string(kTwoLayer),
            "input                     (784)\n"
            "dense                      (50)      39250 parameters\n"
            "sigmoid                    (50)\n"
            "dense                      (10)        510 parameters\n"
            "total                                39760 parameters\n");
}

TEST(ParameterLayout, NamesEveryTensorInOneVectorWithoutGaps) {
  const ParameterLayout layout = parameter_layout(kTwoLayer);
  const std::vector<ParameterTensor> expected = {{"dense1.weight", {784, 50}, 0, 0},
                                                 {"dense1.bias", {50}, 39'200, 0},
                                                 {"dense2.weight", {50, 10}, 39'250, 2},
                                                 {"dense2.bias", {10}, 39'750, 2}};
  EXPECT_EQ(layout.tensors, expected);
  EXPECT_EQ(layout.size, 39'760U);
  EXPECT_EQ(output_shape(kTwoLayer), Shape{10});
}

TEST(ParameterLayout, RejectsNetworksThatDoNotFit) {
  EXPECT_EQ(message_of<ShapeError>([] {
              parameter_layout({{28, 28}, {Sigmoid{}, Dense{5}}});
            }),
            "layer 2 (dense): expected an input of rank 1 such as (784), got (28, 28)");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              parameter_layout({{4}, {Dense{0}}});
            }),
            "layer 1 (dense): units must be at least 1, got 0");
  EXPECT_EQ(message_of<ShapeError>([] {
              parameter_layout({{4}, {}});
            }),
            "network: expected at least one layer, got none");
  EXPECT_EQ(message_of<ShapeError>([] {
              parameter_layout({{4, 0}, {Relu{}}});
            }),
            "network: the input shape (4, 0) has no values");
}

TEST(Parameters, ViewsShareTheVector) {
  Parameters parameters(parameter_layout(kTwoLayer));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(parameters.theta().data()) % kAlignment, 0U);
  parameters["dense2.weight"](3, 7) = 5.0F;
  EXPECT_EQ(parameters.theta()[39'250 + 37], 5.0F);
  EXPECT_EQ(message_of<InvalidArgument>([&] { parameters["dense2.weights"]; }),
            "parameters: no tensor 'dense2.weights'; did you mean 'dense2.weight'?");
}

double deviation_of(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum / static_cast<double>(x.size()));
}

// The sample deviation of n normal numbers is within 5 / sqrt(2 n) of the true one.
TEST(Initialize, FollowsEachInitialiser) {
  const Network network({400}, {Dense{300, Gaussian{0.01F}}, Dense{200, Xavier{}}, Dense{100, He{}},
                                Dense{100, Zeros{}, Gaussian{2.0F}}});
  const Parameters p = initialize(network, 7);
  EXPECT_NEAR(deviation_of(p["dense1.weight"].values()), 0.01, 0.01 * 0.011);
  EXPECT_NEAR(deviation_of(p["dense2.weight"].values()), std::sqrt(2.0 / 500), 0.065 * 0.015);
  EXPECT_NEAR(deviation_of(p["dense3.weight"].values()), std::sqrt(2.0 / 200), 0.1 * 0.026);
  EXPECT_EQ(deviation_of(p["dense4.weight"].values()), 0.0);
  EXPECT_EQ(deviation_of(p["dense1.bias"].values()), 0.0);
  EXPECT_NEAR(deviation_of(p["dense4.bias"].values()), 2.0, 2 * 0.36);
}

TEST(Initialize, AutomaticLooksAtWhatFollows) {
  const Dense dense{200};
  const Network network({100}, {dense, Relu{}, dense, Tanh{}, dense, Flatten{}, Gelu{}, dense});
  const Parameters p = initialize(network, 7);
  EXPECT_NEAR(deviation_of(p["dense1.weight"].values()), std::sqrt(2.0 / 100), 0.004);  // He
  EXPECT_NEAR(deviation_of(p["dense2.weight"].values()), std::sqrt(2.0 / 400), 0.002);  // Xavier
  EXPECT_NEAR(deviation_of(p["dense3.weight"].values()), std::sqrt(2.0 / 200), 0.003);
  EXPECT_NEAR(deviation_of(p["dense4.weight"].values()), std::sqrt(2.0 / 400), 0.002);
}

// Each rectifier, through each layer that only moves, scales or adds values; and what is none.
TEST(Initialize, AutomaticLooksThroughPassagesForARectifier) {
  const Dense dense{300};
  for (const Layer& rectifier :
       {Layer(Relu{}), Layer(LeakyRelu{}), Layer(Gelu{}), Layer(Silu{}), Layer(Softplus{})})
    for (const Layer& passage :
         {Layer(Dropout{}), Layer(LayerNorm{}), Layer(BatchNorm{}), Layer(Flatten{})}) {
      const Parameters p = initialize({{100}, {dense, passage, rectifier, Dense{2}}}, 7);
      EXPECT_NEAR(deviation_of(p["dense1.weight"].values()), std::sqrt(2.0 / 100), 0.004)
          << kind(passage) << " " << kind(rectifier);
    }
  for (const Layer& other : {Layer(Sigmoid{}), Layer(Tanh{}), Layer(Softmax{})}) {
    const Parameters p = initialize({{100}, {dense, other, Relu{}}}, 7);
    EXPECT_NEAR(deviation_of(p["dense1.weight"].values()), std::sqrt(2.0 / 400), 0.002)
        << kind(other);
  }
}

// A filter of 3 x 3 over 8 channels takes 72 values and gives to 9 values in each of 64.
TEST(Initialize, OfAConvolutionCountsItsKernel) {
  const Conv2d filters{.filters = 64, .kernel = 3, .padding = 1};
  for (const Layer& pool :
       {Layer(MaxPool2d{}), Layer(AvgPool2d{}), Layer(GlobalAvgPool{}), Layer(BatchNorm{})}) {
    const Parameters he = initialize({{8, 6, 6}, {filters, pool, Relu{}}}, 7);
    EXPECT_NEAR(deviation_of(he["conv2d1.weight"].values()), std::sqrt(2.0 / 72), 0.006)
        << kind(pool);
  }
  const Parameters xavier = initialize({{8, 6, 6}, {filters, Tanh{}}}, 7);
  EXPECT_NEAR(deviation_of(xavier["conv2d1.weight"].values()), std::sqrt(2.0 / (72 + 576)), 0.002);
  const Conv2d grouped{.filters = 64, .kernel = 3, .padding = 1, .groups = 4};
  const Parameters of_groups = initialize({{8, 6, 6}, {grouped, Relu{}}}, 7);
  EXPECT_NEAR(deviation_of(of_groups["conv2d1.weight"].values()), std::sqrt(2.0 / 18), 0.02);
}

TEST(Initialize, DependsOnTheSeedAndTheTensorOnly) {
  const Parameters a = initialize(kTwoLayer, 1);
  const Parameters again = initialize(kTwoLayer, 1);
  const Parameters other = initialize(kTwoLayer, 2);
  EXPECT_TRUE(std::ranges::equal(a.theta(), again.theta()));
  EXPECT_FALSE(std::ranges::equal(a.theta(), other.theta()));
  EXPECT_NE(a["dense1.weight"](0, 0), a["dense2.weight"](0, 0));
}

}  // namespace
}  // namespace gradatim
