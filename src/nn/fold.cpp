#include "gradatim/nn/fold.hpp"

#include <fmt/format.h>

#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "nn/joints.hpp"

namespace gradatim {
namespace {

// Of one layer's part of theta.
struct LayerPart {
  std::size_t offset = 0;
  std::size_t size = 0;
};

std::vector<LayerPart> layer_parts(const Network& network) {
  std::vector<LayerPart> parts;
  std::size_t offset = 0;
  for (const auto& operation : make_operations(network)) {
    LayerPart part{.offset = offset};
    for (const ParameterSpec& spec : operation->parameters()) part.size += spec.shape.size();
    offset += part.size;
    parts.push_back(part);
  }
  return parts;
}

bool is_folded(const Network& network, const Joints& joints, std::size_t layer) {
  return layer > 0 && std::holds_alternative<BatchNorm>(network.layers[layer]) &&
         (std::holds_alternative<Dense>(network.layers[layer - 1]) ||
          std::holds_alternative<Conv2d>(network.layers[layer - 1])) &&
         !joints.is_read_later(layer);
}

// theta of the layer before: weights, whose unit is the last axis of Dense's and the first of
// Conv2d's, and biases.
void fold(const BatchNorm& norm, std::span<const float> theta, bool units_last,
          std::span<float> before) {
  const std::size_t units = theta.size() / 4;
  const std::size_t weights = before.size() - units;
  for (std::size_t k = 0; k < units; ++k) {
    const double variance = theta[3 * units + k];
    const double factor =
        static_cast<double>(theta[k]) / std::sqrt(variance + static_cast<double>(norm.epsilon));
    for (std::size_t i = 0; i < weights / units; ++i) {
      float& weight = before[units_last ? i * units + k : k * (weights / units) + i];
      weight = static_cast<float>(factor * static_cast<double>(weight));
    }
    float& bias = before[weights + k];
    const double centred = static_cast<double>(bias) - static_cast<double>(theta[2 * units + k]);
    bias = static_cast<float>(static_cast<double>(theta[units + k]) + factor * centred);
  }
}

}  // namespace

FoldedNetwork fold_batch_norm(const Network& network, std::span<const float> theta) {
  const auto operations = make_operations(network);
  const Joints joints(operations);
  const auto parts = layer_parts(network);
  if (theta.size() != parts.back().offset + parts.back().size)
    throw ShapeError(fmt::format("fold_batch_norm: the network has {} parameters, got {}",
                                 parts.back().offset + parts.back().size, theta.size()));
  FoldedNetwork folded{{network.input, {}}, {}};
  std::vector<std::size_t> kept_before;  // of each layer's index, in the folded network
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    kept_before.push_back(folded.network.layers.size());
    const auto part = theta.subspan(parts[i].offset, parts[i].size);
    if (is_folded(network, joints, i)) {
      const bool dense = std::holds_alternative<Dense>(network.layers[i - 1]);
      fold(std::get<BatchNorm>(network.layers[i]), part, dense,
           std::span(folded.theta).last(parts[i - 1].size));
      continue;
    }
    folded.network.layers.push_back(network.layers[i]);
    if (auto* residual = std::get_if<Residual>(&folded.network.layers.back()))
      residual->over = kept_before[i] - kept_before[i - residual->over];
    folded.theta.insert(folded.theta.end(), part.begin(), part.end());
  }
  return folded;
}

}  // namespace gradatim
