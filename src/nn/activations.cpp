#include <fmt/format.h>

#include <cmath>
#include <string>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

using Forward = void (*)(std::span<const float> x, std::span<float> y);
using Backward = void (*)(std::span<const float> y, std::span<const float> dy, std::span<float> dx);

/// A function of each value alone whose derivative is known from its result.
class ElementwiseOperation final : public Operation {
 public:
  ElementwiseOperation(const Shape& shape, Forward function, Backward derivative)
      : shape_(shape), forward_(function), backward_(derivative) {}

  Shape output() const override { return shape_; }
  bool in_place() const override { return true; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    forward_(x.values(), y.values());
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView y, ConstTensorView dy,
                TensorView<float> dx) const override {
    backward_(y.values(), dy.values(), dx.values());
  }

 private:
  Shape shape_;
  Forward forward_;
  Backward backward_;
};

// The same where the derivative needs x.
class InputElementwiseOperation final : public Operation {
 public:
  InputElementwiseOperation(const Shape& shape, Forward function, Backward derivative)
      : shape_(shape), forward_(function), backward_(derivative) {}

  Shape output() const override { return shape_; }
  bool backward_reads_output() const override { return false; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    forward_(x.values(), y.values());
  }
  void backward(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    backward_(x.values(), dy.values(), dx.values());
  }

 private:
  Shape shape_;
  Forward forward_;
  Backward backward_;
};

class LeakyReluOperation final : public Operation {
 public:
  LeakyReluOperation(const Shape& shape, float slope) : shape_(shape), slope_(slope) {}

  Shape output() const override { return shape_; }
  bool in_place() const override { return true; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::leaky_relu(x.values(), y.values(), slope_);
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView y, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::leaky_relu_backward(y.values(), dy.values(), dx.values(), slope_);
  }

 private:
  Shape shape_;
  float slope_;
};

class SoftmaxOperation final : public Operation {
 public:
  explicit SoftmaxOperation(const Shape& shape) : shape_(shape) {}

  Shape output() const override { return shape_; }
  bool in_place() const override { return true; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::softmax(x, y);
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView y, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::softmax_backward(y, dy, dx);
  }

 private:
  Shape shape_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const Sigmoid&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(input, kernels::sigmoid, kernels::sigmoid_backward);
}

std::unique_ptr<const Operation> make_operation(const Relu&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(input, kernels::relu, kernels::relu_backward);
}

std::unique_ptr<const Operation> make_operation(const Tanh&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(input, kernels::tanh, kernels::tanh_backward);
}

std::unique_ptr<const Operation> make_operation(const Softmax&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<SoftmaxOperation>(input);
}

std::unique_ptr<const Operation> make_operation(const LeakyRelu& layer, const Shape& input,
                                                const std::string& label) {
  if (!(layer.slope >= 0) || !std::isfinite(layer.slope))
    throw InvalidArgument(
        fmt::format("{}: slope must be finite and not negative, got {}", label, layer.slope));
  return std::make_unique<LeakyReluOperation>(input, layer.slope);
}

std::unique_ptr<const Operation> make_operation(const Gelu&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<InputElementwiseOperation>(input, kernels::gelu, kernels::gelu_backward);
}

std::unique_ptr<const Operation> make_operation(const Silu&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<InputElementwiseOperation>(input, kernels::silu, kernels::silu_backward);
}

std::unique_ptr<const Operation> make_operation(const Softplus&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(input, kernels::softplus,
                                                kernels::softplus_backward);
}

}  // namespace gradatim
