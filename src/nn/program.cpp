#include "gradatim/nn/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/losses.hpp"
#include "nn/plan.hpp"

namespace gradatim {
namespace {

void check_parameters(std::string_view operation, std::size_t expected,
                      std::initializer_list<std::size_t> sizes) {
  for (const std::size_t size : sizes)
    if (size != expected)
      throw ShapeError(
          fmt::format("{}: the network has {} parameters, got {}", operation, expected, size));
}

}  // namespace

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
    bind_bytes(*input);
  } else {
    const auto floats = std::get<ConstTensorView>(next.inputs);
    check(floats.shape());
    float_inputs = floats.reshaped({rows, network.input.size()});
    has_bytes = false;
  }
  check_targets(loss, rows, operations.back()->output(), next.targets);
  joints.check_key(network, next.key);
  check_rows();
  key = next.key.value_or(StepKey{});
}

void Program::Plan::bind_bytes(const ByteInputs& input) {
  const auto matrix = input.bytes.reshaped({rows, network.input.size()});
  has_bytes = byte_layer->bind(matrix, input.scale);
  float_inputs = has_bytes ? ConstTensorView() : byte_layer->to_floats();
}

RowTask Program::Plan::row_task(std::size_t index, std::size_t tasks) const {
  return {index, rows_of_task(rows, index, tasks)};
}

std::span<const float> Program::Plan::parameters(std::span<const float> theta,
                                                 std::size_t layer) const {
  return theta.subspan(parameter_offset[layer], parameter_count(layer));
}

ConstTensorView Program::Plan::input(std::size_t layer, const RowRange& range) const {
  if (layer == 0) return float_inputs.slice(range.first, range.count);
  return outputs[slot[layer - 1]].view().slice(range.first, range.count);
}

void Program::Plan::reserve() const {
  for (const auto& operation : operations) operation->reserve();
  if (byte_layer != nullptr) byte_layer->reserve();
}

// A thread may meet its first task of a kind in any step. One thread meets all in the first, but
// for batches of bytes that go another way.
void Program::Plan::reserve(TaskPool& pool) {
  if (pool.id() == 0) {
    if (byte_layer != nullptr) byte_layer->reserve();
    return;
  }
  const std::thread::id caller = std::this_thread::get_id();
  if (pool.id() == ready_pool && caller == ready_caller) return;
  pool.on_each_thread([&] { reserve(); });
  ready_pool = pool.id();
  ready_caller = caller;
}

void Program::Plan::multiply_bytes(std::span<const float> theta, TaskPool& pool) {
  if (!has_bytes) return;
  byte_layer->multiply(parameters(theta, 0), forward_stages.front().tasks, pool);
}

void Program::Plan::pack_bytes_gradient(TaskPool& pool) {
  if (has_bytes) byte_layer->pack_gradient(d_outputs[slot[0]].view().slice(0, rows), pool);
}

void Program::Plan::forward_layer(std::size_t layer, std::span<const float> theta,
                                  const RowRange& range) {
  const auto y = outputs[slot[layer]].view().slice(range.first, range.count);
  if (layer == 0 && has_bytes)
    byte_layer->forward(parameters(theta, 0), range, y);
  else if (batch_sums[layer].rule != nullptr)
    batch_sums[layer].rule->forward_rows(parameters(theta, layer), batch_sums[layer].statistics,
                                         input(layer, range), y);
  else if (pooled_layers[layer] != nullptr)
    pooled_layers[layer]->forward_keeping(parameters(theta, layer), input(layer, range), y,
                                          places[layer].view().slice(range.first, range.count));
  else
    operations[layer]->forward(parameters(theta, layer), input(layer, range), y);
  join_forward(layer, range);
}

void Program::Plan::join_forward(std::size_t layer, const RowRange& range) {
  const auto y = outputs[slot[layer]].view().slice(range.first, range.count);
  if (const auto added = joints.added_to(layer))
    kernels::add_to(input(*added, range).values(), y.values());
  if (joints.drops(layer)) joints.drop(layer, key, range.first, y);
}

template <class F>
void Program::Plan::for_each_block(const RowRange& range, F f) const {
  for (std::size_t done = 0; done < range.count; done += block_rows)
    f(RowRange{range.first + done, std::min(block_rows, range.count - done)});
}

