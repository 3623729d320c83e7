#include "gradatim/nn/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/losses.hpp"
#include "gradatim/nn/operation.hpp"
#include "nn/dense.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

void check_parameters(std::string_view operation, std::size_t expected,
                      std::initializer_list<std::size_t> sizes) {
  for (const std::size_t size : sizes)
    if (size != expected)
      throw ShapeError(
          fmt::format("{}: the network has {} parameters, got {}", operation, expected, size));
}

// Rows that are computed together from the inputs to the loss and back.
struct RowRange {
  std::size_t first, count;
};

// The memory of the first layer when its inputs are bytes.
struct ByteInputBuffers {
  Tensor weight;    // (inputs, packed units)
  Tensor gradient;  // (max_rows, packed units)
};

}  // namespace

// A step is two rounds of tasks. In the first, each task takes some rows of the batch through all
// layers, the loss, and back; rows are independent, so nobody waits. In the second, each task
// computes a part of the gradient of the parameters from all rows.
struct Program::Plan {
  Plan(const Network& network_value, const Loss& loss_value, std::size_t rows);

  void bind(const Batch& batch);
  RowRange row_range(std::size_t task) const;
  std::span<const float> parameters(std::span<const float> theta, std::size_t layer) const;
  ConstTensorView input(std::size_t layer, const RowRange& range) const;

  void pack(std::span<const float> theta);
  void forward_layer(std::size_t layer, std::span<const float> theta, const RowRange& range);
  double forward(std::span<const float> theta, const RowRange& range);
  void backward(std::span<const float> theta, std::size_t row_task);
  void parameter_gradient(std::size_t layer, std::size_t task, std::span<float> d_theta) const;
  double mean_loss() const;

  Network network;
  Loss loss;
  std::size_t max_rows;
  std::size_t row_tasks;
  ParameterLayout layout;
  std::vector<std::unique_ptr<const Operation>> operations;
  const DenseOperation* byte_layer = nullptr;  // operations[0], if it takes bytes
  std::vector<std::size_t> parameter_offset;   // of each layer, and the total behind them

  // Layer i writes buffer slot[i]; one that works in place shares its input's if nobody misses it.
  std::vector<std::size_t> slot;
  std::vector<Tensor> outputs;    // (max_rows, values) a slot
  std::vector<Tensor> d_outputs;  // the gradient of the loss by them
  ByteInputBuffers bytes;
  std::vector<double> task_loss;
  std::vector<Tensor> partial_gradients;  // (row_tasks, parameters) of layers that add by rows
  std::vector<std::pair<std::size_t, std::size_t>> gradient_tasks;  // (layer, task)

  // The current batch.
  const Batch* batch = nullptr;
  std::size_t rows = 0;
  ConstTensorView float_inputs;                // (rows, values), or
  TensorView<const std::uint8_t> byte_inputs;  // (rows, values)
  float byte_scale = 1;
};

Program::Plan::Plan(const Network& network_value, const Loss& loss_value, std::size_t rows_value)
    : network(network_value),
      loss(loss_value),
      max_rows(rows_value),
      row_tasks(1),
      layout(parameter_layout(network)),
      operations(make_operations(network)) {
  check_loss(loss);
  if (max_rows == 0) throw InvalidArgument("program: the batch must have at least 1 row, got 0");
  std::size_t work = 0;
  std::size_t offset = 0;
  bool wanted = false;  // by the backward pass of a layer: what the current slot holds
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = *operations[i];
    const Shape shape = {max_rows, operation.output().size()};
    if (!(i > 0 && (operation.renames() || (operation.in_place() && !wanted)))) {
      outputs.emplace_back(shape);
      d_outputs.emplace_back(shape);
      wanted = false;
    }
    wanted = wanted || (!operation.renames() && operation.backward_reads_output());
    slot.push_back(outputs.size() - 1);
    parameter_offset.push_back(offset);
    for (const ParameterSpec& spec : operation.parameters()) offset += spec.shape.size();
    work += operation.operations_per_row();
    const std::size_t tasks =
        operation.adds_gradient_by_rows() ? 1 : operation.gradient_tasks(max_rows);
    for (std::size_t task = 0; task < tasks; ++task) gradient_tasks.emplace_back(i, task);
  }
  parameter_offset.push_back(offset);
  row_tasks = tasks_for(max_rows, 24, work);
  for (std::size_t i = 0; i < operations.size(); ++i)
    partial_gradients.emplace_back(
        operations[i]->adds_gradient_by_rows()
            ? Shape{row_tasks, parameter_offset[i + 1] - parameter_offset[i]}
            : Shape{0});
  task_loss.resize(row_tasks);
  byte_layer = dynamic_cast<const DenseOperation*>(operations[0].get());
  if (byte_layer != nullptr)
    bytes = {Tensor(byte_layer->packed_weight()), Tensor(byte_layer->packed_gradient(max_rows))};
}

