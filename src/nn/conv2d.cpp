#include <fmt/format.h>

#include "gradatim/core/convolution.hpp"
#include "gradatim/core/error.hpp"
#include "nn/image_changes.hpp"
#include "nn/images.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

/// theta = W (filters, channels / groups, kernel, kernel), b (filters).
class Conv2dOperation final : public Operation {
 public:
  Conv2dOperation(const Conv2d& layer, const kernels::ImageShape& image,
                  const kernels::Window& window)
      : layer_(layer),
        channels_(image.channels / layer.groups),
        convolution_(image, window, layer.filters, layer.groups),
        shape_{image, window, convolution_.output(), layer.groups},
        change_(shape_) {}

  Shape output() const override {
    const kernels::ImageShape y = convolution_.output();
    return {y.channels, y.height, y.width};
  }
  std::vector<ParameterSpec> parameters() const override {
    const std::size_t area = layer_.kernel * layer_.kernel;
    const std::size_t in = channels_ * area;
    const std::size_t out = layer_.filters / layer_.groups * area;
    return {{"weight",
             {layer_.filters, channels_, layer_.kernel, layer_.kernel},
             layer_.weight,
             in,
             out},
            {"bias", {layer_.filters}, layer_.bias, in, out}};
  }
  bool backward_reads_output() const override { return false; }
  void forward(std::span<const float> theta, ConstTensorView x,
               TensorView<float> y) const override {
    convolution_.forward(weight(theta), bias(theta), x, y);
  }
  void backward(std::span<const float> theta, ConstTensorView, ConstTensorView, ConstTensorView dy,
                TensorView<float> dx) const override {
    convolution_.backward(weight(theta), dy, dx);
  }
  bool adds_gradient_by_rows() const override { return true; }
  void add_gradient(ConstTensorView x, ConstTensorView dy,
                    std::span<float> d_theta) const override {
    convolution_.add_gradient(x, dy, weight(d_theta), bias(d_theta));
  }
  void reserve() const override { convolution_.reserve(); }

  std::size_t terms_per_value() const override {
    return layer_.filters / layer_.groups * layer_.kernel * layer_.kernel;
  }
  std::size_t terms_per_row() const override {
    return convolution_.output().height * convolution_.output().width;
  }

  bool has_change_rule() const override { return true; }
  void change(std::span<const float> theta, ConstTensorView, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    change_(convolution_, weight(theta), dx, dy);
  }
  void unit_change(std::span<const float> theta, ConstTensorView, ConstTensorView,
                   std::span<const std::uint32_t> units, std::span<const float> amounts,
                   TensorView<float> dy) const override {
    convolution_unit_change(shape_, weight(theta), units, amounts, dy);
  }
  float parameter_change(std::span<const float>, ConstTensorView x, ConstTensorView,
                         std::size_t parameter, float step, TensorView<float> dy) const override {
    convolution_parameter_change(shape_, x, parameter, step, dy);
    return step;
  }
  std::size_t operations_per_row() const override {
    return 2 * convolution_.output().size() * channels_ * layer_.kernel * layer_.kernel;
  }

 private:
  template <class T>
  std::span<T> weight(std::span<T> theta) const {
    return theta.first(convolution_.weights());
  }
  template <class T>
  std::span<T> bias(std::span<T> theta) const {
    return theta.subspan(convolution_.weights());
  }

  Conv2d layer_;
  std::size_t channels_;  // that one filter sees
  kernels::Convolution convolution_;
  ConvolutionShape shape_;
  ConvolutionChange change_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const Conv2d& layer, const Shape& input,
                                                const std::string& label) {
  const kernels::ImageShape image = image_shape(input, label);
  const kernels::Window window{layer.kernel, layer.stride, layer.padding};
  if (layer.filters == 0) throw InvalidArgument(label + ": filters must be at least 1, got 0");
  check_window(window, image, label);
  if (layer.groups == 0 || image.channels % layer.groups != 0 || layer.filters % layer.groups != 0)
    throw InvalidArgument(fmt::format("{}: groups must divide {} channels and {} filters, got {}",
                                      label, image.channels, layer.filters, layer.groups));
  return std::make_unique<Conv2dOperation>(layer, image, window);
}

}  // namespace gradatim
