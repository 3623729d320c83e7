#include "nn/numerical/batch_differences.hpp"

#include <algorithm>
#include <array>

#include "gradatim/core/joining.hpp"
#include "gradatim/nn/parameters.hpp"
#include "nn/loss_changes.hpp"
#include "nn/numerical/meter.hpp"
#include "nn/numerical/workers.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kItemsOfATask = 16;

// Pushes changes of the whole batch from what enters a layer to the loss of each sample. A matrix
// of changes is (changes · rows, ...), as in Operation.
class BatchPush {
 public:
  BatchPush(const BasePoint& base, std::size_t most) : base_(base), kept_(base.layers() + 1) {
    std::size_t widest = 0;
    for (std::size_t i = 0; i <= base.layers(); ++i) {
      widest = std::max(widest, base.width(i));
      if (base.joints().is_read_later(i)) kept_[i] = Tensor({most * base.rows(), base.width(i)});
    }
    for (auto& buffer : scratch_) buffer.resize(most * base.rows() * widest);
  }

  /// Zeros, to be filled with `count` changes of what enters a layer, and pushed.
  TensorView<float> begin(std::size_t layer, std::size_t count) {
    const TensorView<float> changes = scratch(0, count * base_.rows(), base_.width(layer));
    std::ranges::fill(changes.values(), 0.0F);
    return changes;
  }

  // losses and crossed (changes · rows); crossed |= 1, or is empty.
  void operator()(std::size_t layer, TensorView<float> changes, std::span<float> losses,
                  std::span<std::uint8_t> crossed) {
    const std::size_t pushed_from = layer;
    for (; layer < base_.layers(); ++layer) {
      const Operation& operation = base_.operation(layer);
      if (base_.joints().is_read_later(layer))
        std::ranges::copy(changes.values(), kept_[layer].values().begin());
      if (!crossed.empty() && operation.has_branches()) mark(layer, changes, crossed);
      const std::size_t other = changes.data() == scratch_[0].data() ? 1 : 0;
      const TensorView<float> dy = operation.elementwise()
                                       ? changes
                                       : scratch(other, changes.rows(), base_.width(layer + 1));
      operation.change(base_.parameters(layer), base_.x(layer), base_.y(layer), changes, dy);
      join(layer, pushed_from, dy);
      changes = dy;
    }
    for (std::size_t i = 0; i < changes.rows(); ++i) {
      const std::size_t n = i % base_.rows();
      loss_change(base_.loss_function(), base_.loss_point(n), base_.targets(n), changes.slice(i, 1),
                  losses.subspan(i, 1));
    }
  }

 private:
  TensorView<float> scratch(std::size_t which, std::size_t rows, std::size_t width) {
    return {std::span(scratch_[which]).first(rows * width), {rows, width}};
  }

  void join(std::size_t layer, std::size_t pushed_from, TensorView<float> dy) const {
    const auto added = base_.joints().added_to(layer);
    if (added && *added >= pushed_from)
      kernels::add_to(kept_[*added].values().first(dy.size()), dy.values());
    for (std::size_t first = 0; first < dy.rows(); first += base_.rows())
      base_.take_factors(layer, dy.slice(first, base_.rows()));
  }

  void mark(std::size_t layer, ConstTensorView changes, std::span<std::uint8_t> crossed) {
    flags_.assign(changes.size(), 0);
    const TensorView<std::uint8_t> at(flags_, changes.shape());
    base_.operation(layer).crossings(base_.x(layer), changes, at);
    for (std::size_t i = 0; i < crossed.size(); ++i)
      crossed[i] |= *std::ranges::max_element(at.row(i));
  }

  const BasePoint& base_;
  std::vector<Tensor> kept_;  // changes of values that residuals add later
  std::array<AlignedVector<float>, 2> scratch_;
  std::vector<std::uint8_t> flags_;
};

// The quotients of one parameter or value, from the changes of the samples' losses at each offset.
class Quotients {
 public:
  Quotients(const BasePoint& base, const DifferenceQuotient& quotient, const QuotientSums& sums)
      : base_(base), quotient_(quotient), sums_(sums), push_(base, quotient.offsets.size()) {}

