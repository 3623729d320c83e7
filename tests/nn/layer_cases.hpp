#pragma once

#include <vector>

#include "gradatim/nn/network.hpp"

namespace gradatim::test {

/// A layer on inputs of one shape: the rows of the table that every layer has to pass.
struct LayerCase {
  Layer layer;
  Shape input;
};

inline std::vector<LayerCase> layer_cases() {
  const Gaussian wide{0.5F};
  std::vector<LayerCase> cases;
  for (const std::size_t n : {1U, 2U, 7U, 17U, 33U}) {
    for (const Layer& layer :
         {Layer(Dense{1, wide, wide}), Layer(Dense{5, wide, wide}), Layer(Sigmoid{}), Layer(Relu{}),
          Layer(Tanh{}), Layer(Softmax{}), Layer(LeakyRelu{}), Layer(LeakyRelu{0.5F}),
          Layer(Gelu{}), Layer(Silu{}), Layer(Softplus{}), Layer(Flatten{}), Layer(Dropout{0.0F}),
          Layer(LayerNorm{})})
      cases.push_back({layer, {n}});
  }
  for (const Layer& layer :
       {Layer(Relu{}), Layer(Gelu{}), Layer(Flatten{}), Layer(LayerNorm{1e-3F})})
    cases.push_back({layer, {2, 3, 5}});
  const auto conv = [&](std::size_t filters, std::size_t kernel, std::size_t stride,
                        std::size_t padding, std::size_t groups = 1) {
    return Conv2d{filters, kernel, stride, padding, groups, wide, wide};
  };
  const LayerCase images[] = {
      {conv(1, 1, 1, 0), {1, 1, 1}},    {conv(3, 1, 1, 0), {2, 4, 5}},
      {conv(3, 3, 1, 0), {1, 5, 7}},    {conv(2, 3, 1, 1), {3, 4, 3}},
      {conv(17, 3, 1, 1), {1, 4, 3}},   {conv(5, 3, 2, 1), {2, 7, 6}},
      {conv(4, 2, 3, 0), {2, 7, 8}},    {conv(2, 5, 1, 2), {1, 3, 3}},  // larger than the image
      {conv(4, 3, 1, 1, 2), {6, 4, 4}}, {conv(6, 3, 2, 0, 3), {3, 5, 5}},
      {conv(4, 3, 1, 1, 4), {4, 5, 3}}, {conv(3, 3, 1, 1), {16, 3, 3}},
      {conv(3, 3, 1, 4), {2, 2, 1}},    {conv(7, 3, 2, 1), {5, 11, 13}},  // padding larger, primes
      {conv(2, 2, 5, 3), {1, 3, 7}},    {conv(7, 3, 1, 1, 7), {7, 5, 5}},
      {MaxPool2d{}, {1, 2, 2}},         {MaxPool2d{}, {2, 4, 6}},
      {MaxPool2d{}, {1, 4, 34}},        {MaxPool2d{}, {1, 2, 50}},
      {MaxPool2d{}, {3, 5, 7}},         {MaxPool2d{3, 1, 1}, {2, 4, 5}},
      {MaxPool2d{3, 2, 0}, {1, 7, 6}},  {MaxPool2d{1, 1, 0}, {2, 2, 3}},
      {MaxPool2d{3, 2, 2}, {1, 1, 2}},  {AvgPool2d{5, 3, 4}, {2, 1, 3}},
      {AvgPool2d{}, {1, 2, 2}},         {AvgPool2d{}, {2, 5, 6}},
      {AvgPool2d{3, 1, 1}, {2, 4, 5}},  {AvgPool2d{3, 2, 2}, {1, 6, 7}},
      {GlobalAvgPool{}, {1, 1, 1}},     {GlobalAvgPool{}, {5, 3, 4}}};
  cases.insert(cases.end(), std::begin(images), std::end(images));
  return cases;
}

/// Those that do more in training than pass rows through one by one, beside the others: for tests
/// of whole programs.
inline std::vector<LayerCase> training_cases() {
  std::vector<LayerCase> cases = layer_cases();
  for (const Shape& input : {Shape{1}, Shape{7}, Shape{33}, Shape{1, 2, 3}, Shape{5, 4, 3}})
    for (const Layer& layer : {Layer(BatchNorm{}), Layer(Dropout{0.4F}), Layer(Residual{1})})
      cases.push_back({layer, input});
  return cases;
}

/// Every layer but Custom, behind a convolution that is worth eight tasks for 64 rows, and some of
/// them together.
inline std::vector<Network> networks_of_images() {
  const Shape input{16, 14, 14};
  const Conv2d convolution{.filters = 16, .kernel = 3, .padding = 1};
  std::vector<Network> networks;
  for (const Layer& layer :
       {Layer(Sigmoid{}), Layer(Relu{}), Layer(Tanh{}), Layer(LeakyRelu{0.1F}), Layer(Gelu{}),
        Layer(Silu{}), Layer(Softplus{}), Layer(Dropout{0.3F}), Layer(LayerNorm{}),
        Layer(BatchNorm{}), Layer(Residual{1}), Layer(MaxPool2d{}), Layer(MaxPool2d{3, 2, 1}),
        Layer(AvgPool2d{}), Layer(Conv2d{.filters = 6, .stride = 2, .groups = 2}),
        Layer(Conv2d{.filters = 32, .stride = 2, .groups = 16})})
    networks.push_back({input, {convolution, layer, GlobalAvgPool{}, Dense{10}}});
  networks.push_back({input, {convolution, GlobalAvgPool{}, Softmax{}, Dense{10}}});
  // Fused; fused inside, with an image's gradient; normalised, and joined across what is added up
  // over the batch.
  networks.push_back({input, {convolution, Relu{}, MaxPool2d{}, GlobalAvgPool{}, Dense{10}}});
  networks.push_back(
      {input, {Tanh{}, convolution, MaxPool2d{}, Relu{}, AvgPool2d{7, 7}, Flatten{}, Dense{10}}});
  networks.push_back(
      {input,
       {convolution, BatchNorm{}, Relu{}, convolution, BatchNorm{}, Residual{5}, Relu{},
        MaxPool2d{}, Dropout{0.25F}, GlobalAvgPool{}, Dense{33}, Dense{10}}});
  return networks;
}

}  // namespace gradatim::test
