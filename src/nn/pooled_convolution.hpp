#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gradatim/core/convolution.hpp"
#include "gradatim/nn/operation.hpp"

namespace gradatim {

/// Conv2d, a MaxPool2d of 2 x 2 and perhaps Relu behind it, as one operation. forward() serves
/// prediction; a program, which goes backward too, keeps the places of the largest values.
class PooledConvolution final : public Operation {
 public:
  PooledConvolution(const Conv2d& layer, std::unique_ptr<const Operation> plain, const Shape& input,
                    bool relu);

  Shape output() const override;
  std::vector<ParameterSpec> parameters() const override { return plain_->parameters(); }
  std::size_t operations_per_row() const override { return plain_->operations_per_row(); }
  bool adds_gradient_by_rows() const override { return true; }
  void reserve() const override { convolution_.reserve_pooled(); }
  void forward(std::span<const float> theta, ConstTensorView x, TensorView<float> y) const override;
  /// Throws Error: see backward_from.
  void backward(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                ConstTensorView dy, TensorView<float> dx) const override;

  /// Bytes a row.
  std::size_t places() const { return convolution_.places(); }
  void forward_keeping(std::span<const float> theta, ConstTensorView x, TensorView<float> y,
                       TensorView<std::uint8_t> places) const;
  /// What the rows (y, dy) pass back, for the places that forward_keeping wrote.
  kernels::Convolution::PooledGradient passed_back(ConstTensorView y, ConstTensorView dy,
                                                   TensorView<const std::uint8_t> places) const;
  void backward_from(std::span<const float> theta,
                     const kernels::Convolution::PooledGradient& gradient,
                     TensorView<float> dx) const;
  void add_gradient_from(ConstTensorView x, const kernels::Convolution::PooledGradient& gradient,
                         std::span<float> d_theta) const;

 private:
  std::unique_ptr<const Operation> plain_;  // without pool and relu
  kernels::Convolution convolution_;
  bool relu_;
};

/// A network whose layers are in another order: layer i was given as layer places[i].
struct ReorderedNetwork {
  Network network;
  std::vector<std::size_t> places;

  /// As layer_label() of the network that was given.
  std::string label(std::size_t layer) const;
};

/// relu and max commute: pooling first leaves relu fewer values, with the same bits both ways.
/// Where a window's largest value is not positive, relu passes no gradient in either order.
ReorderedNetwork pooled_before_relu(const Network& given);

/// The operations of such a network, one a layer. Where a convolution and the layers behind it can
/// be one PooledConvolution, it takes the place of the first; the others then only rename.
std::vector<std::unique_ptr<const Operation>> make_fused_operations(const Network& network);

}  // namespace gradatim
