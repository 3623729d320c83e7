#include <string>

#include "gradatim/core/changes.hpp"
#include "gradatim/core/kernels.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

/// A function of each value alone whose derivative is known from its result.
struct Function {
  void (*forward)(std::span<const float> x, std::span<float> y);
  void (*backward)(std::span<const float> y, std::span<const float> dy, std::span<float> dx);
  void (*change)(std::span<const float> x, ConstTensorView dx, TensorView<float> dy);
  void (*crossings)(std::span<const float> x, ConstTensorView dx,
                    TensorView<std::uint8_t> crossed) = nullptr;  // if it branches
};

class ElementwiseOperation final : public Operation {
 public:
  ElementwiseOperation(const Shape& shape, const Function& function)
      : shape_(shape), function_(function) {}

  Shape output() const override { return shape_; }
  bool in_place() const override { return true; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    function_.forward(x.values(), y.values());
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView y, ConstTensorView dy,
                TensorView<float> dx) const override {
    function_.backward(y.values(), dy.values(), dx.values());
  }

  bool has_change_rule() const override { return true; }
  bool elementwise() const override { return true; }
  void change(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    const Shape changes = {dx.size() / x.size(), x.size()};
    function_.change(x.values(), dx.reshaped(changes), dy.reshaped(changes));
  }
  bool has_branches() const override { return function_.crossings != nullptr; }
  void crossings(ConstTensorView x, ConstTensorView dx,
                 TensorView<std::uint8_t> crossed) const override {
    const Shape changes = {dx.size() / x.size(), x.size()};
    if (has_branches())
      function_.crossings(x.values(), dx.reshaped(changes), crossed.reshaped(changes));
  }

 private:
  Shape shape_;
  Function function_;
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

  bool has_change_rule() const override { return true; }
  void change(std::span<const float>, ConstTensorView, ConstTensorView y, ConstTensorView dx,
              TensorView<float> dy) const override {
    for (std::size_t i = 0; i < dx.rows(); ++i)
      kernels::softmax_change(y.row(i % y.rows()), dx.slice(i, 1), dy.slice(i, 1));
  }

 private:
  Shape shape_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const Sigmoid&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(
      input, Function{kernels::sigmoid, kernels::sigmoid_backward, kernels::sigmoid_change});
}

std::unique_ptr<const Operation> make_operation(const Relu&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(
      input, Function{kernels::relu, kernels::relu_backward, kernels::relu_change,
                      kernels::relu_crossings});
}

std::unique_ptr<const Operation> make_operation(const Tanh&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(
      input, Function{kernels::tanh, kernels::tanh_backward, kernels::tanh_change});
}

std::unique_ptr<const Operation> make_operation(const Softmax&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<SoftmaxOperation>(input);
}

}  // namespace gradatim
