#include <algorithm>
#include <variant>

#include "gradatim/nn/check.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"

namespace gradatim {

double check_operations(const Network& network) {
  constexpr double kSides = 2;
  const auto operations = make_operations(network);
  double sum = 0;
  for (const ParameterTensor& tensor : parameter_layout(network).tensors) {
    if (!tensor.trained) continue;
    double after = 0;  // of one change of one sample
    // A parameter moves one channel, or unit, until the next layer mixes them.
    double share =
        1 / static_cast<double>(std::max<std::size_t>(1, operations[tensor.layer]->output()[0]));
    for (std::size_t i = tensor.layer + 1; i < operations.size(); ++i) {
      after += share * static_cast<double>(operations[i]->operations_per_row());
      const Layer& layer = network.layers[i];
      if (std::holds_alternative<Conv2d>(layer) || std::holds_alternative<Dense>(layer)) share = 1;
    }
    sum += kSides * static_cast<double>(tensor.shape.size()) * after;
  }
  return sum;
}

}  // namespace gradatim
