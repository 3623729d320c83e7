#include "gradatim/nn/operation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "nn/layers.hpp"

namespace gradatim {

std::size_t Operation::gradient_tasks(std::size_t) const {
  return parameters().empty() || adds_gradient_by_rows() ? 0 : 1;
}

void Operation::parameter_gradient(std::size_t, ConstTensorView, ConstTensorView,
                                   std::span<float>) const {}

void Operation::add_gradient(ConstTensorView, ConstTensorView, std::span<float>) const {}

void Operation::gradient(ConstTensorView x, ConstTensorView dy, std::span<float> d_theta) const {
  if (adds_gradient_by_rows()) {
    std::ranges::fill(d_theta, 0.0F);
    add_gradient(x, dy, d_theta);
    return;
  }
  for (std::size_t task = 0; task < gradient_tasks(x.rows()); ++task)
    parameter_gradient(task, x, dy, d_theta);
}

std::string layer_label(const Network& network, std::size_t index) {
  return fmt::format("layer {} ({})", index + 1, kind(network.layers[index]));
}

namespace {

using Operations = std::vector<std::unique_ptr<const Operation>>;

Shape input_of(const Network& network, const Operations& operations, std::size_t layer) {
  return layer == 0 ? network.input : operations[layer - 1]->output();
}

// What the layer adds to its output exists and has its shape.
void check_addition(const Network& network, const Operations& operations, std::size_t layer) {
  const std::size_t back = operations[layer]->adds_input_back();
  if (back == 0 && !std::holds_alternative<Residual>(network.layers[layer])) return;
  const std::string label = layer_label(network, layer);
  if (layer == 0)
    throw InvalidArgument(fmt::format("{}: there is no layer before it to add", label));
  if (back == 0 || back > layer)
    throw InvalidArgument(fmt::format(
        "{}: over must be 1 to {}, the number of layers before it, got {}", label, layer, back));
  const Shape added = input_of(network, operations, layer - back);
  const Shape output = operations[layer]->output();
  if (added != output)
    throw ShapeError(fmt::format("{}: adds the input of {}, expected shape {}, got {}", label,
                                 layer_label(network, layer - back), output.to_string(),
                                 added.to_string()));
}

}  // namespace

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
    check_addition(network, operations, i);
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
