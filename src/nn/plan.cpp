#include "nn/plan.hpp"

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/losses.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

// Samples that pass through the layers before the first dense one together: few enough for their
// values to stay in the cache from layer to layer.
std::size_t rows_in_cache(std::span<const std::unique_ptr<const Operation>> head) {
  constexpr std::size_t kFloats = std::size_t{1} << 17;  // of one layer, 512 KiB
  std::size_t widest = 1;
  for (const auto& operation : head) widest = std::max(widest, operation->output().size());
  return std::max<std::size_t>(1, kFloats / widest);
}

}  // namespace

Program::Plan::Plan(const Network& network_value, const Loss& loss_value, std::size_t rows_value)
    : network(pooled_before_relu(network_value)),
      loss(loss_value),
      max_rows(rows_value),
      row_tasks(1),
      layout(parameter_layout(network)),
      operations(make_fused_operations(network)),
      joints(operations) {
  check_loss(loss);
  if (max_rows == 0) throw InvalidArgument("program: the batch must have at least 1 row, got 0");
  std::size_t work = 0;
  for (const auto& operation : operations) work += operation->operations_per_row();
  row_tasks = tasks_for(max_rows, 24, work);
  task_loss.resize(row_tasks);
  plan_head();
  plan_layers();
  plan_gradients();
  if (!joints.is_read_later(0))
    byte_layer = dynamic_cast<const DenseOperation*>(operations[0].get());
  if (byte_layer != nullptr)
    bytes = {Tensor(byte_layer->packed_weight()), Tensor(byte_layer->packed_gradient(max_rows))};
}

// Only layers whose parameters get their gradient row by row, if at all, are done with their values
// when a block has passed.
void Program::Plan::plan_head() {
  const auto passes_in_blocks = [](const Operation& operation) {
    return operation.parameters().empty() || operation.adds_gradient_by_rows();
  };
  while (head < operations.size() && passes_in_blocks(*operations[head])) ++head;
  head_rows = std::min(max_rows, rows_in_cache(std::span(operations).first(head)));
}

void Program::Plan::plan_layers() {
  std::size_t offset = 0;
  bool wanted = false;  // by a backward pass or an addition: what the current slot holds
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = *operations[i];
    if (!(i > 0 && (operation.renames() || (operation.in_place() && !wanted)))) {
      outputs.emplace_back(Shape{max_rows, operation.output().size()});
      wanted = false;
    }
    wanted = wanted || (!operation.renames() && operation.backward_reads_output()) ||
             joints.is_read_later(i + 1);
    slot.push_back(outputs.size() - 1);
    parameter_offset.push_back(offset);
    for (const ParameterSpec& spec : operation.parameters()) offset += spec.shape.size();
  }
  parameter_offset.push_back(offset);
}

void Program::Plan::plan_gradients() {
  for (std::size_t s = 0; s < outputs.size(); ++s) {
    const bool inside_head = head > 0 && s < slot[head - 1];
    d_outputs.emplace_back(
        Shape{inside_head ? row_tasks * head_rows : max_rows, outputs[s].view().row_size()});
  }
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const bool by_rows = operations[i]->adds_gradient_by_rows();
    const std::size_t tasks = by_rows ? 1 : operations[i]->gradient_tasks(max_rows);
    for (std::size_t task = 0; task < tasks; ++task) gradient_tasks.emplace_back(i, task);
    const auto* pooled = dynamic_cast<const PooledConvolution*>(operations[i].get());
    pooled_layers.push_back(pooled);
    places.emplace_back(pooled != nullptr ? Shape{max_rows, pooled->places()} : Shape{0});
    partial_gradients.emplace_back(by_rows ? Shape{row_tasks, parameter_count(i)} : Shape{0});
  }
}

std::size_t Program::Plan::parameter_count(std::size_t layer) const {
  return parameter_offset[layer + 1] - parameter_offset[layer];
}

}  // namespace gradatim
