#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/random.hpp"
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
  bool trained = true;  // see ParameterTensor
};

/// What a layer computes in training that depends on the whole batch, through sums over its rows:
/// batch normalisation. Tasks add up the sums of their rows, which are added in the order of the
/// tasks; then the rows go on. theta and d_theta are the layer's, as in Operation.
class BatchRule {
 public:
  virtual ~BatchRule() = default;

  /// How many values the sums of either pass have, and what is made of them.
  virtual std::size_t sums() const = 0;
  virtual std::size_t statistics() const = 0;
  virtual std::size_t slopes() const = 0;
  virtual std::size_t least_rows() const { return 1; }

  /// sums += those of some rows of x.
  virtual void add_sums(ConstTensorView x, std::span<double> sums) const = 0;
  /// statistics from the sums over all rows.
  virtual void find_statistics(std::size_t rows, std::span<const double> sums,
                               std::span<float> statistics) const = 0;
  /// y from x, of some rows.
  virtual void forward_rows(std::span<const float> theta, std::span<const float> statistics,
                            ConstTensorView x, TensorView<float> y) const = 0;

  /// sums += those of some rows of the backward pass.
  virtual void add_backward_sums(std::span<const float> statistics, ConstTensorView x,
                                 ConstTensorView dy, std::span<double> sums) const = 0;
  virtual void find_slopes(std::span<const float> theta, std::size_t rows,
                           std::span<const float> statistics, std::span<const double> sums,
                           std::span<float> slopes) const = 0;
  /// dx from dy, of some rows; dx may be the memory of dy.
  virtual void backward_rows(std::span<const float> slopes, ConstTensorView x, ConstTensorView dy,
                             TensorView<float> dx) const = 0;
  /// d_theta, overwritten, from the sums over all rows of the backward pass.
  virtual void sums_gradient(std::span<const float> statistics, std::span<const double> sums,
                             std::span<float> d_theta) const = 0;

  /// Moves what prediction uses instead of the batch's statistics towards them.
  virtual void move_running(std::size_t rows, std::span<const float> statistics,
                            std::span<float> theta) const = 0;
};

/// What a layer computes for inputs of one shape, how gradients pass back through it, and how
/// changes pass forward through it (docs/principles.md, P7). Immutable; every function is pure in
/// its spans. x, y, dx and dy are matrices (rows, values of one sample); theta and d_theta are this
/// layer's part of the parameter vector, its tensors in the order of parameters().
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

  /// d_theta, overwritten, from the whole batch by either way, on the calling thread.
  void gradient(ConstTensorView x, ConstTensorView dy, std::span<float> d_theta) const;

  /// Not null: forward is what the layer does in prediction, and in training it follows this rule.
  /// The other functions are about training, and their rows are the whole batch.
  virtual const BatchRule* over_batch() const { return nullptr; }

  /// Takes the memory that the functions above keep for the calling thread, if any, so that none of
  /// them allocates on it from now on (docs/principles.md, P2).
  virtual void reserve() const {}

  // ---- What joins layers besides passing values on, for layers that do nothing else: whoever runs
  // the network does it, and their forward, backward and change() are the identity.

  /// n > 0: what enters the layer n layers before this one is added to y, and its gradient gets dy.
  virtual std::size_t adds_input_back() const { return 0; }
  /// p > 0: in training, values of y are zero with probability p, and otherwise divided by 1 - p.
  virtual float drop_rate() const { return 0; }

  /// Floating point operations of forward for one row, for cutting batches into tasks.
  virtual std::size_t operations_per_row() const { return output().size(); }

  // ---- Changes. x (rows, inputs) and y (rows, outputs) are the base point; a matrix of changes
  // holds one or more changes of all of it: (changes · rows, ...).

  /// True if change() and parameter_change() are exact to rounding. Otherwise, as here, they
  /// evaluate forward again and subtract, and need a step that float32 can resolve.
  virtual bool has_change_rule() const { return false; }
  /// True if every value of y depends on the same value of x alone, by one function for all:
  /// change() and crossings() may then be given any of the columns.
  virtual bool elementwise() const { return false; }
  /// dy = forward(x + dx) - y; dx and dy may be the same memory.
  virtual void change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                      ConstTensorView dx, TensorView<float> dy) const;
  /// change() of one sample (rows is 1) of which only some single values change: row i of dy is for
  /// amounts[i] added to value units[i] of x.
  virtual void unit_change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                           std::span<const std::uint32_t> units, std::span<const float> amounts,
                           TensorView<float> dy) const;
  /// dy (rows, outputs), the change of y when theta[parameter] changes by `step`. Returns the step
  /// as realised.
  virtual float parameter_change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                                 std::size_t parameter, float step, TensorView<float> dy) const;
  /// True if forward decides by comparing, so that its derivative jumps: relu.
  virtual bool has_branches() const { return false; }
  /// crossed |= 1 where the value of x takes another branch after the change dx.
  virtual void crossings(ConstTensorView x, ConstTensorView dx,
                         TensorView<std::uint8_t> crossed) const;

  // ---- Rounding, which a check allows for.

  /// magnitude_x: how large the terms are that backward adds up for dx, where those of dy are as
  /// large as magnitude_y: its rounding error is a few units in the last place of that. As here,
  /// backward with all signs taken away; `absolute_theta` is |theta|.
  virtual void magnitude(std::span<const float> absolute_theta, ConstTensorView x,
                         ConstTensorView y, ConstTensorView magnitude_y,
                         TensorView<float> magnitude_x) const;
  /// The same for d_theta. As here, its terms are products of |x| and magnitude_y.
  virtual void parameter_magnitude(ConstTensorView x, ConstTensorView magnitude_y,
                                   std::span<float> magnitude_theta) const;
  /// How many terms are added up, one after another in float32, for a value of dx, and of each row
  /// for an entry of d_theta.
  virtual std::size_t terms_per_value() const { return 1; }
  virtual std::size_t terms_per_row() const { return 1; }
};

/// The operations of a network, checked against each other's shapes. Throws ShapeError that names
/// the layer (the first is 1), what it expected and what it received.
std::vector<std::unique_ptr<const Operation>> make_operations(const Network& network);

/// What dropout of the layer at `index` draws from in one step.
RandomKey dropout_key(const StepKey& key, std::size_t index);

/// "layer 2 (sigmoid)" for index 1.
std::string layer_label(const Network& network, std::size_t index);

}  // namespace gradatim
