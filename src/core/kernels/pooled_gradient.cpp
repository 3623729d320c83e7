// The way back through Convolution::forward_pooled: only what a pool passed on has a gradient, so
// windows of the image, with its channels last, are added up (weights) or added to (image).
#include <algorithm>
#include <array>

#include "core/kernels/checks.hpp"
#include "core/kernels/convolution_primitives.hpp"
#include "core/kernels/pooled_windows.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

// Memory of the calling thread, kept for its next convolution; of each use its own.
enum class Use { image, lines, values, offsets, corners, weights };
template <Use kUse, class T = float>
std::span<T> scratch(std::size_t count) {
  thread_local AlignedVector<T> memory;
  if (memory.size() < count) memory.resize(count);
  return std::span(memory).first(count);
}

// The places of one channel's windows among those of a block of channels.
struct ChannelPlaces {
  const std::uint8_t* first;
  std::size_t block;

  ChannelPlaces(std::span<const std::uint8_t> all, std::size_t channel, std::size_t area,
                std::size_t channels_in_block)
      : first(&all[channel / channels_in_block * area * channels_in_block +
                   channel % channels_in_block]),
        block(channels_in_block) {}
  std::size_t operator[](std::size_t window) const { return first[window * block]; }
};

// An image with its channels last and zeros around: windows of it are a few runs of floats.
class PaddedImage {
 public:
  PaddedImage(const ImageShape& image, const Window& window)
      : image_(image),
        padding_(window.padding),
        stride_((image.width + 2 * padding_) * image.channels),
        values_(scratch<Use::image>(stride_ * (image.height + 2 * padding_) + kBehind)) {
    clear();
  }

  std::size_t stride() const { return stride_; }
  float* data() { return values_.data(); }
  void clear() { std::ranges::fill(values_, 0.0F); }

  void fill(std::span<const float> planes) {
    const std::size_t area = image_.height * image_.width;
    for (std::size_t i = 0; i < image_.height; ++i) {
      const float* from = planes.data() + i * image_.width;
      if (image_.channels == 1)
        std::copy_n(from, image_.width, line(i));
      else
        unpack_channels(from, area, image_.width, image_.channels, line(i));  // a transposition
    }
  }
  void write(std::span<float> planes) {
    const std::size_t width = image_.width * image_.channels;
    const std::span<float> lines = scratch<Use::lines>(image_.size());
    for (std::size_t i = 0; i < image_.height; ++i)
      std::copy_n(line(i), width, lines.data() + i * width);
    unpack_channels(lines.data(), image_.channels, image_.channels, image_.height * image_.width,
                    planes.data());
  }

 private:
  static constexpr std::size_t kBehind = 64;  // floats that a vector may reach beyond a window
  float* line(std::size_t i) {
    return values_.data() + (i + padding_) * stride_ + padding_ * image_.channels;
  }
  ImageShape image_;
  std::size_t padding_, stride_;
  std::span<float> values_;
};

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
             std::size_t block)
      : gradient_(gradient),
        windows_(windows),
        block_(block),
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
    const ChannelPlaces places(gradient_.places.row(row), filter, area_, block_);
    for (std::uint32_t& position : offsets_.first(count_))
      position = windows_.corner[position] + windows_.place[places[position]];
  }
  std::span<const float> values() const { return values_.first(count_); }
  std::span<const std::uint32_t> offsets() const { return offsets_.first(count_); }

 private:
  const Convolution::PooledGradient& gradient_;
  const PooledWindows& windows_;
  std::size_t block_, area_;
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

void Convolution::backward_pooled(std::span<const float> w, const PooledGradient& gradient,
                                  TensorView<float> dx) const {
  const ImageShape& image = primitives_->image;
  const Window& window = primitives_->window;
  const ImageShape pooled = pooled_output();
  check_sizes("convolution weights", weights(), {w.size()});
  check_shape("convolution", {dx.rows(), image.size()}, dx.shape());
  check_shape("convolution", {dx.rows(), pooled.size()}, gradient.dy.shape());
  const std::size_t filter_size = window.size * window_line(window.size, image.channels);
  const std::span<float> filters = scratch<Use::weights>(pooled.channels * filter_size);
  std::ranges::fill(filters, 0.0F);
  for_each_weight(pooled.channels, image.channels, window.size,
                  [&](std::size_t weight, std::size_t at) { filters[at] = w[weight]; });

  PaddedImage padded(image, window);
  const PooledWindows windows(pooled, window, image.channels, padded.stride());
  PassedBack passed(gradient, windows, primitives_->result_block());
  for (std::size_t row = 0; row < dx.rows(); ++row) {
    if (row > 0) padded.clear();
    for (std::size_t f = 0; f < pooled.channels; ++f) {
      passed.find(row, f);
      add_to_windows(filters.data() + f * filter_size, passed.values(), passed.offsets(),
                     {padded.stride(), window.size, image.channels}, padded.data());
    }
    padded.write(dx.row(row));
  }
}

void Convolution::add_gradient_pooled(ConstTensorView x, const PooledGradient& gradient,
                                      std::span<float> dw, std::span<float> db) const {
  const ImageShape& image = primitives_->image;
  const Window& window = primitives_->window;
  const ImageShape pooled = pooled_output();
  check_sizes("convolution weights", weights(), {dw.size()});
  check_sizes("convolution bias", pooled.channels, {db.size()});
  check_shape("convolution", {x.rows(), image.size()}, x.shape());
  check_shape("convolution", {x.rows(), pooled.size()}, gradient.dy.shape());
  const std::size_t filter_size = window.size * window_line(window.size, image.channels);
  const std::span<float> filters = scratch<Use::weights>(pooled.channels * filter_size);
  std::ranges::fill(filters, 0.0F);

  PaddedImage padded(image, window);
  const PooledWindows windows(pooled, window, image.channels, padded.stride());
  PassedBack passed(gradient, windows, primitives_->result_block());
  for (std::size_t row = 0; row < x.rows(); ++row) {
    padded.fill(x.row(row));
    for (std::size_t f = 0; f < pooled.channels; ++f) {
      passed.find(row, f);
      add_windows(padded.data(), {padded.stride(), window.size, image.channels}, passed.values(),
                  passed.offsets(), filters.data() + f * filter_size);
      db[f] += static_cast<float>(sum(passed.values()));
    }
  }
  for_each_weight(pooled.channels, image.channels, window.size,
                  [&](std::size_t weight, std::size_t at) { dw[weight] += filters[at]; });
}

}  // namespace gradatim::kernels
