#include "gradatim/core/convolution.hpp"

#include <algorithm>

#include "core/kernels/checks.hpp"
#include "core/kernels/convolution_passes.hpp"
#include "core/kernels/depthwise.hpp"
#include "core/kernels/scratch.hpp"
#include "core/kernels/transpose.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {

std::size_t thread_bytes() { return scratch_taken(); }

Convolution::Convolution(const ImageShape& image, const Window& window, std::size_t filters,
                         std::size_t groups)
    : image_(image),
      window_(window),
      output_{filters, windows_along(image.height, window), windows_along(image.width, window)},
      groups_(groups) {}

std::size_t Convolution::weights() const { return groups_ * group().weights(); }

GroupShape Convolution::group() const {
  const auto of_group = [&](ImageShape shape) {
    shape.channels /= groups_;
    return shape;
  };
  return {of_group(image_), window_, of_group(output_)};
}

void Convolution::forward(std::span<const float> w, std::span<const float> b, ConstTensorView x,
                          TensorView<float> y) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_sizes("convolution bias", output_.channels, {b.size()});
  check_shape("convolution", {x.rows(), image_.size()}, x.shape());
  check_shape("convolution", {x.rows(), output_.size()}, y.shape());
  if (is_depthwise()) return forward_planes(w, b, x, y);
  const GroupShape shape = group();
  const auto stride = static_cast<std::ptrdiff_t>(shape.packed_filters());
  const auto area = static_cast<std::ptrdiff_t>(shape.output_area());
  const std::size_t block = shape.lines_at_a_time();
  const std::span<float> lines =
      scratch<Use::lines>(block * output_.width * shape.packed_filters());
  for (std::size_t g = 0; g < groups_; ++g) {
    ForwardPass pass(shape, part(w, g, groups_), part(b, g, groups_));
    for (std::size_t n = 0; n < x.rows(); ++n) {
      const std::span<float> planes = part(y.row(n), g, groups_);
      pass.begin(part(x.row(n), g, groups_));
      for (std::size_t i = 0; i < output_.height; i += block) {
        const std::size_t count = std::min(block, output_.height - i);
        pass.lines(i, count, lines.data());
        transpose(count * output_.width, shape.output.channels, {lines.data(), stride},
                  {planes.data() + i * output_.width, area});
      }
    }
  }
}

void Convolution::backward(std::span<const float> w, ConstTensorView dy,
                           TensorView<float> dx) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_shape("convolution", {dy.rows(), image_.size()}, dx.shape());
  check_shape("convolution", {dy.rows(), output_.size()}, dy.shape());
  if (is_depthwise()) return backward_planes(w, dy, dx);
  const GroupShape shape = group();
  OutputGradient gradient(shape);
  for (std::size_t g = 0; g < groups_; ++g) {
    BackwardPass pass(shape, part(w, g, groups_));
    for (std::size_t n = 0; n < dy.rows(); ++n) {
      gradient.fill(part(dy.row(n), g, groups_));
      pass.run(gradient, part(dx.row(n), g, groups_));
    }
  }
}

void Convolution::add_gradient(ConstTensorView x, ConstTensorView dy, std::span<float> dw,
                               std::span<float> db) const {
  check_sizes("convolution weights", weights(), {dw.size()});
  check_sizes("convolution bias", output_.channels, {db.size()});
  check_shape("convolution", {x.rows(), image_.size()}, x.shape());
  check_shape("convolution", {x.rows(), output_.size()}, dy.shape());
  if (is_depthwise()) return add_gradient_planes(x, dy, dw, db);
  const GroupShape shape = group();
  OutputGradient gradient(shape);
  for (std::size_t g = 0; g < groups_; ++g) {
    GradientPass pass(shape);
    for (std::size_t n = 0; n < x.rows(); ++n) {
      gradient.fill(part(dy.row(n), g, groups_));
      pass.add(part(x.row(n), g, groups_), gradient);
    }
    pass.finish(part(dw, g, groups_), part(db, g, groups_));
  }
}

bool Convolution::is_depthwise() const {
  return suits_depthwise(image_, window_, output_, groups_);
}

// Filter f sees the channel f / filters.
void Convolution::forward_planes(std::span<const float> w, std::span<const float> b,
                                 ConstTensorView x, TensorView<float> y) const {
  const std::size_t filters = output_.channels / groups_;
  const Phases phases(image_, window_, output_);
  PlaneImage plane(phases);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    const auto image = x.row(n);
    const auto output = y.row(n);
    for (std::size_t f = 0; f < output_.channels; ++f) {
      if (f % filters == 0) plane.read(part(image, f / filters, groups_));
      plane.forward(part(w, f, output_.channels), b[f], part(output, f, output_.channels));
    }
  }
}

void Convolution::backward_planes(std::span<const float> w, ConstTensorView dy,
                                  TensorView<float> dx) const {
  const std::size_t filters = output_.channels / groups_;
  const Phases phases(image_, window_, output_);
  PlaneGradient gradient(phases);
  PlaneImageGradient plane(phases);
  for (std::size_t n = 0; n < dy.rows(); ++n) {
    const auto output = dy.row(n);
    const auto image = dx.row(n);
    for (std::size_t f = 0; f < output_.channels; ++f) {
      if (f % filters == 0) plane.begin();
      gradient.read(part(output, f, output_.channels));
      plane.add(gradient, part(w, f, output_.channels));
      if (f % filters == filters - 1) plane.write(part(image, f / filters, groups_));
    }
  }
}

void Convolution::add_gradient_planes(ConstTensorView x, ConstTensorView dy, std::span<float> dw,
                                      std::span<float> db) const {
  const std::size_t filters = output_.channels / groups_;
  const Phases phases(image_, window_, output_);
  PlaneGradient gradient(phases);
  PlaneImage plane(phases);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    const auto image = x.row(n);
    const auto output = dy.row(n);
    for (std::size_t f = 0; f < output_.channels; ++f) {
      if (f % filters == 0) plane.read(part(image, f / filters, groups_));
      gradient.read(part(output, f, output_.channels));
      plane.add_gradient(gradient, part(dw, f, output_.channels));
      db[f] += static_cast<float>(sum(part(output, f, output_.channels)));
    }
  }
}

// By passes over one image.
void Convolution::reserve() const {
  AlignedVector<float> w(weights());
  AlignedVector<float> b(output_.channels);
  Tensor x({1, image_.size()});
  Tensor y({1, output_.size()});
  forward(w, b, x, y);
  add_gradient(x, y, w, b);
  backward(w, y, x);
}

}  // namespace gradatim::kernels