void Program::Plan::bind(const Batch& next) {
  batch = &next;
  const auto check = [&](const Shape& shape) {
    const std::size_t values = network.input.size();
    if (shape.rank() == 0 || shape[0] == 0 || shape[0] > max_rows ||
        shape.sample().size() != values)
      throw ShapeError(fmt::format("batch: expected inputs of shape {} for up to {} rows, got {}",
                                   network.input.batched(1).to_string(), max_rows,
                                   shape.to_string()));
    rows = shape[0];
  };
  if (const auto* input = std::get_if<ByteInputs>(&next.inputs)) {
    check(input->bytes.shape());
    if (byte_layer == nullptr)
      throw InvalidArgument(fmt::format("batch: {} does not take bytes", layer_label(network, 0)));
    byte_inputs = input->bytes.reshaped({rows, network.input.size()});
    byte_scale = input->scale;
    float_inputs = {};
  } else {
    const auto floats = std::get<ConstTensorView>(next.inputs);
    check(floats.shape());
    float_inputs = floats.reshaped({rows, network.input.size()});
    byte_inputs = {};
  }
  check_targets(loss, rows, operations.back()->output(), next.targets);
}

RowRange Program::Plan::row_range(std::size_t task) const {
  const std::size_t share = (rows + row_tasks - 1) / row_tasks;
  const std::size_t first = std::min(rows, task * share);
  return {first, std::min(share, rows - first)};
}

std::span<const float> Program::Plan::parameters(std::span<const float> theta,
                                                 std::size_t layer) const {
  return theta.subspan(parameter_offset[layer],
                       parameter_offset[layer + 1] - parameter_offset[layer]);
}

ConstTensorView Program::Plan::input(std::size_t layer, const RowRange& range) const {
  if (layer == 0) return float_inputs.slice(range.first, range.count);
  return outputs[slot[layer - 1]].view().slice(range.first, range.count);
}

void Program::Plan::pack(std::span<const float> theta) {
  if (byte_inputs.size() != 0) byte_layer->pack_weight(parameters(theta, 0), bytes.weight);
}

void Program::Plan::forward_layer(std::size_t layer, std::span<const float> theta,
                                  const RowRange& range) {
  const auto y = outputs[slot[layer]].view().slice(range.first, range.count);
  if (layer == 0 && byte_inputs.size() != 0)
    byte_layer->forward_bytes(parameters(theta, 0), byte_inputs.slice(range.first, range.count),
                              byte_scale, bytes.weight, y);
  else
    operations[layer]->forward(parameters(theta, layer), input(layer, range), y);
}

double Program::Plan::forward(std::span<const float> theta, const RowRange& range) {
  if (range.count == 0) return 0;
  for (std::size_t i = 0; i < operations.size(); ++i) forward_layer(i, theta, range);
  Targets targets;
  if (!batch->targets.labels.empty())
    targets.labels = batch->targets.labels.subspan(range.first, range.count);
  else
    targets.values = batch->targets.values.reshaped({rows, outputs.back().view().row_size()})
                         .slice(range.first, range.count);
  return loss_and_gradient(loss, outputs.back().view().slice(range.first, range.count), targets,
                           1.0F / static_cast<float>(rows),
                           d_outputs.back().view().slice(range.first, range.count));
}

void Program::Plan::backward(std::span<const float> theta, std::size_t row_task) {
  const RowRange range = row_range(row_task);
  for (std::size_t i = operations.size(); i-- > 0;) {
    const auto dy = d_outputs[slot[i]].view().slice(range.first, range.count);
    if (operations[i]->adds_gradient_by_rows()) {
      const auto partial = partial_gradients[i].view().row(row_task);
      std::ranges::fill(partial, 0.0F);
      operations[i]->add_gradient(input(i, range), dy, partial);
    }
    if (range.count == 0) continue;
    if (i > 0) {
      const auto y = outputs[slot[i]].view().slice(range.first, range.count);
      const auto dx = d_outputs[slot[i - 1]].view().slice(range.first, range.count);
      operations[i]->backward(parameters(theta, i), input(i, range), y, dy, dx);
    } else if (byte_inputs.size() != 0) {
      kernels::pack_rows(dy, bytes.gradient.view().slice(range.first, range.count));
    }
  }
}

