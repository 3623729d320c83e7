#pragma once

#include "gradatim/core/amx.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/operation.hpp"

namespace gradatim {

/// y (rows, units) = x (rows, inputs) W + b, with theta = W (inputs, units), b (units).
class DenseOperation final : public Operation {
 public:
  DenseOperation(const Dense& layer, std::size_t inputs) : layer_(layer), inputs_(inputs) {}

  Shape output() const override { return {layer_.units}; }
  std::vector<ParameterSpec> parameters() const override;
  bool backward_reads_output() const override { return false; }
  void forward(std::span<const float> theta, ConstTensorView x, TensorView<float> y) const override;
  void backward(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                ConstTensorView dy, TensorView<float> dx) const override;
  std::size_t gradient_tasks(std::size_t rows) const override;
  void parameter_gradient(std::size_t task, ConstTensorView x, ConstTensorView dy,
                          std::span<float> d_theta) const override;
  std::size_t terms_per_value() const override { return layer_.units; }
  std::size_t operations_per_row() const override { return 2 * inputs_ * layer_.units; }

  bool has_change_rule() const override { return true; }
  void change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
              ConstTensorView dx, TensorView<float> dy) const override;
  void unit_change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                   std::span<const std::uint32_t> units, std::span<const float> amounts,
                   TensorView<float> dy) const override;
  float parameter_change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                         std::size_t parameter, float step, TensorView<float> dy) const override;
  ConstTensorView weight(std::span<const float> theta) const;

  // ---- The same from bytes, with W and dy packed as kernels::byte_affine wants them.

  std::size_t inputs() const { return inputs_; }
  std::size_t units() const { return layer_.units; }
  /// So few units that every batch of data with kernels::kZerosThatPay is quicker as bytes. Where
  /// that is known of the data, as of what MiniBatches hands over, no batch need be counted.
  bool is_narrow() const;
  /// The share of zeros from which bytes are quicker than floats.
  double zeros_that_pay() const;
  /// Whether these bytes, any there may be, have the zeros that it takes to be quicker than floats.
  bool skipping_zeros_pays(TensorView<const std::uint8_t> bytes) const;
  /// Whether there are inputs enough for both parts of kernels::byte_products.
  bool has_parts() const { return inputs_ >= kernels::kLeastPartedInputs; }
  Shape packed_weight() const;
  Shape packed_gradient(std::size_t rows) const;
  void pack_weight(std::span<const float> theta, TensorView<float> packed) const;
  // The part of it whose gradient `task` of parameter_gradient makes for `rows` samples.
  void pack_weight(std::size_t task, std::size_t rows, std::span<const float> theta,
                   TensorView<float> packed) const;
  void forward_bytes(std::span<const float> theta, TensorView<const std::uint8_t> bytes,
                     float scale, ConstTensorView packed_weight, TensorView<float> y) const;
  // The same bits from what each part of the inputs adds up to (kernels::byte_products).
  void forward_products(std::span<const float> theta, float scale, ConstTensorView first,
                        ConstTensorView second, TensorView<float> y) const;
  void parameter_gradient_bytes(std::size_t task, TensorView<const std::uint8_t> bytes, float scale,
                                ConstTensorView dy, ConstTensorView packed_dy,
                                std::span<float> d_theta) const;
  void parameter_gradient_bytes(std::size_t task, TensorView<const std::uint8_t> bytes, float scale,
                                ConstTensorView dy, const kernels::amx::Packed& packed_dy,
                                std::span<float> d_theta) const;

 private:
  struct InputRange {
    std::size_t first, count;
  };
  /// Whether so many values are zero, as behind relu, that products which skip them are quicker.
  /// They have the same finite values, so that no bit hangs on it.
  bool has_zeros_to_skip(const kernels::MatrixView& x) const;
  /// The inputs whose weight rows a task computes; task 0 adds the bias.
  InputRange input_range(std::size_t task, std::size_t rows) const;
  std::span<const float> bias(std::span<const float> theta) const;
  TensorView<float> weight_rows(std::span<float> d_theta, const InputRange& range) const;
  std::span<float> bias(std::span<float> d_theta) const;

  Dense layer_;
  std::size_t inputs_;
};

}  // namespace gradatim
