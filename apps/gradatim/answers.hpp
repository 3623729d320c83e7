#pragma once

#include <variant>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/train/model_file.hpp"

namespace gradatim::app {

/// What a model answers to each row, (rows, outputs): classes as probabilities, since the softmax
/// that training fuses with the loss is put back; other outputs as they are. Batch normalisations
/// are folded, as in evaluation.
Tensor answers(const Model& model, const std::variant<ConstTensorView, ByteInputs>& inputs);

}  // namespace gradatim::app
