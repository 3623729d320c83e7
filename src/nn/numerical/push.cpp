#include "nn/numerical/push.hpp"

#include <algorithm>

#include "gradatim/core/changes.hpp"
#include "gradatim/core/joining.hpp"
#include "nn/dense.hpp"
#include "nn/loss_changes.hpp"

namespace gradatim {
namespace {

ConstTensorView columns(ConstTensorView row, std::size_t first, std::size_t count) {
  return {row.values().subspan(first, count), {1, count}};
}

}  // namespace

Push::Push(const BasePoint& base) : base_(base), scratch_(2), losses_(kRows), flags_(kRows) {
  std::size_t widest = 0;
  for (std::size_t i = 0; i <= base.layers(); ++i) widest = std::max(widest, base.width(i));
  for (auto& buffer : scratch_) buffer.resize(kRows * widest);
  for (std::size_t i = 0; i <= base.layers(); ++i)
    kept_.emplace_back(base.joints().is_read_later(i) ? kRows * base.width(i) : 0);
}

TensorView<float> Push::scratch(std::size_t which, std::size_t rows, std::size_t width) {
  return {std::span(scratch_[which]).first(rows * width), {rows, width}};
}

std::size_t Push::last_apart(std::size_t layer) const {
  while (layer < base_.layers() && base_.operation(layer).elementwise() &&
         !base_.joints().is_read_later(layer))
    ++layer;
  return layer;
}

// Changes of a value, until a residual adds it.
void Push::keep(std::size_t value, ConstTensorView changes) {
  if (base_.joints().is_read_later(value))
    std::ranges::copy(changes.values(), kept_[value].begin());
}

// What joins a layer to others: dy = dx plus the change of what is added, times dropout's factors.
// A value before the one that was pushed has not changed.
void Push::join(std::size_t sample, std::size_t layer, std::size_t pushed_from,
                TensorView<float> changes) const {
  const auto added = base_.joints().added_to(layer);
  if (added && *added >= pushed_from)
    kernels::add_to(std::span(kept_[*added]).first(changes.size()), changes.values());
  if (base_.joints().drops(layer))
    for (std::size_t i = 0; i < changes.rows(); ++i)
      kernels::multiply(changes.row(i), base_.factors(layer, sample), changes.row(i));
}

// A change of a single value that enters the last layer, if that is linear, moves the outputs along
// a line.
bool Push::ends_in_lines(std::size_t layer) const {
  if (!has_lines(base_.loss_function())) return false;
  return layer == base_.layers() || (layer + 1 == base_.layers() && base_.dense(layer) != nullptr);
}

void Push::units(std::size_t sample, std::size_t layer, std::size_t first,
                 TensorView<float> changes, Crossings crossed) {
  const std::size_t apart = last_apart(layer);
  for (; layer < apart; ++layer) {
    const Operation& operation = base_.operation(layer);
    const std::size_t count = changes.row_size();
    const ConstTensorView x = columns(base_.x(layer, sample), first, count);
    if (crossed.size() != 0) operation.crossings(x, changes, crossed);
    operation.change(base_.parameters(layer), x, columns(base_.y(layer, sample), first, count),
                     changes, changes);
    if (!base_.joints().drops(layer)) continue;
    const auto factors = base_.factors(layer, sample).subspan(first, count);
    for (std::size_t i = 0; i < changes.rows(); ++i)
      kernels::multiply(changes.row(i), factors, changes.row(i));
  }
  if (ends_in_lines(layer))
    along_lines(sample, layer, first, changes);
  else
    one_by_one(sample, layer, first, changes, crossed);
}

// (outputs, count): by how much each output changes for a unit change of the values from `first`.
ConstTensorView Push::slopes(std::size_t layer, std::size_t first, std::size_t count) {
  const std::size_t outputs = base_.width(base_.layers());
  slopes_.assign(outputs * count, 0.0F);
  const TensorView<float> slopes(slopes_, {outputs, count});
  if (layer == base_.layers()) {
    for (std::size_t j = 0; j < count; ++j) slopes(first + j, j) = 1.0F;
    return slopes;
  }
  const ConstTensorView w = base_.dense(layer)->weight(base_.parameters(layer));
  for (std::size_t j = 0; j < count; ++j)
    for (std::size_t k = 0; k < outputs; ++k) slopes(k, j) = w(first + j, k);
  return slopes;
}

void Push::along_lines(std::size_t sample, std::size_t layer, std::size_t first,
                       TensorView<float> changes) {
  const std::size_t count = changes.row_size();
  const Shape shape = {kernels::line_rows(base_.width(base_.layers())), count};
  lines_.resize(shape.size());
  const TensorView<float> lines(lines_, shape);
  const auto point = base_.loss_point(sample);
  loss_lines(base_.loss_function(), point, base_.targets(sample), slopes(layer, first, count),
             lines);
  loss_along(base_.loss_function(), point, lines, changes, changes);
}

void Push::one_by_one(std::size_t sample, std::size_t layer, std::size_t first,
                      TensorView<float> changes, Crossings crossed) {
  const std::size_t count = changes.row_size();
  const auto values = changes.values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0.0F) continue;  // and so is the change of the loss
    places_.push_back(i);
    units_.push_back(static_cast<std::uint32_t>(first + i % count));
    amounts_.push_back(values[i]);
    if (places_.size() == kRows) flush(sample, layer, changes, crossed);
  }
  if (!places_.empty()) flush(sample, layer, changes, crossed);
}

