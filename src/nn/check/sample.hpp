#pragma once

#include <span>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/nn/check.hpp"

namespace gradatim {

struct SampledParameter {
  std::size_t parameter;
  double backprop;
  double numerical;
};

/// Holds both gradients of some parameters against the formulae in double: their derivative by dual
/// numbers, and the central difference with this step, by evaluating the loss twice.
SampleCheck check_in_double(const Network& network, const Loss& loss, std::span<const float> theta,
                            const Batch& batch, std::span<const SampledParameter> sample,
                            double step, TaskPool& pool);

/// For networks with layers that have no formula in double: holds the change rules alone, as the
/// central differences `by_rules` of a step that float32 resolves, against evaluating the loss
/// twice in float32.
SampleCheck check_in_float(const Network& network, const Loss& loss, std::span<const float> theta,
                           const Batch& batch, std::span<const SampledParameter> sample,
                           std::span<const float> by_rules, float step, TaskPool& pool);

}  // namespace gradatim
