#include "gradatim/nn/network.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"

namespace gradatim {

std::string_view kind(const Layer& layer) {
  static constexpr auto kKinds = std::to_array<std::string_view>(
      {"dense", "sigmoid", "relu", "tanh", "softmax", "leaky_relu", "gelu", "silu", "softplus",
       "flatten", "conv2d", "max_pool2d", "avg_pool2d", "global_avg_pool", "dropout", "residual",
       "layer_norm", "batch_norm", "custom"});
  static_assert(kKinds.size() == std::variant_size_v<Layer>);
  const auto* custom = std::get_if<Custom>(&layer);
  if (custom != nullptr && custom->layer != nullptr) return custom->layer->kind();
  return kKinds.at(layer.index());
}

std::string_view kind(const Loss& loss) {
  static constexpr auto kKinds = std::to_array<std::string_view>(
      {"softmax_cross_entropy", "cross_entropy", "sum_of_squared_errors", "binary_cross_entropy",
       "mean_squared_error", "huber"});
  static_assert(kKinds.size() == std::variant_size_v<Loss>);
  return kKinds.at(loss.index());
}

std::string to_string(const Network& network) {
  const auto operations = make_operations(network);
  const ParameterLayout layout = parameter_layout(network);
  std::string text = fmt::format("{:<16} {:>14}\n", "input", network.input.to_string());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    std::size_t parameters = 0;
    for (const auto& tensor : layout.tensors)
      if (tensor.layer == i) parameters += tensor.shape.size();
    text +=
        fmt::format("{:<16} {:>14}", kind(network.layers[i]), operations[i]->output().to_string());
    text += parameters == 0 ? "\n" : fmt::format("  {:>9} parameters\n", parameters);
  }
  return text + fmt::format("{:<16} {:>14}  {:>9} parameters\n", "total", "", layout.size);
}

}  // namespace gradatim
