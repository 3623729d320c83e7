#include "gradatim/core/pooling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "gradatim/core/error.hpp"
#include "nn/image_changes.hpp"
#include "nn/images.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

using kernels::ImageShape;
using kernels::Window;

class PoolOperation : public Operation {
 public:
  PoolOperation(const ImageShape& image, const Window& window) : image_(image), window_(window) {}

  Shape output() const override {
    const ImageShape y = kernels::pooled(image_, window_);
    return {y.channels, y.height, y.width};
  }
  std::size_t operations_per_row() const override { return image_.size(); }

 protected:
  ImageShape image_;
  Window window_;
};

class MaxPoolOperation final : public PoolOperation {
 public:
  using PoolOperation::PoolOperation;

  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::max_pool(image_, window_, x, y);
  }
  void backward(std::span<const float>, ConstTensorView x, ConstTensorView y, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::max_pool_backward(image_, window_, x, y, dy, dx);
  }

  bool has_change_rule() const override { return true; }
  void change(std::span<const float>, ConstTensorView x, ConstTensorView y, ConstTensorView dx,
              TensorView<float> dy) const override {
    max_pool_change(image_, window_, x, y, dx, dy);
  }
  bool has_branches() const override { return true; }
  void crossings(ConstTensorView x, ConstTensorView dx,
                 TensorView<std::uint8_t> crossed) const override {
    max_pool_crossings(image_, window_, x, dx, crossed);
  }
};

class AveragePoolOperation final : public PoolOperation {
 public:
  using PoolOperation::PoolOperation;

  bool backward_reads_output() const override { return false; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    kernels::average_pool(image_, window_, x, y);
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    kernels::average_pool_backward(image_, window_, dy, dx);
  }

  // Linear.
  bool has_change_rule() const override { return true; }
  void change(std::span<const float> theta, ConstTensorView, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    forward(theta, dx, dy);
  }
};

class GlobalAveragePoolOperation final : public Operation {
 public:
  explicit GlobalAveragePoolOperation(const ImageShape& image) : image_(image) {}

  Shape output() const override { return {image_.channels}; }
  bool backward_reads_output() const override { return false; }
  void forward(std::span<const float>, ConstTensorView x, TensorView<float> y) const override {
    const std::size_t area = image_.height * image_.width;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto plane = x.values().subspan(i * area, area);
      y.values()[i] = std::accumulate(plane.begin(), plane.end(), 0.0F) / static_cast<float>(area);
    }
  }
  void backward(std::span<const float>, ConstTensorView, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    const std::size_t area = image_.height * image_.width;
    for (std::size_t i = 0; i < dy.size(); ++i)
      std::ranges::fill(dx.values().subspan(i * area, area),
                        dy.values()[i] / static_cast<float>(area));
  }

  // Linear.
  bool has_change_rule() const override { return true; }
  void change(std::span<const float> theta, ConstTensorView, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    forward(theta, dx, dy);
  }
  std::size_t operations_per_row() const override { return image_.size(); }

 private:
  ImageShape image_;
};

template <class Made, class Pool>
std::unique_ptr<const Operation> make_pool(const Pool& layer, const Shape& input,
                                           const std::string& label) {
  const ImageShape image = image_shape(input, label);
  const Window window{layer.size, layer.stride, layer.padding};
  check_window(window, image, label);
  if (layer.padding >= layer.size)
    throw InvalidArgument(fmt::format("{}: padding must be less than size {}, got {}", label,
                                      layer.size, layer.padding));
  return std::make_unique<Made>(image, window);
}

}  // namespace

std::unique_ptr<const Operation> make_operation(const MaxPool2d& layer, const Shape& input,
                                                const std::string& label) {
  return make_pool<MaxPoolOperation>(layer, input, label);
}

std::unique_ptr<const Operation> make_operation(const AvgPool2d& layer, const Shape& input,
                                                const std::string& label) {
  return make_pool<AveragePoolOperation>(layer, input, label);
}

std::unique_ptr<const Operation> make_operation(const GlobalAvgPool&, const Shape& input,
                                                const std::string& label) {
  return std::make_unique<GlobalAveragePoolOperation>(image_shape(input, label));
}

}  // namespace gradatim
