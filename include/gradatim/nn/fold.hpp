#pragma once

#include <span>

#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

/// A network for prediction, and its parameters.
struct FoldedNetwork {
  Network network;
  AlignedVector<float> theta;
};

/// The same predictions, to rounding, without the batch normalisations that stand directly behind a
/// Dense or Conv2d layer: with the running statistics, a = weight / sqrt(variance + epsilon) is a
/// factor of that layer's weights of a unit or filter, and bias + (b - mean) a its new bias b.
/// Others stay, as does one between which and its layer a residual reads. Throws ShapeError if
/// theta is not the network's.
FoldedNetwork fold_batch_norm(const Network& network, std::span<const float> theta);

}  // namespace gradatim