double Program::Plan::run_loss(const RowTask& task) {
  const RowRange& range = task.rows;
  if (range.count == 0) return 0;
  Targets targets;
  if (!batch->targets.labels.empty())
    targets.labels = batch->targets.labels.subspan(range.first, range.count);
  else
    targets.values = batch->targets.values.reshaped({rows, outputs.back().view().row_size()})
                         .slice(range.first, range.count);
  if (!batch->targets.weights.empty())
    targets.weights = batch->targets.weights.subspan(range.first, range.count);
  return loss_and_gradient(loss, outputs.back().view().slice(range.first, range.count), targets,
                           1.0F / static_cast<float>(rows),
                           d_output(operations.size() - 1, range, task));
}

void Program::Plan::forward_stage(const Stage& stage, std::span<const float> theta,
                                  const RowTask& task) {
  for_each_block(task.rows, [&](const RowRange& block) {
    for (std::size_t i = stage.first; i < stage.split; ++i) forward_layer(i, theta, block);
  });
  if (task.rows.count != 0)
    for (std::size_t i = stage.split; i < stage.last; ++i) forward_layer(i, theta, task.rows);
  if (stage.last == operations.size())
    task_loss[task.index] = run_loss(task);
  else
    add_forward_sums(stage.last, task);
}

void Program::Plan::backward_stage(const Stage& stage, std::span<const float> theta,
                                   const RowTask& task) {
  for (std::size_t i = stage.first; i < stage.last; ++i)
    if (partial_gradients[i].size() != 0)
      std::ranges::fill(partial_gradients[i].view().row(task.index), 0.0F);
  for (std::size_t i = stage.last; i-- > stage.split;) backward_layer(i, theta, task.rows, task);
  for_each_block(task.rows, [&](const RowRange& block) {
    for (std::size_t i = stage.split; i-- > stage.first;) backward_layer(i, theta, block, task);
  });
  if (stage.first > 0) add_backward_sums(stage.first - 1, task);
}

void Program::Plan::backward_layer(std::size_t layer, std::span<const float> theta,
                                   const RowRange& range, const RowTask& task) {
  if (range.count == 0) return;
  const Operation& operation = *operations[layer];
  const auto dy = d_output(layer, range, task);
  if (joints.drops(layer)) joints.drop(layer, key, range.first, dy);
  if (pooled_layers[layer] != nullptr) {
    backward_pooled(layer, theta, range, task);
    return;
  }
  if (operation.adds_gradient_by_rows())
    operation.add_gradient(input(layer, range), dy,
                           partial_gradients[layer].view().row(task.index));
  if (layer > 0) {
    const auto y = outputs[slot[layer]].view().slice(range.first, range.count);
    const auto dx = d_output(layer - 1, range, task);
    if (batch_sums[layer].rule != nullptr)
      batch_sums[layer].rule->backward_rows(batch_sums[layer].slopes, input(layer, range), dy, dx);
    else
      operation.backward(parameters(theta, layer), input(layer, range), y, dy, dx);
    join_backward(layer, range, task);
  } else if (has_bytes) {
    byte_layer->pack_gradient_rows(range, dy);
  }
}

void Program::Plan::backward_pooled(std::size_t layer, std::span<const float> theta,
                                    const RowRange& range, const RowTask& task) {
  const PooledConvolution& operation = *pooled_layers[layer];
  const auto gradient = operation.passed_back(
      outputs[slot[layer]].view().slice(range.first, range.count), d_output(layer, range, task),
      places[layer].view().slice(range.first, range.count));
  operation.add_gradient_from(input(layer, range), gradient,
                              partial_gradients[layer].view().row(task.index));
  if (layer == 0) return;
  operation.backward_from(parameters(theta, layer), gradient, d_output(layer - 1, range, task));
  join_backward(layer, range, task);
}

// The gradient of a value gets that of the sums it is a term of.
void Program::Plan::join_backward(std::size_t value, const RowRange& range, const RowTask& task) {
  for (const std::size_t reader : joints.readers(value))
    kernels::add_to(d_output(reader, range, task).values(),
                    d_output(value - 1, range, task).values());
}

