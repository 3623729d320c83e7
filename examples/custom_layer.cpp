// A layer that gradatim does not have: y = x · sigmoid(x). It is trained like any other, and every
// parameter's gradient is checked; then its backward pass is written wrongly, and that is found.
#include <gradatim/gradatim.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace gd = gradatim;

namespace {

class SwishOperation : public gd::Operation {
 public:
  explicit SwishOperation(const gd::Shape& shape) : shape_(shape) {}

  gd::Shape output() const override { return shape_; }

  void forward(std::span<const float>, gd::ConstTensorView x,
               gd::TensorView<float> y) const override {
    for (std::size_t i = 0; i < x.size(); ++i)
      y.values()[i] = x.values()[i] * gd::reference::sigmoid(x.values()[i]);
  }

  // y' = s + x s (1 - s) with s = sigmoid(x)
  void backward(std::span<const float>, gd::ConstTensorView x, gd::ConstTensorView,
                gd::ConstTensorView dy, gd::TensorView<float> dx) const override {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float s = gd::reference::sigmoid(x.values()[i]);
      dx.values()[i] = dy.values()[i] * (s + x.values()[i] * s * (1 - s));
    }
  }

  // Optional: with it, the check is exact to rounding. x' s(x') - x s(x) = d s(x) + x' (s(x') -
  // s(x)) for x' = x + d, where no two nearly equal numbers are subtracted.
  bool has_change_rule() const override { return true; }
  bool elementwise() const override { return true; }
  void change(std::span<const float>, gd::ConstTensorView x, gd::ConstTensorView,
              gd::ConstTensorView dx, gd::TensorView<float> dy) const override {
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const float value = x.values()[i % x.size()];
      const float d = dx.values()[i];
      dy.values()[i] =
          d * gd::reference::sigmoid(value) + (value + d) * gd::reference::sigmoid_change(value, d);
    }
  }

 private:
  gd::Shape shape_;
};

// The second term of the derivative is forgotten, and there is no change rule.
class WrongSwishOperation : public SwishOperation {
 public:
  using SwishOperation::SwishOperation;

  void backward(std::span<const float>, gd::ConstTensorView x, gd::ConstTensorView,
                gd::ConstTensorView dy, gd::TensorView<float> dx) const override {
    for (std::size_t i = 0; i < x.size(); ++i)
      dx.values()[i] = dy.values()[i] * gd::reference::sigmoid(x.values()[i]);
  }
  bool has_change_rule() const override { return false; }
  void change(std::span<const float> theta, gd::ConstTensorView x, gd::ConstTensorView y,
              gd::ConstTensorView dx, gd::TensorView<float> dy) const override {
    Operation::change(theta, x, y, dx, dy);
  }
};

template <class SomeOperation>
class Swish : public gd::CustomLayer {
 public:
  std::string_view kind() const override { return "swish"; }
  std::unique_ptr<const gd::Operation> make_operation(const gd::Shape& input,
                                                      const std::string&) const override {
    return std::make_unique<SomeOperation>(input);
  }
};

// Points of a square; the classes are its opposite quarters.
gd::Split quarters(std::size_t count, std::uint64_t seed) {
  gd::Split split{gd::ByteTensor({count, 2}), std::vector<std::int32_t>(count)};
  std::vector<std::uint32_t> coordinates(2 * count);
  gd::choice(coordinates, 256, {.seed = seed});
  for (std::size_t i = 0; i < count; ++i) {
    const auto a = coordinates[2 * i];
    const auto b = coordinates[2 * i + 1];
    split.images.view()(i, 0) = static_cast<std::uint8_t>(a);
    split.images.view()(i, 1) = static_cast<std::uint8_t>(b);
    split.labels[i] = (a > 127) == (b > 127) ? 1 : 0;
  }
  return split;
}

gd::NetworkCheck train_and_check(std::shared_ptr<const gd::CustomLayer> layer,
                                 const gd::Dataset& data) {
  const gd::Network network({2}, {gd::Dense{16, gd::Gaussian{1.0F}}, gd::Custom{std::move(layer)},
                                  gd::Dense{2, gd::Xavier{}}});
  const gd::TrainResult run = gd::train(
      network, data, {.optimizer = gd::Sgd{.learning_rate = 1.0F}, .batch = 50, .steps = 3000});
  std::printf("test accuracy %.3f\n", run.test.accuracy);
  return gd::check(network, run.parameters, data.train.batch(0, 50));
}

}  // namespace

int main() {
  const gd::Dataset data{"quarters", {"off", "on"}, quarters(2000, 1), quarters(500, 2)};
  const gd::NetworkCheck right = train_and_check(std::make_shared<Swish<SwishOperation>>(), data);
  std::printf("right backward: %s\n%s\n", right.passed() ? "passed" : "FAILED",
              right.to_string().c_str());
  const gd::NetworkCheck wrong =
      train_and_check(std::make_shared<Swish<WrongSwishOperation>>(), data);
  std::printf("wrong backward: %s\n", wrong.passed() ? "passed" : "FAILED");
  for (const std::string& objection : wrong.objections()) std::printf("  %s\n", objection.c_str());
}