void Program::Plan::parameter_gradient(std::size_t layer, std::size_t task,
                                       std::span<float> d_theta) const {
  const std::span<float> part = d_theta.subspan(
      parameter_offset[layer], parameter_offset[layer + 1] - parameter_offset[layer]);
  const ConstTensorView dy = d_outputs[slot[layer]].view().slice(0, rows);
  if (operations[layer]->adds_gradient_by_rows())
    kernels::sum_rows(partial_gradients[layer], part);
  else if (layer == 0 && byte_inputs.size() != 0)
    byte_layer->parameter_gradient_bytes(task, byte_inputs, byte_scale, dy,
                                         bytes.gradient.view().slice(0, rows), part);
  else
    operations[layer]->parameter_gradient(task, input(layer, {0, rows}), dy, part);
}

double Program::Plan::mean_loss() const {
  return std::accumulate(task_loss.begin(), task_loss.end(), 0.0) / static_cast<double>(rows);
}

Program::Program(const Network& network, const Loss& loss, std::size_t max_rows)
    : plan_(std::make_unique<Plan>(network, loss, max_rows)) {
  // Refuses at once what no batch could satisfy.
  if (std::holds_alternative<SoftmaxCrossEntropy>(loss) &&
      std::holds_alternative<Softmax>(network.layers.back()))
    throw InvalidArgument(fmt::format(
        "{}: the loss softmax_cross_entropy contains the softmax; leave the layer out, or use the "
        "loss cross_entropy",
        layer_label(network, network.layers.size() - 1)));
}

Program::~Program() = default;
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;

const ParameterLayout& Program::layout() const { return plan_->layout; }

bool Program::accepts_bytes() const { return plan_->byte_layer != nullptr; }

double Program::gradient(std::span<const float> theta, const Batch& batch, std::span<float> d_theta,
                         TaskPool& pool) {
  Plan& plan = *plan_;
  check_parameters("gradient", plan.layout.size, {theta.size(), d_theta.size()});
  plan.bind(batch);
  plan.pack(theta);
  pool.parallel_for(plan.row_tasks, [&](std::size_t task) {
    const RowRange range = plan.row_range(task);
    plan.task_loss[task] = plan.forward(theta, range);
    plan.backward(theta, task);
  });
  pool.parallel_for(plan.gradient_tasks.size(), [&](std::size_t i) {
    const auto [layer, task] = plan.gradient_tasks[i];
    plan.parameter_gradient(layer, task, d_theta);
  });
  return plan.mean_loss();
}

double Program::loss(std::span<const float> theta, const Batch& batch, TaskPool& pool) {
  Plan& plan = *plan_;
  check_parameters("loss", plan.layout.size, {theta.size()});
  plan.bind(batch);
  plan.pack(theta);
  pool.parallel_for(plan.row_tasks, [&](std::size_t task) {
    plan.task_loss[task] = plan.forward(theta, plan.row_range(task));
  });
  return plan.mean_loss();
}

std::optional<std::string> Program::first_non_finite(std::span<const float> theta,
                                                     const Batch& batch) {
  Plan& plan = *plan_;
  plan.bind(batch);
  plan.pack(theta);
  if (!kernels::all_finite(plan.float_inputs.values())) return "the inputs";
  for (const ParameterTensor& tensor : plan.layout.tensors)
    if (!kernels::all_finite(theta.subspan(tensor.offset, tensor.shape.size()))) return tensor.name;
  for (std::size_t i = 0; i < plan.operations.size(); ++i) {
    plan.forward_layer(i, theta, {0, plan.rows});
    const ConstTensorView y = plan.outputs[plan.slot[i]].view().slice(0, plan.rows);
    if (!kernels::all_finite(y.values())) return layer_label(plan.network, i);
  }
  return std::nullopt;
}

std::size_t Program::workspace_bytes() const {
  std::size_t floats = plan_->bytes.weight.size() + plan_->bytes.gradient.size();
  for (const Tensor& buffer : plan_->partial_gradients) floats += buffer.size();
  for (const Tensor& buffer : plan_->outputs) floats += 2 * buffer.size();
  return floats * sizeof(float);
}

}  // namespace gradatim
