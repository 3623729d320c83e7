#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/core/normalization.hpp"
#include "gradatim/core/reference_changes.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

/// theta = weight (values), bias (values), each of the shape of a sample.
class LayerNormOperation final : public Operation {
 public:
  LayerNormOperation(const Shape& shape, float epsilon) : shape_(shape), epsilon_(epsilon) {}

  Shape output() const override { return shape_; }
  std::vector<ParameterSpec> parameters() const override {
    return {{"weight", shape_, Ones{}}, {"bias", shape_, Zeros{}}};
  }
  bool backward_reads_output() const override { return false; }
  void forward(std::span<const float> theta, ConstTensorView x,
               TensorView<float> y) const override {
    kernels::layer_norm(x, weight(theta), theta.last(shape_.size()), epsilon_, y);
  }
  void backward(std::span<const float> theta, ConstTensorView x, ConstTensorView,
                ConstTensorView dy, TensorView<float> dx) const override {
    kernels::layer_norm_backward(x, weight(theta), epsilon_, dy, dx);
  }
  void parameter_gradient(std::size_t, ConstTensorView x, ConstTensorView dy,
                          std::span<float> d_theta) const override {
    kernels::layer_norm_gradient(x, epsilon_, dy, d_theta.first(shape_.size()),
                                 d_theta.last(shape_.size()));
  }
  std::size_t operations_per_row() const override { return 8 * shape_.size(); }

  bool has_change_rule() const override { return true; }
  void change(std::span<const float> theta, ConstTensorView x, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    const std::vector<double> w = widen(weight(theta));
    std::vector<double> change(shape_.size());
    for (std::size_t i = 0; i < dx.rows(); ++i) {
      reference::layer_norm_change<double>(widen(x.row(i % x.rows())), w, widen(dx.row(i)),
                                           static_cast<double>(epsilon_), change);
      for (std::size_t k = 0; k < change.size(); ++k) dy(i, k) = static_cast<float>(change[k]);
    }
  }
  // A weight moves its own value by step · (x - mean) / sqrt(variance + epsilon), a bias by step.
  float parameter_change(std::span<const float>, ConstTensorView x, ConstTensorView,
                         std::size_t parameter, float step, TensorView<float> dy) const override {
    const std::size_t k = parameter % shape_.size();
    std::ranges::fill(dy.values(), 0.0F);
    for (std::size_t n = 0; n < x.rows(); ++n) {
      double factor = 1;
      if (parameter < shape_.size()) {
        const auto [mean, scale] = moments(x.row(n));
        factor = (static_cast<double>(x(n, k)) - mean) * scale;
      }
      dy(n, k) = static_cast<float>(static_cast<double>(step) * factor);
    }
    return step;
  }
  // x - mean has the rounding error of |x| + |mean|, which so stands for |x - mean|.
  void magnitude(std::span<const float> absolute_theta, ConstTensorView x, ConstTensorView,
                 ConstTensorView v, TensorView<float> out) const override {
    const auto w = weight(absolute_theta);
    const auto n = static_cast<double>(shape_.size());
    for (std::size_t i = 0; i < x.rows(); ++i) {
      const auto [mean, scale] = moments(x.row(i));
      double sum = 0;
      double product = 0;
      for (std::size_t k = 0; k < w.size(); ++k) {
        const auto g = static_cast<double>(v(i, k) * w[k]);
        sum += g;
        product += g * size(x(i, k), mean) * scale;
      }
      for (std::size_t k = 0; k < w.size(); ++k)
        out(i, k) = static_cast<float>(scale * (static_cast<double>(v(i, k) * w[k]) + sum / n +
                                                size(x(i, k), mean) * scale * product / n));
    }
  }
  void parameter_magnitude(ConstTensorView x, ConstTensorView v,
                           std::span<float> out) const override {
    std::ranges::fill(out, 0.0F);
    for (std::size_t i = 0; i < x.rows(); ++i) {
      const auto [mean, scale] = moments(x.row(i));
      for (std::size_t k = 0; k < shape_.size(); ++k) {
        out[k] += static_cast<float>(static_cast<double>(v(i, k)) * size(x(i, k), mean) * scale);
        out[shape_.size() + k] += v(i, k);
      }
    }
  }

 private:
  static std::vector<double> widen(std::span<const float> x) { return {x.begin(), x.end()}; }
  static double size(float x, double mean) {
    return std::abs(static_cast<double>(x)) + std::abs(mean);
  }
  reference::RowMoments<double> moments(std::span<const float> x) const {
    return reference::row_moments<double>(widen(x), static_cast<double>(epsilon_));
  }
  std::span<const float> weight(std::span<const float> theta) const {
    return theta.first(shape_.size());
  }

  Shape shape_;
  float epsilon_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const LayerNorm& layer, const Shape& input,
                                                const std::string& label) {
  if (!(layer.epsilon > 0) || !std::isfinite(layer.epsilon))
    throw InvalidArgument(
        fmt::format("{}: epsilon must be positive and finite, got {}", label, layer.epsilon));
  return std::make_unique<LayerNormOperation>(input, layer.epsilon);
}

}  // namespace gradatim
