#include "nn/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <utility>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/losses.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

// Of one layer's values for the samples that pass through layers together, to stay in the cache
// from layer to layer: 512 KiB.
constexpr std::size_t kFloatsOfABlock = std::size_t{1} << 17;
constexpr std::size_t kManyParameters = std::size_t{1} << 18;  // of one layer: 1 MiB

// Whether its outputs may be negative, whatever it is given.
bool gives_any_number(const Layer& layer) {
  return std::visit(
      [](const auto& each) {
        using L = std::decay_t<decltype(each)>;
        return std::same_as<L, Dense> || std::same_as<L, Conv2d> || std::same_as<L, Tanh> ||
               std::same_as<L, LayerNorm> || std::same_as<L, BatchNorm>;
      },
      layer);
}

bool passes_signs_on(const Layer& layer) {
  return std::visit(
      [](const auto& each) {
        using L = std::decay_t<decltype(each)>;
        if constexpr (std::same_as<L, LeakyRelu>) return each.slope > 0;
        return std::same_as<L, Flatten> || std::same_as<L, Dropout> || std::same_as<L, MaxPool2d> ||
               std::same_as<L, AvgPool2d> || std::same_as<L, GlobalAvgPool> ||
               std::same_as<L, Gelu> || std::same_as<L, Silu>;
      },
      layer);
}

// Throws where the loss cannot be of the network's outputs.
void check_end(const Network& network, const Loss& loss) {
  std::size_t last = network.layers.size() - 1;
  if (std::holds_alternative<SoftmaxCrossEntropy>(loss) &&
      std::holds_alternative<Softmax>(network.layers[last]))
    throw InvalidArgument(fmt::format(
        "{}: the loss softmax_cross_entropy contains the softmax; leave the layer out, or use the "
        "loss cross_entropy",
        layer_label(network, last)));
  while (last > 0 && passes_signs_on(network.layers[last])) --last;
  if (std::holds_alternative<CrossEntropy>(loss) && gives_any_number(network.layers[last]))
    throw InvalidArgument(fmt::format(
        "{}: the loss cross_entropy is of probabilities, and this layer gives negative numbers "
        "too; put softmax or sigmoid at the end, or use the loss softmax_cross_entropy",
        layer_label(network, last)));
}

}  // namespace

Program::Plan::Plan(const Network& given, const Loss& loss_value, std::size_t rows_value)
    : reordered(pooled_before_relu(given)),
      loss(loss_value),
      max_rows(rows_value),
      layout(parameter_layout(network)),
      operations(make_fused_operations(network)),
      joints(operations) {
  check_loss(loss);
  check_end(given, loss);
  if (max_rows == 0) throw InvalidArgument("program: the batch must have at least 1 row, got 0");
  plan_layers();
  plan_stages();
  plan_blocks();
  plan_batch_sums();
  plan_gradients();
  const auto* dense = dynamic_cast<const DenseOperation*>(operations[0].get());
  if (dense != nullptr && !joints.is_read_later(0))
    byte_layer = std::make_unique<ByteLayer>(*dense, max_rows, row_tasks);
}

void Program::Plan::plan_batch_sums() {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    BatchSums sums{.rule = operations[i]->over_batch()};
    if (sums.rule != nullptr) {
      sums.partial.resize(row_tasks * sums.rule->sums());
      sums.sums.resize(sums.rule->sums());
      sums.statistics.resize(sums.rule->statistics());
      sums.slopes.resize(sums.rule->slopes());
    }
    batch_sums.push_back(std::move(sums));
  }
}

// Only layers whose parameters get their gradient row by row, or from sums, if at all, are done
// with their values when a block has passed.
bool Program::Plan::passes_in_blocks(std::size_t layer) const {
  const Operation& operation = *operations[layer];
  return operation.parameters().empty() || operation.adds_gradient_by_rows() ||
         operation.over_batch() != nullptr;
}

// A dense layer so large that what reads its weights should do so for many rows at a time.
bool Program::Plan::is_wide(std::size_t layer) const {
  return dynamic_cast<const DenseOperation*>(operations[layer].get()) != nullptr &&
         parameter_count(layer) > kManyParameters;
}

// As a convolution, it goes from row to row.
bool Program::Plan::convolves(std::size_t layer) const {
  return operations[layer]->adds_gradient_by_rows() && operations[layer]->over_batch() == nullptr;
}

