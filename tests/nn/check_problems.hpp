#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/core/random.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/nn/check.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/problems.hpp"

/// What tests of the check have in common.
namespace gradatim::test {

/// As training starts, but for biases off 0, where relu has no derivative.
inline Problem as_initialised(std::string name, const Network& network, std::size_t rows,
                              std::uint64_t seed) {
  Problem problem =
      make_problem(std::move(name), network, SoftmaxCrossEntropy{}, rows, TargetKind::labels, seed);
  problem.parameters = initialize(network, seed);
  for (const ParameterTensor& tensor : problem.parameters.layout().tensors)
    if (tensor.name.ends_with(".bias"))
      fill_uniform(problem.parameters.theta().subspan(tensor.offset, tensor.shape.size()),
                   {.seed = seed, .step = tensor.offset}, -0.05F, 0.05F);
  return problem;
}

inline Conv2d convolution(std::size_t filters) {
  return {.filters = filters, .kernel = 3, .padding = 1};
}

inline std::vector<float> backprop(const Problem& problem) {
  TaskPool pool(1);
  std::vector<float> gradient(problem.parameters.theta().size());
  Program program(problem.network, problem.loss, problem.batch().rows());
  program.gradient(problem.parameters.theta(), problem.batch(), gradient, pool);
  return gradient;
}

inline NetworkCheck check_of(const Problem& problem, std::span<const float> gradient) {
  return check(problem.network, problem.parameters.theta(), problem.batch(), gradient,
               {.loss = problem.loss, .sample = 8, .threads = 1});
}

inline const TensorCheck& tensor(const NetworkCheck& report, std::string_view name) {
  return *std::ranges::find(report.tensors, name, &TensorCheck::name);
}

}  // namespace gradatim::test
