// Layers that pass their values on: under another shape, or joined to others by whoever runs them.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "gradatim/core/error.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

void copy(ConstTensorView from, TensorView<float> to) {
  if (from.data() != to.data()) std::ranges::copy(from.values(), to.data());
}

class IdentityOperation : public Operation {
 public:
  explicit IdentityOperation(const Shape& output) : output_(output) {}

  Shape output() const override { return output_; }
  bool backward_reads_output() const override { return false; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    copy(x, y);
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    copy(dy, dx);
  }

  bool has_change_rule() const override { return true; }
  bool elementwise() const override { return true; }
  void change(std::span<const float>, ConstTensorView, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    copy(dx, dy);
  }

 private:
  Shape output_;
};

class FlattenOperation final : public IdentityOperation {
 public:
  using IdentityOperation::IdentityOperation;
  bool renames() const override { return true; }
  bool in_place() const override { return true; }
};

class DropoutOperation final : public IdentityOperation {
 public:
  DropoutOperation(const Shape& shape, float rate) : IdentityOperation(shape), rate_(rate) {}
  bool in_place() const override { return true; }
  float drop_rate() const override { return rate_; }

 private:
  float rate_;
};

// Not in place: its dy is added to the gradient of an earlier value, and must live until then.
class ResidualOperation final : public IdentityOperation {
 public:
  ResidualOperation(const Shape& shape, std::size_t over) : IdentityOperation(shape), over_(over) {}
  std::size_t adds_input_back() const override { return over_; }

 private:
  std::size_t over_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const Flatten&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<FlattenOperation>(Shape{input.size()});
}

std::unique_ptr<const Operation> make_operation(const Dropout& layer, const Shape& input,
                                                const std::string& label) {
  if (!(layer.rate >= 0 && layer.rate < 1))
    throw InvalidArgument(fmt::format("{}: rate must be in [0, 1), got {}", label, layer.rate));
  return std::make_unique<DropoutOperation>(input, layer.rate);
}

std::unique_ptr<const Operation> make_operation(const Residual& layer, const Shape& input,
                                                const std::string&) {
  return std::make_unique<ResidualOperation>(input, layer.over);
}

}  // namespace gradatim