// Convolutions go from row to row. Dense layers want many rows at a time, since each task reads all
// their weights: the more, the less of them stay in a core's own cache. But two threads have work.
TaskCounts Program::Plan::task_counts() const {
  std::size_t work = 0;
  std::size_t work_in_blocks = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    work += operations[i]->operations_per_row();
    if (passes_in_blocks(i)) work_in_blocks += operations[i]->operations_per_row();
  }
  const std::size_t usual = tasks_for(max_rows, 2 * work_in_blocks > work ? 8 : 24, work);
  const std::size_t two = std::min<std::size_t>(2, tasks_for(max_rows, 16, work));
  return {usual, std::min(usual, std::max(two, tasks_for(max_rows, 48, work)))};
}

Stage Program::Plan::stage(std::size_t first, std::size_t last, std::size_t tasks) const {
  std::size_t split = first;
  while (split < last && passes_in_blocks(split)) ++split;
  return {first, split, last, tasks};
}

// Of the layers [first, last): one stage, or two where wide layers follow all convolutions.
void Program::Plan::add_stages(std::vector<Stage>& stages, std::size_t first, std::size_t last,
                               const TaskCounts& tasks) const {
  std::size_t wide = first;
  while (wide < last && !is_wide(wide)) ++wide;
  if (wide == last || tasks.wide == tasks.usual) {
    stages.push_back(stage(first, last, tasks.usual));
    return;
  }
  const auto convolving = [&] {
    std::size_t layer = first;
    while (layer < wide && !convolves(layer)) ++layer;
    return layer < wide;
  };
  if (convolving()) stages.push_back(stage(std::exchange(first, wide), wide, tasks.usual));
  stages.push_back(stage(first, last, tasks.wide));
}

// As many forward as back, the last of which have as many tasks: a layer with a rule, which begins
// the one and ends the other, is neither wide nor convolves.
void Program::Plan::plan_stages() {
  const TaskCounts tasks = task_counts();
  std::size_t forward_first = 0;
  std::size_t backward_first = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (operations[i]->over_batch() == nullptr) continue;
    barriers.push_back(i);
    add_stages(forward_stages, std::exchange(forward_first, i), i, tasks);
    add_stages(backward_stages, std::exchange(backward_first, i + 1), i + 1, tasks);
  }
  add_stages(forward_stages, forward_first, operations.size(), tasks);
  add_stages(backward_stages, backward_first, operations.size(), tasks);
  row_tasks = std::ranges::max(forward_stages, {}, &Stage::tasks).tasks;
  task_loss.resize(forward_stages.back().tasks);
}

void Program::Plan::plan_blocks() {
  std::size_t widest = 1;
  for (const Stage& stage : backward_stages)
    for (std::size_t i = stage.first; i < stage.split; ++i)
      widest = std::max(widest, operations[i]->output().size());
  block_rows = std::min(max_rows, std::max<std::size_t>(1, kFloatsOfABlock / widest));
}

const Stage& Program::Plan::backward_stage(std::size_t layer) const {
  return *std::ranges::find_if(backward_stages,
                               [&](const Stage& stage) { return layer < stage.last; });
}

// Whether the gradient of a value is made and used while one block of rows passes: by layers of one
// stage, and by no residual across stages.
bool Program::Plan::in_block(std::size_t value) const {
  if (value == 0 || value == operations.size()) return false;
  const Stage& stage = backward_stage(value);
  const auto added = joints.added_to(value - 1);
  return stage.first < value && value < stage.split && (!added || stage.first <= *added);
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
  plan_gradient_memory();
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const bool by_rows = operations[i]->adds_gradient_by_rows();
    const std::size_t tasks = by_rows ? 1 : operations[i]->gradient_tasks(max_rows);
    for (std::size_t task = 0; task < tasks; ++task) gradient_tasks.emplace_back(i, task);
    const auto* pooled = dynamic_cast<const PooledConvolution*>(operations[i].get());
    pooled_layers.push_back(pooled);
    places.emplace_back(pooled != nullptr ? Shape{max_rows, pooled->places()} : Shape{0});
    partial_gradients.emplace_back(by_rows ? Shape{backward_stage(i).tasks, parameter_count(i)}
                                           : Shape{0});
  }
}

std::size_t Program::Plan::parameter_count(std::size_t layer) const {
  return parameter_offset[layer + 1] - parameter_offset[layer];
}

}  // namespace gradatim