  // move(offset, changes) sets the changes of what enters `layer`, which are zero, and returns the
  // offset as realised.
  template <class Move>
  void write(std::size_t at, std::size_t layer, Move move) {
    const std::size_t offsets = quotient_.offsets.size();
    const std::size_t rows = base_.rows();
    losses_.resize(offsets * rows);
    crossed_.assign(sums_.crossed.empty() ? 0 : offsets * rows, 0);
    const TensorView<float> changes = push_.begin(layer, offsets);
    std::vector<float> realised(offsets);
    for (std::size_t s = 0; s < offsets; ++s)
      realised[s] = move(quotient_.offsets[s], changes.slice(s * rows, rows));
    push_(layer, changes, losses_, crossed_);
    for (std::size_t i = 0; i < losses_.size(); ++i) {
      const std::size_t s = i / rows;
      losses_[i] *= quotient_.weights[s] * (quotient_.offsets[s] / realised[s]);
    }
    store(at);
  }

 private:
  void store(std::size_t at) const {
    const std::size_t rows = base_.rows();
    double value = 0;
    double upper = 0;
    const bool bounds = !sums_.upper.empty();
    for (std::size_t n = 0; n < rows; ++n) {
      double total = 0;
      for (std::size_t i = n; i < losses_.size(); i += rows)
        total += static_cast<double>(losses_[i]);
      value += bounds ? static_cast<double>(std::min(losses_[n], losses_[rows + n])) : total;
      if (bounds) upper += static_cast<double>(std::max(losses_[n], losses_[rows + n]));
    }
    sums_.value[at] = static_cast<float>(value);
    if (bounds) sums_.upper[at] = static_cast<float>(upper);
    if (!crossed_.empty()) sums_.crossed[at] = *std::ranges::max_element(crossed_);
  }

  const BasePoint& base_;
  const DifferenceQuotient& quotient_;
  const QuotientSums& sums_;
  BatchPush push_;
  std::vector<float> losses_;          // (offsets · rows)
  std::vector<std::uint8_t> crossed_;  // (offsets · rows), or empty
};

void clear(const QuotientSums& sums, std::size_t first, std::size_t count) {
  std::ranges::fill(sums.value.subspan(first, count), 0.0F);
  if (!sums.upper.empty()) std::ranges::fill(sums.upper.subspan(first, count), 0.0F);
  if (!sums.crossed.empty()) std::ranges::fill(sums.crossed.subspan(first, count), std::uint8_t{0});
}

}  // namespace

void BatchDifferences::parameters(const DifferenceQuotient& quotient, const QuotientSums& sums,
                                  TaskPool& pool,
                                  const std::function<void(double share)>& on_progress) const {
  struct Items {
    const ParameterTensor* tensor;
    std::size_t first, count;
  };
  const ParameterLayout layout = parameter_layout(base_.network());
  clear(sums, 0, layout.size);
  std::vector<Items> tasks;
  for (const ParameterTensor& tensor : layout.tensors)
    for (std::size_t i = 0; tensor.trained && i < tensor.shape.size(); i += kItemsOfATask)
      tasks.push_back({&tensor, i, std::min(kItemsOfATask, tensor.shape.size() - i)});
  Meter meter(tasks.size(), on_progress);
  Workers<Quotients> workers;
  const auto make = [&] { return std::make_unique<Quotients>(base_, quotient, sums); };
  pool.parallel_for(tasks.size(), [&](std::size_t task) {
    const auto& [tensor, first, count] = tasks[task];
    const std::size_t layer = tensor->layer;
    workers.with(make, [&](Quotients& quotients) {
      for (std::size_t p = tensor->offset + first; p < tensor->offset + first + count; ++p)
        quotients.write(p, layer + 1, [&](float offset, TensorView<float> dy) {
          return base_.operation(layer).parameter_change(
              base_.parameters(layer), base_.x(layer), base_.y(layer),
              p - base_.parameter_offset(layer), offset, dy);
        });
    });
    meter.task_done();
  });
}

void BatchDifferences::values(std::size_t layer, const DifferenceQuotient& quotient,
                              const QuotientSums& sums, TaskPool& pool) const {
  const std::size_t count = base_.x(layer).size();
  clear(sums, 0, count);
  Workers<Quotients> workers;
  const auto make = [&] { return std::make_unique<Quotients>(base_, quotient, sums); };
  pool.parallel_for(task_count(count, kItemsOfATask), [&](std::size_t task) {
    const std::size_t first = task * kItemsOfATask;
    const std::size_t end = std::min(count, first + kItemsOfATask);
    workers.with(make, [&](Quotients& quotients) {
      for (std::size_t i = first; i < end; ++i)
        quotients.write(i, layer, [&](float offset, TensorView<float> dx) {
          dx.values()[i] = offset;
          return offset;
        });
    });
  });
}

}  // namespace gradatim
