#pragma once

#include <span>

#include "core/kernels/convolution_passes.hpp"

namespace gradatim::kernels {

/// Whether a sum of the windows of the values that a pool passed on, a quarter of all at most,
/// takes less time than the dense product: where a line of a window fills vectors.
bool sparse_gradient_pays(const GroupShape& shape);

/// Convolution::add_gradient_pooled by such sums.
void add_sparse_gradient(const GroupShape& shape, ConstTensorView x,
                         const Convolution::PooledGradient& gradient, std::span<float> dw,
                         std::span<float> db);

}  // namespace gradatim::kernels
