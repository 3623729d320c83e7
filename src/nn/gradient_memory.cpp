// Which gradients of values share memory.
#include <algorithm>
#include <iterator>

#include "gradatim/core/kernels.hpp"
#include "nn/plan.hpp"

namespace gradatim {
namespace {

bool overlap(const GradientSlot& a, const GradientSlot& b) {
  return a.death <= b.birth && b.death <= a.birth;
}

// Each at the lowest place that is free for its life, the first that backward needs first.
void place(std::vector<GradientSlot>& slots) {
  std::vector<const GradientSlot*> placed;
  for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
    if (slot->own_memory) continue;
    std::vector<const GradientSlot*> neighbours;
    std::ranges::copy_if(placed, std::back_inserter(neighbours),
                         [&](const GradientSlot* other) { return overlap(*slot, *other); });
    std::ranges::sort(neighbours, {}, &GradientSlot::offset);
    for (const GradientSlot* other : neighbours)
      if (slot->offset + slot->floats > other->offset)
        slot->offset = std::max(slot->offset, other->offset + other->floats);
    placed.push_back(&*slot);
  }
}

// Stages of as many tasks have parts of one size, as large as the one that needs most; others use
// the memory at other times. Returns the size of all.
std::size_t set_strides(std::vector<GradientSlot>& slots) {
  std::size_t size = 0;
  for (GradientSlot& slot : slots) {
    for (const GradientSlot& other : slots)
      if (!other.own_memory && other.tasks == slot.tasks)
        slot.stride = std::max(slot.stride, other.offset + other.floats);
    size = std::max(size, slot.tasks * slot.stride);
  }
  return size;
}

}  // namespace

void Program::Plan::plan_gradient_memory() {
  find_lives();
  for (std::size_t s = 0; s < d_slots.size(); ++s) {
    GradientSlot& gradient = d_slots[s];
    const std::size_t task_rows = (max_rows + gradient.tasks - 1) / gradient.tasks;
    const std::size_t rows_kept = gradient.in_blocks ? std::min(block_rows, task_rows) : task_rows;
    gradient.floats = kernels::packed_columns(rows_kept * outputs[s].view().row_size());
    if (!gradient.in_blocks && block_rows < task_rows) extend_over_blocks(gradient);
    d_outputs.emplace_back(gradient.own_memory ? outputs[s].shape() : Shape{0});
  }
  place(d_slots);
  d_memory = Tensor({set_strides(d_slots)});
}

// Value i + 1 is what layer i writes to its slot: backward of layer i + 1 writes its gradient, that
// of layer i reads it, and so does that of a layer whose input is added to it.
void Program::Plan::find_lives() {
  d_slots.resize(outputs.size());
  for (GradientSlot& gradient : d_slots) gradient.death = operations.size();
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = *operations[i];
    GradientSlot& gradient = d_slots[slot[i]];
    gradient.birth = std::max(gradient.birth, i + 1);
    gradient.death = std::min({gradient.death, i, joints.added_to(i).value_or(i)});
    gradient.in_blocks = gradient.in_blocks && in_block(i + 1);
    gradient.own_memory =
        gradient.own_memory || (!operation.parameters().empty() && !passes_in_blocks(i));
  }
  for (GradientSlot& gradient : d_slots) {
    gradient.tasks = backward_stage(gradient.death).tasks;
    gradient.own_memory = gradient.own_memory || changes_tasks(gradient);
  }
}

// Whether stages that touch it have rows cut in different ways.
bool Program::Plan::changes_tasks(const GradientSlot& gradient) const {
  return std::ranges::any_of(backward_stages, [&](const Stage& stage) {
    const bool touches = gradient.death < stage.last && stage.first <= gradient.birth;
    return touches && stage.tasks != gradient.tasks;
  });
}

// What a blocked layer reads of all rows it reads again for the next block, when the layers below
// it have written theirs.
void Program::Plan::extend_over_blocks(GradientSlot& gradient) const {
  for (const Stage& stage : backward_stages) {
    if (stage.first == stage.split) continue;
    const bool touched = gradient.death < stage.split && stage.first <= gradient.birth;
    if (!touched) continue;
    gradient.birth = std::max(gradient.birth, stage.split - 1);
    gradient.death = std::min(gradient.death, stage.first);
  }
}

TensorView<float> Program::Plan::d_output(std::size_t layer, const RowRange& range,
                                          const RowTask& task) {
  const std::size_t s = slot[layer];
  const GradientSlot& gradient = d_slots[s];
  if (gradient.own_memory) return d_outputs[s].view().slice(range.first, range.count);
  const std::size_t values = outputs[s].view().row_size();
  const std::size_t first = gradient.in_blocks ? 0 : range.first - task.rows.first;
  const std::size_t place = task.index * gradient.stride + gradient.offset + first * values;
  return {d_memory.values().subspan(place, range.count * values), {range.count, values}};
}

}  // namespace gradatim
