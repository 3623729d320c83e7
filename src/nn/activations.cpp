#include <cmath>
#include <numeric>
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
  float (*slope_magnitude)(float y) = nullptr;                    // of backward, if not its slope
};

// Backward forms s (1 - s) and 1 - t² from rounded s and t: near 1 their error is that of 1, not
// their own.
float sigmoid_slope_magnitude(float s) { return s * ((1 - s) + std::abs(1 - 2 * s)); }
float tanh_slope_magnitude(float t) { return 1 + t * t; }

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
  void magnitude(std::span<const float> absolute_theta, ConstTensorView x, ConstTensorView y,
                 ConstTensorView magnitude_y, TensorView<float> magnitude_x) const override {
    if (function_.slope_magnitude == nullptr)
      return Operation::magnitude(absolute_theta, x, y, magnitude_y, magnitude_x);
    for (std::size_t i = 0; i < y.size(); ++i)
      magnitude_x.values()[i] = magnitude_y.values()[i] * function_.slope_magnitude(y.values()[i]);
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
  void magnitude(std::span<const float>, ConstTensorView, ConstTensorView y,
                 ConstTensorView magnitude_y, TensorView<float> magnitude_x) const override {
    for (std::size_t n = 0; n < y.rows(); ++n) {
      const auto p = y.row(n);
      const auto v = magnitude_y.row(n);
      const float mean = std::inner_product(p.begin(), p.end(), v.begin(), 0.0F);
      for (std::size_t k = 0; k < p.size(); ++k) magnitude_x(n, k) = p[k] * (v[k] + mean);
    }
  }

 private:
  Shape shape_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const Sigmoid&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ElementwiseOperation>(
      input, Function{kernels::sigmoid, kernels::sigmoid_backward, kernels::sigmoid_change, nullptr,
                      sigmoid_slope_magnitude});
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
      input, Function{kernels::tanh, kernels::tanh_backward, kernels::tanh_change, nullptr,
                      tanh_slope_magnitude});
}

std::unique_ptr<const Operation> make_operation(const Softmax&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<SoftmaxOperation>(input);
}

}  // namespace gradatim
