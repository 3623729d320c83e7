#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

/// How a training gets its gradient; all see the same curve, to rounding:
///   backprop   Program
///   numerical  NumericalProgram, the chapter's central difference of step 1e-4
///   dual       forward mode on the formulae in double: a pass for every 8 parameters, for small
///              networks
///   tape       reverse mode on the formulae in double
enum class GradientMethod { backprop, numerical, dual, tape };

std::string_view to_string(GradientMethod method);

/// What a training loop asks for a gradient.
class GradientProgram {
 public:
  virtual ~GradientProgram() = default;
  /// The mean loss over the batch at theta; its gradient is written to d_theta. Bit-for-bit the
  /// same for any pool.
  virtual double gradient(std::span<const float> theta, const Batch& batch,
                          std::span<float> d_theta, TaskPool& pool) = 0;
};

/// For batches of up to max_rows samples. Throws as Program does; InvalidArgument for dual and tape
/// where a layer has no formula.
std::unique_ptr<GradientProgram> make_gradient_program(GradientMethod method,
                                                       const Network& network, const Loss& loss,
                                                       std::size_t max_rows);

}  // namespace gradatim
