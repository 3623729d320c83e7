#include "gradatim/nn/operation.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"
#include "nn/layers.hpp"

namespace gradatim {

std::size_t Operation::gradient_tasks(std::size_t) const {
  return parameters().empty() || adds_gradient_by_rows() ? 0 : 1;
}

void Operation::parameter_gradient(std::size_t, ConstTensorView, ConstTensorView,
                                   std::span<float>) const {}

void Operation::add_gradient(ConstTensorView, ConstTensorView, std::span<float>) const {}

std::string layer_label(const Network& network, std::size_t index) {
  return fmt::format("layer {} ({})", index + 1, kind(network.layers[index]));
}

std::vector<std::unique_ptr<const Operation>> make_operations(const Network& network) {
  if (network.layers.empty()) throw ShapeError("network: expected at least one layer, got none");
  if (network.input.size() == 0)
    throw ShapeError(
        fmt::format("network: the input shape {} has no values", network.input.to_string()));
  std::vector<std::unique_ptr<const Operation>> operations;
  Shape shape = network.input;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const std::string label = layer_label(network, i);
    operations.push_back(std::visit(
        [&](const auto& layer) { return make_operation(layer, shape, label); }, network.layers[i]));
    shape = operations.back()->output();
  }
  return operations;
}

std::unique_ptr<const Operation> make_operation(const Custom& layer, const Shape& input,
                                                const std::string& label) {
  if (layer.layer == nullptr) throw InvalidArgument(label + ": no layer is given");
  auto operation = layer.layer->make_operation(input, label);
  if (operation == nullptr) throw InvalidArgument(label + ": it made no operation");
  return operation;
}

std::size_t tasks_for(std::size_t items, std::size_t grain, std::size_t operations_per_item) {
  constexpr std::size_t kMostTasks = 8;
  constexpr std::size_t kLeastOperations = std::size_t{1} << 20;
  std::size_t tasks = 1;
  while (tasks < kMostTasks && items / (2 * tasks) >= grain &&
         items / (2 * tasks) * operations_per_item >= kLeastOperations)
    tasks *= 2;
  return tasks;
}

}  // namespace gradatim
