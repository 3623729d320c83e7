#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/operation.hpp"
#include "nn/joints.hpp"

namespace gradatim {

class DenseOperation;

/// A network and its loss evaluated once, for one theta and one batch, with everything kept that
/// changes are computed from. What differences are taken about.
class BasePoint {
 public:
  /// Throws as Program does.
  BasePoint(const Network& network, const Loss& loss, std::size_t max_rows);
  ~BasePoint();

  /// Valid for as long as theta and batch are. Throws ShapeError or InvalidArgument if they do not
  /// fit. Bit-for-bit the same for any pool.
  void evaluate(std::span<const float> theta, const Batch& batch, TaskPool& pool);

  std::size_t rows() const { return rows_; }
  std::size_t layers() const { return operations_.size(); }
  const Network& network() const { return network_; }
  const Loss& loss_function() const { return loss_; }
  const Operation& operation(std::size_t layer) const { return *operations_[layer]; }
  /// The layer as Dense, or null.
  const DenseOperation* dense(std::size_t layer) const { return dense_[layer]; }
  const Joints& joints() const { return joints_; }
  /// Whether the loss of a sample depends on the others (Operation::over_batch).
  bool over_batch() const;
  std::size_t parameter_count() const { return offsets_.back(); }
  std::size_t parameter_offset(std::size_t layer) const { return offsets_[layer]; }
  std::span<const float> parameters(std::size_t layer) const {
    return theta_.subspan(offsets_[layer], offsets_[layer + 1] - offsets_[layer]);
  }

  /// Number of values that enter a layer; that of layers() are the outputs.
  std::size_t width(std::size_t layer) const { return values_[layer].view().row_size(); }
  /// What enters a layer for one sample (1, width), and what leaves it.
  ConstTensorView x(std::size_t layer, std::size_t sample) const {
    return values_[layer].view().slice(sample, 1);
  }
  ConstTensorView y(std::size_t layer, std::size_t sample) const { return x(layer + 1, sample); }
  /// The same for the whole batch (rows, width).
  ConstTensorView x(std::size_t layer) const { return values_[layer].view().slice(0, rows_); }
  ConstTensorView y(std::size_t layer) const { return x(layer + 1); }

  /// What a layer's dropout multiplies the values of one sample by, at this point (width).
  std::span<const float> factors(std::size_t layer, std::size_t sample) const {
    return factors_[layer].view().row(sample);
  }
  /// The gradient of a layer's output (rows, width) as it is before what joins the layer: factors
  /// taken in.
  void take_factors(std::size_t layer, TensorView<float> dy) const;

  /// For loss_change and its like: (outputs).
  std::span<const float> loss_point(std::size_t sample) const { return points_.view().row(sample); }
  std::span<const float> targets(std::size_t sample) const { return targets_.view().row(sample); }
  /// The mean over the batch.
  double loss() const { return loss_value_; }

 private:
  void load_inputs(const Batch& batch);
  void load_targets(const Targets& targets);
  void load_factors(const Batch& batch);
  void join(std::size_t layer, std::size_t first, std::size_t count);
  double forward(const Batch& batch, std::size_t first, std::size_t count);

  Network network_;
  Loss loss_;
  std::size_t max_rows_;
  std::vector<std::unique_ptr<const Operation>> operations_;
  Joints joints_;
  std::vector<const DenseOperation*> dense_;
  std::vector<std::size_t> offsets_;  // of each layer's parameters, and the total behind them
  std::vector<Tensor> values_;        // (max_rows, values): the inputs, then each layer's outputs
  std::vector<Tensor> factors_;       // (max_rows, values) of layers that drop
  Tensor points_;                     // (max_rows, outputs)
  Tensor targets_;                    // (max_rows, outputs)
  Tensor d_outputs_;                  // (max_rows, outputs), which the value of the loss comes with
  Tensor packed_weight_;              // of a first layer that takes bytes
  std::span<const float> theta_;
  std::size_t rows_ = 0;
  double loss_value_ = 0;
};

/// The gradient of the mean loss by the network's outputs (rows, outputs).
Tensor loss_gradient(const BasePoint& base);

}  // namespace gradatim
