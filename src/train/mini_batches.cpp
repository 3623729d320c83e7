#include "train/mini_batches.hpp"

#include <algorithm>

#include "gradatim/core/kernels.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kRowsOfATask = 32;

// A property of data, network and processor, so the path, and with it every bit, is always the
// same.
bool are_better_bytes(const ByteTensor& images, double zeros) {
  return zeros <= 0 || (zeros <= 1 && kernels::has_zeros(images.values(), zeros));
}

}  // namespace

MiniBatches::MiniBatches(const Split& split, const MiniBatchPlan& plan, double zeros_for_bytes)
    : split_(&split),
      plan_(plan),
      sampler_(plan.step),
      as_bytes_(split.has_images() && !is_active(plan.augmentation) &&
                are_better_bytes(split.images, zeros_for_bytes)) {
  split.check();
  check_augmentation(plan.augmentation);
  if (plan_.most_rows == 0) plan_.most_rows = plan.step.batch;
  for (Slot& slot : slots_) slot = make_slot();
}

MiniBatches::Slot MiniBatches::make_slot() const {
  Slot slot;
  const std::size_t rows = plan_.most_rows;
  slot.indices.reserve(rows);
  slot.gathered.reserve(task_count(rows, kRowsOfATask));
  const Shape shape = {rows, split_->sample().size()};
  if (as_bytes_)
    slot.bytes = ByteTensor(shape);
  else
    slot.floats = Tensor(shape);
  if (split_->labels.empty())
    slot.targets = Tensor(split_->targets.shape().sample().batched(rows));
  else
    slot.labels.resize(rows);
  if (!plan_.class_weights.empty()) slot.weights.resize(rows);
  return slot;
}

std::size_t MiniBatches::parts(std::size_t step) const {
  return task_count(sampler_.count(step), plan_.most_rows);
}

std::size_t MiniBatches::rows(std::size_t step, std::size_t part) const {
  return std::min(plan_.most_rows, sampler_.count(step) - part * plan_.most_rows);
}

double MiniBatches::share(std::size_t step, std::size_t part) const {
  return static_cast<double>(rows(step, part)) / static_cast<double>(sampler_.count(step));
}

double MiniBatches::weight_of(std::uint32_t index) const {
  return static_cast<double>(plan_.class_weights[static_cast<std::size_t>(split_->labels[index])]);
}

bool MiniBatches::Slot::is_complete() const {
  return !gathered.empty() && std::ranges::count(gathered, 0) == 0;
}

Batch MiniBatches::batch(std::size_t step, std::size_t part, TaskPool& pool) {
  const auto found = std::ranges::find_if(slots_, [&](const Slot& slot) {
    return slot.is_complete() && slot.step == step && slot.part == part;
  });
  current_ =
      found != slots_.end() ? static_cast<std::size_t>(found - slots_.begin()) : 1 - current_;
  Slot& slot = slots_[current_];
  if (found == slots_.end()) {
    draw(slot, step, part);
    pool.parallel_for(task_count(slot.indices.size(), kRowsOfATask),
                      [&](std::size_t task) { fill(slot, task); });
  }
  return view(slot);
}

Aside MiniBatches::prepare_next() {
  const Slot& last = slots_[current_];
  Slot& next = slots_[1 - current_];
  if (last.part + 1 < parts(last.step))
    draw(next, last.step, last.part + 1);
  else
    draw(next, last.step + 1, 0);
  return {task_count(next.indices.size(), kRowsOfATask),
          [this](std::size_t task) { fill(slots_[1 - current_], task); }};
}

void MiniBatches::draw(Slot& slot, std::size_t step, std::size_t part) {
  slot.step = step;
  slot.part = part;
  const std::span<const std::uint32_t> all = sampler_.indices(step);
  const auto own = all.subspan(part * plan_.most_rows, rows(step, part));
  slot.indices.assign(own.begin(), own.end());
  slot.gathered.assign(task_count(own.size(), kRowsOfATask), 0);
  if (slot.weights.empty()) return;
  double sum = 0;
  for (const std::uint32_t index : all) sum += weight_of(index);
  slot.weight_scale = sum > 0 ? static_cast<double>(all.size()) / sum : 0.0;
}

void MiniBatches::fill(Slot& slot, std::size_t task) const {
  const std::size_t first = task * kRowsOfATask;
  const std::size_t count = std::min(kRowsOfATask, slot.indices.size() - first);
  gather_inputs(slot, first, count);
  gather_targets(slot, first, count);
  slot.gathered[task] = 1;
}

void MiniBatches::gather_inputs(Slot& slot, std::size_t first, std::size_t count) const {
  const auto indices = std::span(slot.indices).subspan(first, count);
  if (as_bytes_) {
    gather(*split_, indices, slot.bytes.view().slice(first, count));
    return;
  }
  const auto inputs = slot.floats.view().slice(first, count);
  if (!split_->has_images() || !is_active(plan_.augmentation)) {
    gather(*split_, indices, inputs);
    return;
  }
  const auto images = split_->images.view();
  for (std::size_t i = 0; i < count; ++i) {
    const ImageChange change =
        draw_change(plan_.augmentation, plan_.step.seed, slot.step, indices[i]);
    apply_change(change, {images.row(indices[i]), split_->sample()}, kByteScale, inputs.row(i));
  }
}

void MiniBatches::gather_targets(Slot& slot, std::size_t first, std::size_t count) const {
  for (std::size_t i = first; i < first + count; ++i) {
    const std::uint32_t index = slot.indices[i];
    if (slot.labels.empty())
      std::ranges::copy(split_->targets.view().row(index), slot.targets.view().row(i).begin());
    else
      slot.labels[i] = split_->labels[index];
    if (!slot.weights.empty())
      slot.weights[i] = static_cast<float>(weight_of(index) * slot.weight_scale);
  }
}

Batch MiniBatches::view(const Slot& slot) const {
  const std::size_t rows = slot.indices.size();
  Batch batch;
  batch.key = {
      .seed = plan_.step.seed, .step = slot.step, .first_row = slot.part * plan_.most_rows};
  if (as_bytes_)
    batch.inputs = ByteInputs{slot.bytes.view().slice(0, rows), kByteScale};
  else
    batch.inputs = slot.floats.view().slice(0, rows);
  if (slot.labels.empty())
    batch.targets.values = slot.targets.view().slice(0, rows);
  else
    batch.targets.labels = std::span(slot.labels).first(rows);
  if (!slot.weights.empty()) batch.targets.weights = std::span(slot.weights).first(rows);
  return batch;
}

}  // namespace gradatim
