// The gradient of the weights of a pooled convolution: only what the pool passed on has a gradient,
// so windows of the image, with its channels last, are added up.
#include <algorithm>
#include <array>

#include "core/kernels/checks.hpp"
#include "core/kernels/convolution_passes.hpp"
#include "core/kernels/pooled_windows.hpp"
#include "core/kernels/scratch.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

// Where the window of each of the four values is that a pool takes the largest of.
struct PooledWindows {
  std::span<std::uint32_t> corner;       // of each pool's first value, in a padded image
  std::array<std::uint32_t, 4> place{};  // what each of the four adds to that

  PooledWindows(const ImageShape& pooled, const Window& window, std::size_t channels,
                std::size_t image_stride)
      : corner(scratch<Use::corners, std::uint32_t>(pooled.height * pooled.width)) {
    const std::size_t right = window.stride * channels;
    const std::size_t down = window.stride * image_stride;
    for (std::size_t n = 0; n < 4; ++n)
      place[n] = static_cast<std::uint32_t>(n / 2 * down + n % 2 * right);
    for (std::size_t i = 0; i < pooled.height; ++i)
      for (std::size_t j = 0; j < pooled.width; ++j)
        corner[i * pooled.width + j] = static_cast<std::uint32_t>(2 * (i * down + j * right));
  }
};

// What one filter of one sample passes back: values, and where their windows are.
class PassedBack {
 public:
  PassedBack(const Convolution::PooledGradient& gradient, const PooledWindows& windows,
             std::size_t packed_filters)
      : gradient_(gradient),
        windows_(windows),
        filters_(packed_filters),
        area_(windows.corner.size()),
        values_(scratch<Use::values>(area_ + kAlignment)),
        offsets_(scratch<Use::offsets, std::uint32_t>(area_ + kAlignment)) {}

  void find(std::size_t row, std::size_t filter) {
    const auto of_filter = [&](ConstTensorView all) {
      return all.row(row).subspan(filter * area_, area_);
    };
    count_ = keep_nonzero(of_filter(gradient_.dy),
                          gradient_.relu ? of_filter(gradient_.y) : std::span<const float>(),
                          {values_, offsets_});
    const std::uint8_t* places = gradient_.places.row(row).data() + filter;
    for (std::uint32_t& position : offsets_.first(count_))
      position = windows_.corner[position] + windows_.place[places[position * filters_]];
  }
  std::span<const float> values() const { return values_.first(count_); }
  std::span<const std::uint32_t> offsets() const { return offsets_.first(count_); }

 private:
  const Convolution::PooledGradient& gradient_;
  const PooledWindows& windows_;
  std::size_t filters_, area_;
  std::span<float> values_;
  std::span<std::uint32_t> offsets_;
  std::size_t count_ = 0;
};

// Calls f(weight, its place among windows) for every weight in its order, (filters, channels, size,
// size); the windows are (filters, size, line of windows).
template <class F>
void for_each_weight(std::size_t filters, std::size_t channels, std::size_t size, F f) {
  const std::size_t line = window_line(size, channels);
  std::size_t weight = 0;
  for (std::size_t filter = 0; filter < filters; ++filter)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t u = 0; u < size; ++u)
        for (std::size_t v = 0; v < size; ++v)
          f(weight++, (filter * size + u) * line + v * channels + c);
}

}  // namespace

void Convolution::add_gradient_pooled(ConstTensorView x, const PooledGradient& gradient,
                                      std::span<float> dw, std::span<float> db) const {
  check_sizes("convolution weights", weights(), {dw.size()});
  check_sizes("convolution bias", output_.channels, {db.size()});
  check_shape("convolution", {x.rows(), image_.size()}, x.shape());
  check_gradient(gradient, x.rows());
  const GroupShape shape = group();
  const ImageShape pooled = pooled_output();
  const std::size_t size = window_.size;
  const std::size_t channels = image_.channels;
  const std::size_t filter_size = size * window_line(size, channels);
  const std::span<float> filters = scratch<Use::windows>(pooled.channels * filter_size);
  std::ranges::fill(filters, 0.0F);

  PaddedImage padded(shape);
  const PooledWindows windows(pooled, window_, channels, padded.line_step());
  PassedBack passed(gradient, windows, shape.packed_filters());
  for (std::size_t row = 0; row < x.rows(); ++row) {
    padded.fill(x.row(row));
    for (std::size_t f = 0; f < pooled.channels; ++f) {
      passed.find(row, f);
      add_windows(padded.line(0), {padded.line_step(), size, channels}, passed.values(),
                  passed.offsets(), filters.data() + f * filter_size);
      db[f] += static_cast<float>(sum(passed.values()));
    }
  }
  for_each_weight(pooled.channels, channels, size,
                  [&](std::size_t weight, std::size_t at) { dw[weight] += filters[at]; });
}

// By passes over one image.
void Convolution::reserve_pooled() const {
  AlignedVector<float> w(weights());
  AlignedVector<float> b(output_.channels);
  Tensor x({1, image_.size()});
  Tensor y({1, pooled_output().size()});
  ByteTensor places({1, this->places()});
  forward_pooled(w, b, true, x, y, places.view());
  const PooledGradient gradient{.relu = true, .y = y, .dy = y, .places = places};
  add_gradient_pooled(x, gradient, w, b);
  backward_pooled(w, gradient, x);
}

}  // namespace gradatim::kernels
