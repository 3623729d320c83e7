#pragma once

#include <span>

#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/network.hpp"

/// How the loss of one sample changes when the outputs of the network change. `point` (n) is what
/// the change is computed from: the probabilities for softmax cross-entropy, otherwise the outputs.
/// t (n) are the targets, one-hot for labels.
namespace gradatim {

/// point (rows, n) from outputs (rows, n).
void loss_point(const Loss& loss, ConstTensorView outputs, TensorView<float> point);

/// change (m) for d_outputs (m, n).
void loss_change(const Loss& loss, std::span<const float> point, std::span<const float> t,
                 ConstTensorView d_outputs, std::span<float> change);

/// Whether the two functions below know the loss: changes along lines, as kernels::line_rows says.
bool has_lines(const Loss& loss);
/// lines (kernels::line_rows(n), count) from slopes (n, count).
void loss_lines(const Loss& loss, std::span<const float> point, std::span<const float> t,
                ConstTensorView slopes, TensorView<float> lines);
/// change (m, count) for amounts a (m, count), which may be the same memory.
void loss_along(const Loss& loss, std::span<const float> point, ConstTensorView lines,
                ConstTensorView a, TensorView<float> change);

/// magnitude (n): how large the terms are of which the gradient of the loss by the outputs is made.
void loss_magnitude(const Loss& loss, std::span<const float> point, std::span<const float> t,
                    std::span<float> magnitude);

}  // namespace gradatim
