#include "nn/numerical/batch_differences.hpp"

#include <algorithm>

#include "gradatim/core/joining.hpp"
#include "gradatim/nn/parameters.hpp"
#include "nn/loss_changes.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kItemsOfATask = 16;

// Pushes one change of the whole batch from what enters a layer to the loss of each sample.
class BatchPush {
 public:
  explicit BatchPush(const BasePoint& base) : base_(base), kept_(base.layers() + 1) {}

  // changes (rows, width of the layer) -> losses (rows); crossed (rows, or empty) |= 1.
  void operator()(std::size_t layer, Tensor changes, std::span<float> losses,
                  std::span<std::uint8_t> crossed) {
    const std::size_t pushed_from = layer;
    for (; layer < base_.layers(); ++layer) {
      const Operation& operation = base_.operation(layer);
      if (base_.joints().is_read_later(layer)) kept_[layer] = changes;
      if (!crossed.empty() && operation.has_branches()) mark(layer, changes, crossed);
      Tensor dy(base_.y(layer).shape());
      operation.change(base_.parameters(layer), base_.x(layer), base_.y(layer), changes, dy);
      const auto added = base_.joints().added_to(layer);
      if (added && *added >= pushed_from) kernels::add_to(kept_[*added].values(), dy.values());
      base_.take_factors(layer, dy);
      changes = std::move(dy);
    }
    for (std::size_t n = 0; n < base_.rows(); ++n)
      loss_change(base_.loss_function(), base_.loss_point(n), base_.targets(n),
                  changes.view().slice(n, 1), losses.subspan(n, 1));
  }

 private:
  void mark(std::size_t layer, const Tensor& changes, std::span<std::uint8_t> crossed) const {
    BasicTensor<std::uint8_t> at(changes.shape());
    base_.operation(layer).crossings(base_.x(layer), changes, at);
    for (std::size_t n = 0; n < crossed.size(); ++n)
      crossed[n] |= *std::ranges::max_element(at.view().row(n));
  }

  const BasePoint& base_;
  std::vector<Tensor> kept_;  // changes of values that residuals add later
};

// The quotients of one parameter or value, from the changes of the samples' losses at each offset.
class Quotients {
 public:
  Quotients(const BasePoint& base, const DifferenceQuotient& quotient, const QuotientSums& sums)
      : base_(base), quotient_(quotient), sums_(sums), push_(base) {}

  // move(offset, changes) sets the changes of what enters `layer`, and returns the offset as
  // realised.
  template <class Move>
  void write(std::size_t at, std::size_t layer, Move move) {
    const std::size_t offsets = quotient_.offsets.size();
    std::vector<std::vector<float>> losses(offsets, std::vector<float>(base_.rows()));
    std::vector<std::uint8_t> crossed(sums_.crossed.empty() ? 0 : base_.rows());
    for (std::size_t s = 0; s < offsets; ++s) {
      Tensor changes(base_.x(layer).shape());
      const float realised = move(quotient_.offsets[s], changes);
      push_(layer, std::move(changes), losses[s], crossed);
      for (float& loss : losses[s])
        loss *= quotient_.weights[s] * (quotient_.offsets[s] / realised);
    }
    store(at, losses, crossed);
  }

 private:
  void store(std::size_t at, const std::vector<std::vector<float>>& losses,
             std::span<const std::uint8_t> crossed) const {
    double value = 0;
    double upper = 0;
    const bool bounds = !sums_.upper.empty();
    for (std::size_t n = 0; n < base_.rows(); ++n) {
      double total = 0;
      for (const auto& offset : losses) total += static_cast<double>(offset[n]);
      value += bounds ? static_cast<double>(std::min(losses[0][n], losses[1][n])) : total;
      if (bounds) upper += static_cast<double>(std::max(losses[0][n], losses[1][n]));
    }
    sums_.value[at] = static_cast<float>(value);
    if (bounds) sums_.upper[at] = static_cast<float>(upper);
    if (!crossed.empty()) sums_.crossed[at] = *std::ranges::max_element(crossed);
  }

  const BasePoint& base_;
  const DifferenceQuotient& quotient_;
  const QuotientSums& sums_;
  BatchPush push_;
};

void clear(const QuotientSums& sums, std::size_t first, std::size_t count) {
  std::ranges::fill(sums.value.subspan(first, count), 0.0F);
  if (!sums.upper.empty()) std::ranges::fill(sums.upper.subspan(first, count), 0.0F);
  if (!sums.crossed.empty()) std::ranges::fill(sums.crossed.subspan(first, count), std::uint8_t{0});
}

}  // namespace

void BatchDifferences::parameters(const DifferenceQuotient& quotient, const QuotientSums& sums,
                                  TaskPool& pool) const {
  for (const ParameterTensor& tensor : parameter_layout(base_.network()).tensors) {
    const std::size_t count = tensor.shape.size();
    clear(sums, tensor.offset, count);
    if (!tensor.trained) continue;
    const std::size_t layer = tensor.layer;
    const std::size_t first = tensor.offset - base_.parameter_offset(layer);
    pool.parallel_for(task_count(count, kItemsOfATask), [&](std::size_t task) {
      Quotients quotients(base_, quotient, sums);
      const std::size_t end = std::min(count, (task + 1) * kItemsOfATask);
      for (std::size_t i = task * kItemsOfATask; i < end; ++i)
        quotients.write(tensor.offset + i, layer + 1, [&](float offset, TensorView<float> dy) {
          return base_.operation(layer).parameter_change(base_.parameters(layer), base_.x(layer),
                                                         base_.y(layer), first + i, offset, dy);
        });
    });
  }
}

void BatchDifferences::values(std::size_t layer, const DifferenceQuotient& quotient,
                              const QuotientSums& sums, TaskPool& pool) const {
  const std::size_t count = base_.x(layer).size();
  clear(sums, 0, count);
  pool.parallel_for(task_count(count, kItemsOfATask), [&](std::size_t task) {
    Quotients quotients(base_, quotient, sums);
    const std::size_t end = std::min(count, (task + 1) * kItemsOfATask);
    for (std::size_t i = task * kItemsOfATask; i < end; ++i)
      quotients.write(i, layer, [&](float offset, TensorView<float> dx) {
        dx.values()[i] = offset;
        return offset;
      });
  });
}

}  // namespace gradatim
