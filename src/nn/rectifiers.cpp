// The smooth and the leaky relatives of relu. Their change rules are the formulae, in double.
#include <fmt/format.h>

#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/reference_changes.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

class RectifierOperation : public Operation {
 public:
  explicit RectifierOperation(const Shape& shape) : shape_(shape) {}

  Shape output() const override { return shape_; }
  bool has_change_rule() const override { return true; }
  bool elementwise() const override { return true; }
  void change(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    for (std::size_t i = 0; i < dx.size(); ++i)
      dy.values()[i] = static_cast<float>(change_of(static_cast<double>(x.values()[i % x.size()]),
                                                    static_cast<double>(dx.values()[i])));
  }

 private:
  virtual double change_of(double x, double dx) const = 0;

  Shape shape_;
};

class LeakyReluOperation final : public RectifierOperation {
 public:
  LeakyReluOperation(const Shape& shape, float slope) : RectifierOperation(shape), slope_(slope) {}

  bool in_place() const override { return true; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::leaky_relu(x.values(), y.values(), slope_);
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView y, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::leaky_relu_backward(y.values(), dy.values(), dx.values(), slope_);
  }
  bool has_branches() const override { return true; }
  void crossings(ConstTensorView x, ConstTensorView dx,
                 TensorView<std::uint8_t> crossed) const override {
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const float v = x.values()[i % x.size()];
      crossed.values()[i] |= static_cast<std::uint8_t>((v > 0.0F) != (dx.values()[i] > -v));
    }
  }

 private:
  double change_of(double x, double dx) const override {
    return reference::leaky_relu_change(x, dx, static_cast<double>(slope_));
  }

  float slope_;
};

class SoftplusOperation final : public RectifierOperation {
 public:
  using RectifierOperation::RectifierOperation;

  bool in_place() const override { return true; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::softplus(x.values(), y.values());
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView y, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::softplus_backward(y.values(), dy.values(), dx.values());
  }

 private:
  double change_of(double x, double dx) const override { return reference::softplus_change(x, dx); }
};

// x times a gate sigmoid(w): backward needs x, and adds up gate and x w' gate (1 - gate).
class GatedOperation : public RectifierOperation {
 public:
  using RectifierOperation::RectifierOperation;

  bool backward_reads_output() const override { return false; }
  // 1 - gate has the rounding error of the gate.
  void magnitude(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView v,
                 TensorView<float> out) const override {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto [w, slope] = gate(x.values()[i]);
      out.values()[i] =
          v.values()[i] * reference::sigmoid(w) * (1 + std::abs(x.values()[i] * slope));
    }
  }

 protected:
  struct Gate {
    float w, slope;
  };

 private:
  virtual Gate gate(float x) const = 0;
};

class SiluOperation final : public GatedOperation {
 public:
  using GatedOperation::GatedOperation;

  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::silu(x.values(), y.values());
  }
  void backward(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::silu_backward(x.values(), dy.values(), dx.values());
  }

 private:
  double change_of(double x, double dx) const override { return reference::silu_change(x, dx); }
  Gate gate(float x) const override { return {x, 1}; }
};

class GeluOperation final : public GatedOperation {
 public:
  using GatedOperation::GatedOperation;

  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::gelu(x.values(), y.values());
  }
  void backward(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::gelu_backward(x.values(), dy.values(), dx.values());
  }

 private:
  double change_of(double x, double dx) const override { return reference::gelu_change(x, dx); }
  Gate gate(float x) const override {
    constexpr float kLinear = 1.5957691216057308F;
    constexpr float kCubic = 0.07135481282052628F;
    return {x * (kLinear + kCubic * x * x), kLinear + 3 * kCubic * x * x};
  }
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const LeakyRelu& layer, const Shape& input,
                                                const std::string& label) {
  if (!(layer.slope >= 0) || !std::isfinite(layer.slope))
    throw InvalidArgument(
        fmt::format("{}: slope must be finite and not negative, got {}", label, layer.slope));
  return std::make_unique<LeakyReluOperation>(input, layer.slope);
}

std::unique_ptr<const Operation> make_operation(const Gelu&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<GeluOperation>(input);
}

std::unique_ptr<const Operation> make_operation(const Silu&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<SiluOperation>(input);
}

std::unique_ptr<const Operation> make_operation(const Softplus&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<SoftplusOperation>(input);
}

}  // namespace gradatim
