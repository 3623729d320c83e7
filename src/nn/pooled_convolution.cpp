#include "nn/pooled_convolution.hpp"

#include <fmt/format.h>

#include <numeric>

#include "gradatim/core/error.hpp"
#include "nn/images.hpp"
#include "nn/joints.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

template <class Kind>
const Kind* layer_at(const Network& network, std::size_t index) {
  return index < network.layers.size() ? std::get_if<Kind>(&network.layers[index]) : nullptr;
}

// How many layers from `first` on are one PooledConvolution, at least 2, or 0.
std::size_t fused_layers(const Network& network, const Joints& joints, std::size_t first,
                         const Shape& convolved) {
  const auto* convolution = layer_at<Conv2d>(network, first);
  const auto* pool = layer_at<MaxPool2d>(network, first + 1);
  if (convolution == nullptr || pool == nullptr || *pool != MaxPool2d{} ||
      convolution->groups != 1 || convolved[1] % 2 != 0 || convolved[2] % 2 != 0 ||
      joints.is_read_later(first + 1))
    return 0;
  const bool relu = layer_at<Relu>(network, first + 2) != nullptr;
  return relu && !joints.is_read_later(first + 2) ? 3 : 2;
}

template <class Floats>
Floats weight(Floats theta, const kernels::Convolution& convolution) {
  return theta.first(convolution.weights());
}
template <class Floats>
Floats bias(Floats theta, const kernels::Convolution& convolution) {
  return theta.subspan(convolution.weights());
}

}  // namespace

PooledConvolution::PooledConvolution(const Conv2d& layer, std::unique_ptr<const Operation> plain,
                                     const Shape& input, bool relu)
    : plain_(std::move(plain)),
      convolution_(image_shape(input, "convolution"), {layer.kernel, layer.stride, layer.padding},
                   layer.filters, layer.groups),
      relu_(relu) {}

Shape PooledConvolution::output() const {
  const kernels::ImageShape y = convolution_.pooled_output();
  return {y.channels, y.height, y.width};
}

void PooledConvolution::forward(std::span<const float> theta, ConstTensorView x,
                                TensorView<float> y) const {
  forward_keeping(theta, x, y, {});
}

void PooledConvolution::backward(std::span<const float>, ConstTensorView, ConstTensorView,
                                 ConstTensorView, TensorView<float>) const {
  throw Error("pooled convolution: nothing was kept to go backward from");
}

void PooledConvolution::forward_keeping(std::span<const float> theta, ConstTensorView x,
                                        TensorView<float> y,
                                        TensorView<std::uint8_t> places) const {
  convolution_.forward_pooled(weight(theta, convolution_), bias(theta, convolution_), relu_, x, y,
                              places);
}

kernels::Convolution::PooledGradient PooledConvolution::passed_back(
    ConstTensorView y, ConstTensorView dy, TensorView<const std::uint8_t> places) const {
  return {.relu = relu_, .y = y, .dy = dy, .places = places};
}

void PooledConvolution::backward_from(std::span<const float> theta,
                                      const kernels::Convolution::PooledGradient& gradient,
                                      TensorView<float> dx) const {
  convolution_.backward_pooled(weight(theta, convolution_), gradient, dx);
}

void PooledConvolution::add_gradient_from(ConstTensorView x,
                                          const kernels::Convolution::PooledGradient& gradient,
                                          std::span<float> d_theta) const {
  convolution_.add_gradient_pooled(x, gradient, weight(d_theta, convolution_),
                                   bias(d_theta, convolution_));
}

std::string ReorderedNetwork::label(std::size_t layer) const {
  return fmt::format("layer {} ({})", places[layer] + 1, kind(network.layers[layer]));
}

ReorderedNetwork pooled_before_relu(const Network& given) {
  const auto operations = make_operations(given);
  const Joints joints(operations);
  ReorderedNetwork reordered{.network = given, .places = {}};
  Network& network = reordered.network;
  reordered.places.resize(network.layers.size());
  std::iota(reordered.places.begin(), reordered.places.end(), std::size_t{0});
  for (std::size_t i = 0; i + 1 < network.layers.size(); ++i)
    if (layer_at<Relu>(network, i) != nullptr && layer_at<MaxPool2d>(network, i + 1) != nullptr &&
        !joints.is_read_later(i + 1)) {
      std::swap(network.layers[i], network.layers[i + 1]);
      std::swap(reordered.places[i], reordered.places[i + 1]);
    }
  return reordered;
}

std::vector<std::unique_ptr<const Operation>> make_fused_operations(const Network& network) {
  auto operations = make_operations(network);
  const Joints joints(operations);
  Shape input = network.input;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Shape output = operations[i]->output();
    if (const std::size_t fused = fused_layers(network, joints, i, output); fused != 0) {
      auto pooled = std::make_unique<PooledConvolution>(
          std::get<Conv2d>(network.layers[i]), std::move(operations[i]), input, fused == 3);
      for (std::size_t k = 1; k < fused; ++k)
        operations[i + k] = make_operation(Flatten{}, pooled->output(), {});
      input = pooled->output();
      operations[i] = std::move(pooled);
      i += fused - 1;
    } else {
      input = output;
    }
  }
  return operations;
}

}  // namespace gradatim
