#include "gradatim/nn/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <type_traits>

#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"
#include "gradatim/core/random.hpp"
#include "gradatim/nn/operation.hpp"

namespace gradatim {
namespace {

constexpr std::uint32_t kInitializationStream = 1;

float standard_deviation(const Initializer& initializer, const ParameterSpec& spec) {
  return std::visit(
      [&](const auto& choice) -> float {
        using Choice = std::decay_t<decltype(choice)>;
        const auto in = static_cast<float>(spec.fan_in);
        const auto out = static_cast<float>(spec.fan_out);
        if constexpr (std::is_same_v<Choice, Gaussian>) return choice.standard_deviation;
        if constexpr (std::is_same_v<Choice, Xavier>) return std::sqrt(2.0F / (in + out));
        if constexpr (std::is_same_v<Choice, He>) return std::sqrt(2.0F / in);
        return 0.0F;
      },
      initializer);
}

bool is_rectifier(const Layer& layer) {
  return std::holds_alternative<Relu>(layer) || std::holds_alternative<LeakyRelu>(layer) ||
         std::holds_alternative<Gelu>(layer) || std::holds_alternative<Silu>(layer) ||
         std::holds_alternative<Softplus>(layer);
}

// It moves values, scales or adds them; what happens to them is up to the next.
bool is_passage(const Layer& layer) {
  return std::holds_alternative<Flatten>(layer) || std::holds_alternative<MaxPool2d>(layer) ||
         std::holds_alternative<AvgPool2d>(layer) || std::holds_alternative<GlobalAvgPool>(layer) ||
         std::holds_alternative<Dropout>(layer) || std::holds_alternative<Residual>(layer) ||
         std::holds_alternative<LayerNorm>(layer) || std::holds_alternative<BatchNorm>(layer);
}

// What Automatic is for the layer at `index`.
Initializer chosen_by_what_follows(const Network& network, std::size_t index) {
  for (std::size_t i = index + 1; i < network.layers.size(); ++i) {
    if (is_rectifier(network.layers[i])) return He{};
    if (!is_passage(network.layers[i])) break;
  }
  return Xavier{};
}

}  // namespace

ParameterLayout parameter_layout(const Network& network) {
  const auto operations = make_operations(network);
  ParameterLayout layout;
  std::map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const std::string_view layer = kind(network.layers[i]);
    const std::size_t number = ++seen[layer];
    for (const ParameterSpec& spec : operations[i]->parameters()) {
      layout.tensors.push_back({fmt::format("{}{}.{}", layer, number, spec.role), spec.shape,
                                layout.size, i, spec.trained});
      layout.size += spec.shape.size();
    }
  }
  return layout;
}

Shape output_shape(const Network& network) { return make_operations(network).back()->output(); }

const ParameterTensor& Parameters::find(std::string_view name) const {
  std::vector<std::string_view> names;
  for (const ParameterTensor& tensor : layout_.tensors) {
    if (tensor.name == name) return tensor;
    names.push_back(tensor.name);
  }
  throw InvalidArgument(
      fmt::format("parameters: no tensor '{}'{}", name,
                  names.empty() ? ": the network has none" : did_you_mean(name, names)));
}

TensorView<float> Parameters::operator[](std::string_view name) {
  const ParameterTensor& tensor = find(name);
  return {theta().subspan(tensor.offset, tensor.shape.size()), tensor.shape};
}

ConstTensorView Parameters::operator[](std::string_view name) const {
  const ParameterTensor& tensor = find(name);
  return {theta().subspan(tensor.offset, tensor.shape.size()), tensor.shape};
}

Parameters initialize(const Network& network, std::uint64_t seed) {
  Parameters parameters(parameter_layout(network));
  std::size_t index = 0;
  for (const auto& operation : make_operations(network)) {
    for (const ParameterSpec& spec : operation->parameters()) {
      const ParameterTensor& tensor = parameters.layout().tensors[index];
      const Initializer initializer = std::holds_alternative<Automatic>(spec.initializer)
                                          ? chosen_by_what_follows(network, tensor.layer)
                                          : spec.initializer;
      const auto values = parameters.theta().subspan(tensor.offset, tensor.shape.size());
      const float deviation = standard_deviation(initializer, spec);
      if (std::holds_alternative<Ones>(initializer))
        std::ranges::fill(values, 1.0F);
      else if (deviation != 0.0F)
        fill_normal(values, {.seed = seed, .stream = kInitializationStream, .step = index}, 0.0F,
                    deviation);
      ++index;
    }
  }
  return parameters;
}

}  // namespace gradatim