void Push::flush(std::size_t sample, std::size_t layer, TensorView<float> changes,
                 Crossings crossed) {
  const std::size_t count = places_.size();
  const auto loss = std::span(losses_).first(count);
  const auto flags = std::span(flags_).first(crossed.size() != 0 ? count : 0);
  std::ranges::fill(flags, std::uint8_t{0});
  const bool whole = layer == base_.layers() || base_.joints().is_read_later(layer) ||
                     base_.joints().drops(layer) ||
                     (crossed.size() != 0 && base_.operation(layer).has_branches());
  const TensorView<float> dy = scratch(0, count, base_.width(whole ? layer : layer + 1));
  if (whole) {
    std::ranges::fill(dy.values(), 0.0F);
    for (std::size_t i = 0; i < count; ++i) dy(i, units_[i]) = amounts_[i];
  } else {
    base_.operation(layer).unit_change(base_.parameters(layer), base_.x(layer, sample),
                                       base_.y(layer, sample), units_, amounts_, dy);
    ++layer;
  }
  rows(sample, layer, dy, loss, flags);
  for (std::size_t i = 0; i < count; ++i) {
    changes.values()[places_[i]] = loss[i];
    if (!flags.empty()) crossed.values()[places_[i]] |= flags[i];
  }
  places_.clear();
  units_.clear();
  amounts_.clear();
}

void Push::rows(std::size_t sample, std::size_t layer, TensorView<float> changes,
                std::span<float> loss, std::span<std::uint8_t> crossed) {
  const std::size_t count = changes.rows();
  const std::size_t pushed_from = layer;
  for (; layer < base_.layers(); ++layer) {
    const Operation& operation = base_.operation(layer);
    const ConstTensorView x = base_.x(layer, sample);
    keep(layer, changes);
    if (!crossed.empty() && operation.has_branches()) {
      row_flags_.assign(changes.size(), 0);
      const Crossings at(row_flags_, changes.shape());
      operation.crossings(x, changes, at);
      for (std::size_t i = 0; i < count; ++i) crossed[i] |= *std::ranges::max_element(at.row(i));
    }
    const std::size_t other = changes.data() == scratch_[0].data() ? 1 : 0;
    const TensorView<float> dy =
        operation.elementwise() ? changes : scratch(other, count, base_.width(layer + 1));
    operation.change(base_.parameters(layer), x, base_.y(layer, sample), changes, dy);
    join(sample, layer, pushed_from, dy);
    changes = dy;
  }
  loss_change(base_.loss_function(), base_.loss_point(sample), base_.targets(sample), changes,
              loss);
}

}  // namespace gradatim
