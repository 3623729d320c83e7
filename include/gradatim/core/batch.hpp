#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "gradatim/core/tensor.hpp"

namespace gradatim {

/// Inputs kept as the bytes they are stored in: the value of a byte is scale · byte.
struct ByteInputs {
  TensorView<const std::uint8_t> bytes{};  // (rows, input...)
  float scale = 1.0F / 255;
};

/// What a loss compares outputs with: class labels, which stand for one-hot rows, or values shaped
/// like the outputs. Exactly one of the two is set; weights may be beside it.
struct Targets {
  std::span<const std::int32_t> labels{};  // (rows), each in [0, classes)
  ConstTensorView values{};                // (rows, outputs...)
  std::span<const float> weights{};        // (rows), of the loss of each; none: all 1
};

/// What the randomness of a training step is a function of (docs/principles.md, P5): the same key,
/// the same numbers.
struct StepKey {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  /// Of the batch, among the rows of the step: not 0 where a step takes several batches.
  std::size_t first_row = 0;
  friend bool operator==(const StepKey&, const StepKey&) = default;
};

/// Some samples that somebody else owns: inputs as floats or as bytes, and their targets.
struct Batch {
  std::variant<ConstTensorView, ByteInputs> inputs{};
  Targets targets{};
  std::optional<StepKey> key{};  // wanted by layers that draw at random: Dropout

  std::size_t rows() const {
    const auto* floats = std::get_if<ConstTensorView>(&inputs);
    return floats != nullptr ? floats->shape()[0] : std::get<ByteInputs>(inputs).bytes.shape()[0];
  }
};

}  // namespace gradatim
