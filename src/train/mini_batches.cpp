#include "train/mini_batches.hpp"

#include <algorithm>

#include "gradatim/core/kernels.hpp"

namespace gradatim {
namespace {

// Share of zero bytes from which byte_gemm beats converting and multiplying densely; measured in
// bench/METHOD.md. A property of the data, so the path, and with it every bit, is always the same.
constexpr double kEnoughZeros = 0.2;

bool mostly_worth_skipping(const ByteTensor& images) {
  const auto zeros = static_cast<double>(kernels::count_zeros(images.values()));
  return zeros >= kEnoughZeros * static_cast<double>(images.size());
}

}  // namespace

MiniBatches::MiniBatches(const Split& split, const MiniBatchPlan& plan, bool network_accepts_bytes)
    : split_(&split),
      plan_(plan),
      sampler_(plan.step),
      as_bytes_(split.has_images() && network_accepts_bytes && !is_active(plan.augmentation) &&
                mostly_worth_skipping(split.images)) {
  split.check();
  check_augmentation(plan.augmentation);
  if (plan_.most_rows == 0) plan_.most_rows = plan.step.batch;
  const std::size_t rows = plan_.most_rows;
  const Shape shape = {rows, split.sample().size()};
  if (as_bytes_)
    bytes_ = ByteTensor(shape);
  else
    floats_ = Tensor(shape);
  if (split.labels.empty())
    targets_ = Tensor(split.targets.shape().sample().batched(rows));
  else
    labels_.resize(rows);
  if (!plan.class_weights.empty()) weights_.resize(rows);
}

std::size_t MiniBatches::begin(std::size_t step) {
  step_ = step;
  indices_ = sampler_.indices(step);
  weight_sum_ = 0;
  if (!weights_.empty())
    for (const std::uint32_t index : indices_) weight_sum_ += weight_of(index);
  return task_count(indices_.size(), plan_.most_rows);
}

double MiniBatches::weight_of(std::uint32_t index) const {
  return static_cast<double>(plan_.class_weights[static_cast<std::size_t>(split_->labels[index])]);
}

std::span<const std::uint32_t> MiniBatches::part_indices(std::size_t part) const {
  const std::size_t first = first_row(part);
  return indices_.subspan(first, std::min(plan_.most_rows, indices_.size() - first));
}

double MiniBatches::share(std::size_t part) const {
  return static_cast<double>(part_indices(part).size()) / static_cast<double>(indices_.size());
}

Batch MiniBatches::gather(std::size_t part, TaskPool& pool) {
  const auto indices = part_indices(part);
  Batch batch;
  batch.key = {.seed = plan_.step.seed, .step = step_, .first_row = first_row(part)};
  gather_inputs(indices, batch, pool);
  gather_targets(indices, batch);
  return batch;
}

void MiniBatches::gather_inputs(std::span<const std::uint32_t> indices, Batch& batch,
                                TaskPool& pool) {
  if (as_bytes_) {
    const auto inputs = bytes_.view().slice(0, indices.size());
    gradatim::gather(*split_, indices, inputs);
    batch.inputs = ByteInputs{inputs, kByteScale};
    return;
  }
  const auto inputs = floats_.view().slice(0, indices.size());
  batch.inputs = ConstTensorView(inputs);
  if (!split_->has_images() || !is_active(plan_.augmentation)) {
    gradatim::gather(*split_, indices, inputs);
    return;
  }
  const auto images = split_->images.view();
  pool.parallel_for(indices.size(), [&](std::size_t i) {
    const ImageChange change = draw_change(plan_.augmentation, plan_.step.seed, step_, indices[i]);
    apply_change(change, {images.row(indices[i]), split_->sample()}, kByteScale, inputs.row(i));
  });
}

void MiniBatches::gather_targets(std::span<const std::uint32_t> indices, Batch& batch) {
  if (labels_.empty()) {
    const auto targets = targets_.view().slice(0, indices.size());
    for (std::size_t i = 0; i < indices.size(); ++i)
      std::ranges::copy(split_->targets.view().row(indices[i]), targets.row(i).begin());
    batch.targets.values = targets;
    return;
  }
  const std::span<std::int32_t> labels = std::span(labels_).first(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) labels[i] = split_->labels[indices[i]];
  batch.targets.labels = labels;
  if (weights_.empty()) return;
  const std::span<float> weights = std::span(weights_).first(indices.size());
  const double scale = weight_sum_ > 0 ? static_cast<double>(indices_.size()) / weight_sum_ : 0.0;
  for (std::size_t i = 0; i < indices.size(); ++i)
    weights[i] = static_cast<float>(weight_of(indices[i]) * scale);
  batch.targets.weights = weights;
}

}  // namespace gradatim
