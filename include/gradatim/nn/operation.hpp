#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

/// One tensor of parameters that a layer wants.
struct ParameterSpec {
  std::string_view role;  // "weight"
  Shape shape;
  Initializer initializer;
  std::size_t fan_in = 1;
  std::size_t fan_out = 1;
};

/// What a layer computes for inputs of one shape. Immutable; every function is pure in its spans.
/// x, y, dx and dy are matrices (rows, values of one sample); theta and d_theta are this layer's
/// part of the parameter vector, its tensors in the order of parameters().
class Operation {
 public:
  virtual ~Operation() = default;

  /// The shape of one output sample.
  virtual Shape output() const = 0;
  virtual std::vector<ParameterSpec> parameters() const { return {}; }
  /// True if y may be the memory of x, and dx that of dy: backward then never reads x.
  virtual bool in_place() const { return false; }
  /// True if y has the values of x, only under another shape. Then in_place() is true too.
  virtual bool renames() const { return false; }
  /// False if backward never reads y, so that the next layer may work in its memory.
  virtual bool backward_reads_output() const { return true; }

  /// y from x. Rows are independent: any slice of them may be computed alone.
  virtual void forward(std::span<const float> theta, ConstTensorView x,
                       TensorView<float> y) const = 0;
  /// dx, the gradient of the loss by x, from dy, that by y. Rows are independent.
  virtual void backward(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                        ConstTensorView dy, TensorView<float> dx) const = 0;

  /// How many independent tasks parameter_gradient is cut into for a batch of `rows`.
  virtual std::size_t gradient_tasks(std::size_t rows) const;
  /// The task's part of d_theta, overwritten, from the whole batch.
  virtual void parameter_gradient(std::size_t task, ConstTensorView x, ConstTensorView dy,
                                  std::span<float> d_theta) const;

  /// True if the gradient of the parameters is added up by add_gradient while the rows pass
  /// backward, instead of by parameter_gradient in tasks of its own behind them.
  virtual bool adds_gradient_by_rows() const { return false; }
  /// d_theta += that of some rows.
  virtual void add_gradient(ConstTensorView x, ConstTensorView dy, std::span<float> d_theta) const;

  /// Floating point operations of forward for one row, for cutting batches into tasks.
  virtual std::size_t operations_per_row() const { return output().size(); }
};

/// The operations of a network, checked against each other's shapes. Throws ShapeError that names
/// the layer (the first is 1), what it expected and what it received.
std::vector<std::unique_ptr<const Operation>> make_operations(const Network& network);

/// "layer 2 (sigmoid)" for index 1.
std::string layer_label(const Network& network, std::size_t index);

}  // namespace gradatim
