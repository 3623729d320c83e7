#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

/// Which finite difference of the loss L stands for its derivative:
///   forward     (L(h) - L(0)) / h, off by O(h)
///   central     (L(h) - L(-h)) / 2h, off by O(h²): the chapter's
///   richardson  (4 central(h/2) - central(h)) / 3, off by O(h⁴)
enum class Difference { forward, central, richardson };

std::string_view to_string(Difference method);

struct NumericalOptions {
  Loss loss = SoftmaxCrossEntropy{};
  Difference method = Difference::central;
  float step = 1e-4F;
  bool inputs = false;      // the gradient by the inputs too
  std::size_t threads = 0;  // 0: one a core
};

struct NumericalGradient {
  double loss = 0;               // mean over the batch, at theta
  AlignedVector<float> d_theta;  // as the network's parameter_layout
  Tensor d_inputs;               // (rows, inputs), if asked for
  /// Layers without a change rule, which were evaluated again: "layer 2 (custom)". What lies
  /// before and in them is only as exact as float32 resolves the step.
  std::vector<std::string> evaluated_again;
};

/// The finite difference of the mean loss over the batch, for every parameter of the network.
///
/// Not by evaluating the loss twice a parameter: the batch is evaluated once, and for each
/// parameter only the change that it makes is computed, by rules that subtract no two nearly equal
/// numbers (docs/principles.md, P7; docs/derivations/differences.md). So each entry is the
/// difference quotient of the formula for any step, large or tiny, to rounding: relative error
/// about 1e-7 of the gradient's norm. The step is h itself, not (theta + h) - theta, for the sum is
/// never formed.
///
/// Throws ShapeError or InvalidArgument if theta or batch do not fit the network, or if the step is
/// not finite and positive. Bit-for-bit the same for any number of threads.
NumericalGradient numerical_gradient(const Network& network, std::span<const float> theta,
                                     const Batch& batch, const NumericalOptions& options = {});

/// The same for many batches of up to max_rows samples, with memory that is taken once.
class NumericalProgram {
 public:
  NumericalProgram(const Network& network, const NumericalOptions& options, std::size_t max_rows);
  ~NumericalProgram();
  NumericalProgram(NumericalProgram&&) noexcept;
  NumericalProgram& operator=(NumericalProgram&&) noexcept;

  /// The mean loss at theta; its gradient is written to d_theta. The pool's threads share the work
  /// (options.threads is for numerical_gradient alone).
  double gradient(std::span<const float> theta, const Batch& batch, std::span<float> d_theta,
                  TaskPool& pool);
  /// The gradient by the inputs (rows, inputs) of the batch that gradient() was called for last.
  void input_gradient(TensorView<float> d_inputs, TaskPool& pool);
  const std::vector<std::string>& evaluated_again() const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace gradatim
