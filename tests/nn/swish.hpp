#pragma once

#include <atomic>
#include <cmath>
#include <memory>
#include <string>

#include "gradatim/core/reference_changes.hpp"
#include "gradatim/nn/operation.hpp"

namespace gradatim::test {

/// y = x sigmoid(x), as a user would write it, with faults to choose from.
class Swish final : public CustomLayer {
 public:
  struct Options {
    bool change_rule = false;
    bool wrong_backward = false;
    bool wrong_rule = false;
    bool random = false;  // its backward is not a function
  };
  Swish(const Options& options) : options_(options) {}

  std::string_view kind() const override { return "swish"; }
  std::unique_ptr<const Operation> make_operation(const Shape& input,
                                                  const std::string&) const override;

 private:
  Options options_;
};

class SwishOperation final : public Operation {
 public:
  SwishOperation(const Shape& shape, const Swish::Options& options)
      : shape_(shape), options_(options) {}

  Shape output() const override { return shape_; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    for (std::size_t i = 0; i < x.size(); ++i)
      y.values()[i] = x.values()[i] * reference::sigmoid(x.values()[i]);
  }
  void backward(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    const float noise = options_.random ? 1.0F + 1e-3F * static_cast<float>(++calls_) : 1.0F;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float s = reference::sigmoid(x.values()[i]);
      const float slope = options_.wrong_backward ? s : s + x.values()[i] * s * (1 - s);
      dx.values()[i] = dy.values()[i] * slope * noise;
    }
  }

  bool has_change_rule() const override { return options_.change_rule; }
  bool elementwise() const override { return true; }
  // (x + d) s(x + d) - x s(x) = d s + (x + d) (s(x + d) - s(x))
  void change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
              ConstTensorView dx, TensorView<float> dy) const override {
    if (!options_.change_rule) return Operation::change(theta, x, y, dx, dy);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const float v = x.values()[i % x.size()];
      const float d = dx.values()[i];
      const float s = reference::sigmoid(v);
      dy.values()[i] =
          d * s + (options_.wrong_rule ? 0.5F : 1.0F) * (v + d) * reference::sigmoid_change(v, d);
    }
  }
  // backward adds up s and x s (1 - s).
  void magnitude(std::span<const float>, ConstTensorView x, ConstTensorView, ConstTensorView v,
                 TensorView<float> out) const override {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float s = reference::sigmoid(x.values()[i]);
      out.values()[i] = v.values()[i] * s * (1 + std::abs(x.values()[i]));
    }
  }

 private:
  Shape shape_;
  Swish::Options options_;
  mutable std::atomic<int> calls_ = 0;
};

inline std::unique_ptr<const Operation> Swish::make_operation(const Shape& input,
                                                              const std::string&) const {
  return std::make_unique<SwishOperation>(input, options_);
}

}  // namespace gradatim::test