void Program::Plan::parameter_gradient(std::size_t layer, std::size_t task,
                                       std::span<float> d_theta) const {
  const std::span<float> part = d_theta.subspan(parameter_offset[layer], parameter_count(layer));
  if (operations[layer]->adds_gradient_by_rows()) {
    kernels::sum_rows(partial_gradients[layer], part);
    return;
  }
  if (const BatchSums& sums = batch_sums[layer]; sums.rule != nullptr) {
    sums.rule->sums_gradient(sums.statistics, sums.sums, part);
    return;
  }
  const ConstTensorView dy = d_outputs[slot[layer]].view().slice(0, rows);
  if (layer == 0 && has_bytes)
    byte_layer->parameter_gradient(task, dy, part);
  else
    operations[layer]->parameter_gradient(task, input(layer, {0, rows}), dy, part);
}

double Program::Plan::mean_loss() const {
  return std::accumulate(task_loss.begin(), task_loss.end(), 0.0) / static_cast<double>(rows);
}

Program::Program(const Network& network, const Loss& loss, std::size_t max_rows)
    : plan_(std::make_unique<Plan>(network, loss, max_rows)) {}

Program::~Program() = default;
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;

const ParameterLayout& Program::layout() const { return plan_->layout; }

bool Program::accepts_bytes() const { return plan_->byte_layer != nullptr; }

double Program::zeros_that_pay() const {
  return accepts_bytes() ? plan_->byte_layer->zeros_that_pay() : kNeverBytes;
}

std::size_t Program::row_tasks() const { return plan_->row_tasks; }

double Program::gradient(std::span<const float> theta, const Batch& batch, std::span<float> d_theta,
                         TaskPool& pool, const Aside& aside) {
  Plan& plan = *plan_;
  check_parameters("gradient", plan.layout.size, {theta.size(), d_theta.size()});
  plan.bind(batch);
  plan.reserve(pool);
  plan.multiply_bytes(theta, pool);
  plan.forward_and_backward(theta, pool);
  plan.pack_bytes_gradient(pool);
  const std::size_t own = plan.gradient_tasks.size();
  pool.parallel_for(own + aside.tasks, [&](std::size_t i) {
    if (i >= own) {
      aside.run(i - own);
      return;
    }
    const auto [layer, task] = plan.gradient_tasks[i];
    plan.parameter_gradient(layer, task, d_theta);
  });
  return plan.mean_loss();
}

double Program::loss(std::span<const float> theta, const Batch& batch, TaskPool& pool) {
  Plan& plan = *plan_;
  check_parameters("loss", plan.layout.size, {theta.size()});
  plan.bind(batch);
  plan.reserve(pool);
  plan.multiply_bytes(theta, pool);
  plan.forward(theta, pool);
  return plan.mean_loss();
}

std::optional<std::string> Program::first_non_finite(std::span<const float> theta,
                                                     const Batch& batch) {
  Plan& plan = *plan_;
  check_parameters("first_non_finite", plan.layout.size, {theta.size()});
  plan.bind(batch);
  TaskPool alone(1);
  plan.multiply_bytes(theta, alone);
  if (!kernels::all_finite(plan.float_inputs.values())) return "the inputs";
  for (const ParameterTensor& tensor : plan.layout.tensors)
    if (!kernels::all_finite(theta.subspan(tensor.offset, tensor.shape.size()))) return tensor.name;
  for (std::size_t i = 0; i < plan.operations.size(); ++i) {
    plan.find_statistics_alone(i);
    plan.forward_layer(i, theta, {0, plan.rows});
    const ConstTensorView y = plan.outputs[plan.slot[i]].view().slice(0, plan.rows);
    if (!kernels::all_finite(y.values())) return plan.reordered.label(i);
  }
  return std::nullopt;
}

bool Program::has_statistics() const { return !plan_->barriers.empty(); }

void Program::update_statistics(std::span<float> theta) const {
  check_parameters("update_statistics", plan_->layout.size, {theta.size()});
  for (const std::size_t i : plan_->barriers)
    plan_->batch_sums[i].rule->move_running(
        plan_->rows, plan_->batch_sums[i].statistics,
        theta.subspan(plan_->parameter_offset[i], plan_->parameter_count(i)));
}

}  // namespace gradatim
