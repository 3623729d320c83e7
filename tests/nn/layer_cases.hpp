#pragma once

#include <vector>

#include "gradatim/nn/network.hpp"

namespace gradatim::testing {

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
          Layer(Gelu{}), Layer(Silu{}), Layer(Softplus{}), Layer(Flatten{})})
      cases.push_back({layer, {n}});
  }
  for (const Layer& layer : {Layer(Relu{}), Layer(Gelu{}), Layer(Flatten{})})
    cases.push_back({layer, {2, 3, 5}});
  return cases;
}

}  // namespace gradatim::testing
