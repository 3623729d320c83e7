#include "gradatim/nn/reference.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "nn/joints.hpp"

namespace gradatim::reference {
namespace detail {

void throw_no_reference(const Layer& layer) {
  throw InvalidArgument(
      fmt::format("reference: the layer '{}' has no formula for any scalar", kind(layer)));
}

}  // namespace detail

namespace {

std::vector<double> inputs_of(const Batch& batch) {
  if (const auto* floats = std::get_if<ConstTensorView>(&batch.inputs))
    return {floats->values().begin(), floats->values().end()};
  const auto& bytes = std::get<ByteInputs>(batch.inputs);
  std::vector<double> values;
  // In float, as the network is given them.
  for (const std::uint8_t byte : bytes.bytes.values())
    values.push_back(static_cast<double>(bytes.scale * static_cast<float>(byte)));
  return values;
}

std::vector<double> targets_of(const Targets& targets, std::size_t rows, std::size_t outputs) {
  if (targets.labels.empty())
    return {targets.values.values().begin(), targets.values.values().end()};
  std::vector<double> one_hot(rows * outputs);
  for (std::size_t n = 0; n < rows; ++n)
    one_hot[n * outputs + static_cast<std::size_t>(targets.labels[n])] = 1;
  return one_hot;
}

}  // namespace

Evaluation::Evaluation(const Network& network, const Loss& loss_function)
    : network_(network), loss_(loss_function), offsets_(network.layers.size() + 1) {
  Shape shape = network.input;
  for (const auto& operation : make_operations(network)) {
    shapes_.push_back(shape);
    shape = operation->output();
  }
  for (const ParameterTensor& tensor : parameter_layout(network).tensors)
    offsets_[tensor.layer + 1] = tensor.offset + tensor.shape.size();
  for (std::size_t i = 1; i < offsets_.size(); ++i)
    offsets_[i] = std::max(offsets_[i], offsets_[i - 1]);
}

bool Evaluation::over_batch() const {
  return std::ranges::any_of(
      network_.layers, [](const Layer& layer) { return std::holds_alternative<BatchNorm>(layer); });
}

Samples Evaluation::samples(const Batch& batch) const {
  const std::size_t rows = batch.rows();
  const Shape output = output_shape(network_);
  check_targets(loss_, rows, output, batch.targets);
  if (!batch.targets.weights.empty())
    throw InvalidArgument("reference: samples with weights of their own are not supported");
  Joints(make_operations(network_)).check_key(network_, batch.key);
  Samples samples{.rows = rows,
                  .inputs = inputs_of(batch),
                  .targets = targets_of(batch.targets, rows, output.size()),
                  .step = batch.key};
  if (samples.inputs.size() != rows * network_.input.size())
    throw ShapeError(fmt::format("reference: expected {} inputs a sample, got {} for {} samples",
                                 network_.input.size(), samples.inputs.size(), rows));
  return samples;
}

}  // namespace gradatim::reference
