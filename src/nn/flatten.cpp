#include <algorithm>
#include <string>

#include "nn/layers.hpp"

namespace gradatim {
namespace {

class FlattenOperation final : public Operation {
 public:
  explicit FlattenOperation(std::size_t values) : values_(values) {}

  Shape output() const override { return {values_}; }
  bool renames() const override { return true; }
  bool in_place() const override { return true; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    if (x.data() != y.data()) std::ranges::copy(x.values(), y.data());
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    if (dx.data() != dy.data()) std::ranges::copy(dy.values(), dx.data());
  }

 private:
  std::size_t values_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const Flatten&, const Shape& input,
                                                const std::string&) {
  return std::make_unique<FlattenOperation>(input.size());
}

}  // namespace gradatim
