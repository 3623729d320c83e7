#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/parameters.hpp"

namespace gradatim {

/// A layer in a program's plan.
struct PlannedLayer {
  std::string name;  // "layer 2 (relu)"
  Shape output;      // of one sample
  std::size_t parameters = 0;
  std::size_t operations = 0;      // floating point, of a forward pass of one sample
  std::size_t buffer = 0;          // where the output lies: layers of equal number share memory
  std::size_t buffer_bytes = 0;    // of that, for the largest batch
  std::size_t gradient_bytes = 0;  // of the gradient by it, all tasks together
  bool shared_gradient = false;    // that memory serves other layers' too, at other times
};

/// A network with its loss, planned for batches of up to `max_rows` samples: all memory is taken
/// here, none in a step. One Program serves one thread at a time; it shares its work out itself.
/// Whatever takes theta or a batch throws ShapeError if their sizes are not the network's or the
/// batch has more than max_rows rows, InvalidArgument for labels that are no class and for bytes
/// where accepts_bytes() is false.
class Program {
 public:
  /// Throws ShapeError as parameter_layout, InvalidArgument if max_rows is 0, for options of the
  /// loss out of their ranges and for a loss that cannot be of the network's outputs.
  Program(const Network& network, const Loss& loss, std::size_t max_rows);
  ~Program();
  Program(Program&&) noexcept;
  Program& operator=(Program&&) noexcept;

  const ParameterLayout& layout() const;
  /// True if inputs may be given as bytes: the first layer is Dense. It skips the zeros among them
  /// (kernels::byte_affine), multiplies them by the matrix unit (core/amx.hpp) or, of more than 64
  /// units, makes floats of them, whichever is quicker for a batch. Fewer units skip zeros without
  /// the unit whatever there are of them.
  bool accepts_bytes() const;
  /// The share of zeros from which data are better given as bytes than as floats: 0 where this
  /// process has the matrix unit and layer and batch its size, kNeverBytes where bytes are not
  /// accepted.
  double zeros_that_pay() const;
  static constexpr double kNeverBytes = 2;
  /// How many tasks the rows of a batch are cut into at most, since wide dense layers take more
  /// rows at a time: a function of the network and of max_rows.
  std::size_t row_tasks() const;

  /// The mean loss over the batch at theta, and its gradient, written (not added) to d_theta.
  /// theta and d_theta have layout().size floats. Bit-for-bit the same for any pool. `aside` runs
  /// beside the last tasks; it must touch nothing of this call.
  double gradient(std::span<const float> theta, const Batch& batch, std::span<float> d_theta,
                  TaskPool& pool, const Aside& aside = {});
  /// Moves the running statistics in theta (BatchNorm) towards those of the batch that gradient()
  /// or loss() was called for last. A training loop calls it once a batch; without such layers it
  /// does nothing.
  void update_statistics(std::span<float> theta) const;
  bool has_statistics() const;
  /// The mean loss alone: of the training function, as gradient().
  double loss(std::span<const float> theta, const Batch& batch, TaskPool& pool);

  /// Where NaN or infinity first appears in a forward pass over the batch: "layer 2 (sigmoid)",
  /// "the inputs", or a parameter such as "dense1.weight". Nothing if all is finite.
  std::optional<std::string> first_non_finite(std::span<const float> theta, const Batch& batch);

  /// Bytes planned for activations, gradients and what else a step needs besides theta: all that
  /// gradient() and loss() ever use, but for what kernels keep for each thread that runs them.
  std::size_t workspace_bytes() const;
  /// Bytes that kernels keep for each thread.
  std::size_t thread_bytes() const;
  /// The plan, a line a layer.
  std::vector<PlannedLayer> planned_layers() const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// A network for prediction only. Immutable: predict may be called from many threads at once, and
/// a thread that has predicted as many rows before allocates nothing.
class Predictor {
 public:
  explicit Predictor(const Network& network);
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  /// outputs (rows, outputs...) from inputs (rows, inputs...).
  /// Throws ShapeError if the sizes do not fit the network.
  void predict(std::span<const float> theta, ConstTensorView inputs,
               TensorView<float> outputs) const;
  /// The same from bytes; where the first layer is Dense, zeros among them cost nothing.
  void predict(std::span<const float> theta, const ByteInputs& inputs,
               TensorView<float> outputs) const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// The outputs of a network for some inputs, in a tensor of its own.
Tensor predict(const Network& network, std::span<const float> theta, ConstTensorView inputs);

}  // namespace gradatim
