#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/train/model_file.hpp"

namespace gradatim::app {

/// What a model answers to each row, (rows, outputs): classes as probabilities, since the softmax
/// that training fuses with the loss is put back; other outputs as they are. Batch normalisations
/// are folded, as in evaluation. Throws DataError that names the `run` if an answer is not finite.
Tensor answers(const std::string& run, const Model& model,
               const std::variant<ConstTensorView, ByteInputs>& inputs);

/// Throws DataError: the run's answers to `command` are not finite.
[[noreturn]] void throw_diverged(std::string_view command, const std::string& run);

}  // namespace gradatim::app
