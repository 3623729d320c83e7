// A convolution with a pool of 2 x 2 and relu in one pass, and the way back to its image; that to
// its weights is in pooled_gradient.cpp.
#include <algorithm>

#include "core/kernels/checks.hpp"
#include "core/kernels/convolution_passes.hpp"
#include "core/kernels/pooled_windows.hpp"
#include "core/kernels/scratch.hpp"
#include "core/kernels/transpose.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

// What of a sample's gradient the pool, and relu, passed on: planes of the pooled output.
std::span<const float> passed_back(const Convolution::PooledGradient& gradient, std::size_t row) {
  if (!gradient.relu) return gradient.dy.row(row);
  const std::span<float> passed = scratch<Use::passed>(gradient.dy.row_size());
  relu_backward(gradient.y.row(row), gradient.dy.row(row), passed);
  return passed;
}

}  // namespace

ImageShape Convolution::pooled_output() const {
  return {output_.channels, output_.height / 2, output_.width / 2};
}

std::size_t Convolution::places() const {
  return pooled_output().height * pooled_output().width * packed_columns(output_.channels);
}

void Convolution::check_gradient(const PooledGradient& gradient, std::size_t rows) const {
  const Shape pooled = {rows, pooled_output().size()};
  check_shape("convolution gradient", pooled, gradient.dy.shape());
  if (gradient.relu) check_shape("convolution output", pooled, gradient.y.shape());
  check_shape("convolution places", {rows, places()}, gradient.places.shape());
}

void Convolution::forward_pooled(std::span<const float> w, std::span<const float> b, bool relu,
                                 ConstTensorView x, TensorView<float> y,
                                 TensorView<std::uint8_t> places) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_sizes("convolution bias", output_.channels, {b.size()});
  check_shape("convolution", {x.rows(), image_.size()}, x.shape());
  check_shape("convolution", {x.rows(), pooled_output().size()}, y.shape());
  if (places.size() != 0)
    check_shape("convolution places", {x.rows(), this->places()}, places.shape());
  const GroupShape shape = group();
  const ImageShape pooled = pooled_output();
  const std::size_t filters = shape.packed_filters();
  const std::size_t line = output_.width * filters;
  const std::size_t area = pooled.height * pooled.width;
  const std::size_t block = shape.lines_at_a_time();
  const std::span<float> lines = scratch<Use::lines>(block * line);
  const std::span<float> blocked = scratch<Use::pooled>(area * filters);
  ForwardPass pass(shape, w, b);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    pass.begin(x.row(n));
    for (std::size_t i = 0; i < output_.height; i += block) {
      const std::size_t count = std::min(block, output_.height - i);
      pass.lines(i, count, lines.data());
      const std::size_t first = i / 2 * pooled.width * filters;
      pool_lines({.pairs = count / 2, .width = pooled.width, .filters = filters}, lines.data(),
                 relu, blocked.data() + first,
                 places.size() == 0 ? nullptr : places.row(n).data() + first);
    }
    transpose(area, pooled.channels, {blocked.data(), static_cast<std::ptrdiff_t>(filters)},
              {y.row(n).data(), static_cast<std::ptrdiff_t>(area)});
  }
}

void Convolution::backward_pooled(std::span<const float> w, const PooledGradient& gradient,
                                  TensorView<float> dx) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_shape("convolution", {dx.rows(), image_.size()}, dx.shape());
  check_gradient(gradient, dx.rows());
  const GroupShape shape = group();
  OutputGradient dy(shape);
  BackwardPass pass(shape, w);
  for (std::size_t n = 0; n < dx.rows(); ++n) {
    dy.fill_from_pooled(passed_back(gradient, n), gradient.places.row(n).data());
    pass.run(dy, dx.row(n));
  }
}

}  // namespace gradatim::kernels
