#include "nn/byte_layer.hpp"

#include <algorithm>

namespace gradatim {

namespace amx = kernels::amx;

namespace {

constexpr std::size_t kLeastRows = 32;  // of a batch, for the unit
constexpr std::size_t kColumns = 128;   // of a task of its: each brings the bytes into tiles

// Of a part.
std::size_t most_inputs(const DenseOperation& dense) {
  const kernels::BytePart larger = kernels::byte_part(dense.inputs(), 1);
  return larger.last - larger.first;
}

}  // namespace

ByteLayer::ByteLayer(const DenseOperation& dense, std::size_t max_rows, std::size_t row_tasks)
    : dense_(dense),
      max_rows_(max_rows),
      has_unit_(amx::available() && dense.has_parts() && max_rows <= amx::kMostTerms &&
                most_inputs(dense) <= amx::kMostTerms),
      floats_(dense.is_narrow() ? Shape{0} : Shape{max_rows, dense.inputs()}),
      weight_(dense.packed_weight()),
      gradient_(dense.packed_gradient(max_rows)) {
  if (has_unit_) unit_gradient_ = amx::Packed(max_rows, dense.units());
  if (has_unit_ || (row_tasks > 1 && dense.has_parts()))
    for (Tensor& product : products_) product = Tensor(dense.packed_gradient(max_rows));
}

double ByteLayer::zeros_that_pay() const {
  return has_unit_ && max_rows_ >= kLeastRows ? 0 : dense_.zeros_that_pay();
}

// Measured at 50 and at 512 units (bench/METHOD.md).
ByteLayer::Way ByteLayer::way_of(TensorView<const std::uint8_t> bytes) const {
  const bool may_use_unit = has_unit_ && bytes.rows() >= kLeastRows;
  if (dense_.is_narrow()) {
    const double skippable = bytes.rows() < 64 ? 0.65 : 0.85;  // zeros, rather than using the unit
    const bool skips = !may_use_unit || kernels::has_zeros(bytes.values(), skippable);
    return skips ? Way::skipping_zeros : Way::matrix_unit;
  }
  if (may_use_unit) return Way::matrix_unit;
  return dense_.skipping_zeros_pays(bytes) ? Way::skipping_zeros : Way::floats;
}

bool ByteLayer::bind(TensorView<const std::uint8_t> bytes, float scale) {
  bytes_ = bytes;
  scale_ = scale;
  way_ = way_of(bytes);
  return way_ != Way::floats;
}

ConstTensorView ByteLayer::to_floats() {
  const TensorView<float> floats = floats_.view().slice(0, bytes_.rows());
  kernels::bytes_to_float(bytes_.values(), scale_, floats.values());
  return floats;
}

// By parts of the inputs, not by rows: so a thread reads the part of the weight that it has written
// and packed, and of the others' work only sums.
void ByteLayer::multiply(std::span<const float> theta, std::size_t tasks, TaskPool& pool) {
  if (way_ == Way::matrix_unit)
    multiply_by_unit(theta, pool);
  else
    multiply_skipping_zeros(theta, tasks, pool);
}

void ByteLayer::multiply_by_unit(std::span<const float> theta, TaskPool& pool) {
  has_products_ = true;
  const std::size_t columns = products_[0].shape()[1];
  const std::size_t groups = (columns + kColumns - 1) / kColumns;
  pool.parallel_for(kernels::kByteProducts * groups, [&](std::size_t task) {
    const std::size_t part = task / groups;
    const kernels::BytePart inputs = kernels::byte_part(dense_.inputs(), part);
    const std::size_t first = task % groups * kColumns;
    amx::byte_products(bytes_,
                       {.first_input = inputs.first,
                        .last_input = inputs.last,
                        .first_column = first,
                        .last_column = std::min(columns, first + kColumns)},
                       dense_.weight(theta), products_[part].view().slice(0, bytes_.rows()));
  });
}

// Packed by the tasks that the gradient of the weight is cut into: a thread has as a rule just
// written the part that it packs.
void ByteLayer::multiply_skipping_zeros(std::span<const float> theta, std::size_t tasks,
                                        TaskPool& pool) {
  pool.parallel_for(dense_.gradient_tasks(max_rows_),
                    [&](std::size_t task) { dense_.pack_weight(task, max_rows_, theta, weight_); });
  has_products_ = products_[0].size() != 0 && pool.threads() > 1;
  if (!has_products_) return;
  pool.parallel_for(kernels::kByteProducts * tasks, [&](std::size_t task) {
    const std::size_t part = task / tasks;
    const RowRange range = rows_of_task(bytes_.rows(), task % tasks, tasks);
    kernels::byte_products(bytes_.slice(range.first, range.count), part, weight_,
                           products_[part].view().slice(range.first, range.count));
  });
}

void ByteLayer::forward(std::span<const float> theta, const RowRange& range,
                        TensorView<float> y) const {
  if (has_products_)
    dense_.forward_products(theta, scale_, products_[0].view().slice(range.first, range.count),
                            products_[1].view().slice(range.first, range.count), y);
  else
    dense_.forward_bytes(theta, bytes_.slice(range.first, range.count), scale_, weight_, y);
}

void ByteLayer::pack_gradient_rows(const RowRange& range, ConstTensorView dy) {
  if (way_ == Way::skipping_zeros)
    kernels::pack_rows(dy, gradient_.view().slice(range.first, range.count));
}

// The unit's quanta hang on all rows.
void ByteLayer::pack_gradient(ConstTensorView dy, TaskPool& pool) {
  if (way_ != Way::matrix_unit) return;
  pool.parallel_for(unit_gradient_.packed_rows.size(),
                    [&](std::size_t panel) { amx::pack(dy, panel, unit_gradient_); });
}

void ByteLayer::parameter_gradient(std::size_t task, ConstTensorView dy,
                                   std::span<float> d_theta) const {
  if (way_ == Way::matrix_unit)
    dense_.parameter_gradient_bytes(task, bytes_, scale_, dy, unit_gradient_, d_theta);
  else
    dense_.parameter_gradient_bytes(task, bytes_, scale_, dy,
                                    gradient_.view().slice(0, bytes_.rows()), d_theta);
}

void ByteLayer::reserve() const {
  if (has_unit_) amx::reserve({0, most_inputs(dense_), 0, kColumns}, max_rows_);
}

std::size_t ByteLayer::memory_bytes() const {
  std::size_t floats =
      floats_.size() + weight_.size() + gradient_.size() + unit_gradient_.quanta.size();
  for (const Tensor& product : products_) floats += product.size();
  return floats * sizeof(float) + unit_gradient_.digits.size();
}

}  // namespace gradatim
