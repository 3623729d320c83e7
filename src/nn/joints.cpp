#include "nn/joints.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

constexpr std::uint32_t kDropoutStream = 0x64720000;  // "dr", and the layer

}  // namespace

RandomKey dropout_key(const StepKey& key, std::size_t layer) {
  return {.seed = key.seed,
          .stream = kDropoutStream + static_cast<std::uint32_t>(layer),
          .step = key.step};
}

Joints::Joints(std::span<const std::unique_ptr<const Operation>> operations)
    : readers_(operations.size() + 1) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const std::size_t back = operations[i]->adds_input_back();
    added_.push_back(back != 0 ? std::optional(i - back) : std::nullopt);
    if (back != 0) readers_[i - back].push_back(i);
    rates_.push_back(operations[i]->drop_rate());
  }
}

void Joints::drop(std::size_t layer, const StepKey& key, std::size_t first_row,
                  TensorView<float> x) const {
  kernels::dropout(kernels::DropoutPlan(rates_[layer]), dropout_key(key, layer),
                   key.first_row + first_row, x);
}

void Joints::check_key(const Network& network, const std::optional<StepKey>& key) const {
  if (key) return;
  for (std::size_t i = 0; i < rates_.size(); ++i)
    if (drops(i))
      throw InvalidArgument(fmt::format(
          "batch: {} draws at random in training: expected a key of seed and step, got none",
          layer_label(network, i)));
}

}  // namespace gradatim
