// Convolution::forward_pooled and the way back. See convolution.hpp.
#include <algorithm>
#include <array>

#include "core/kernels/checks.hpp"
#include "core/kernels/convolution_primitives.hpp"
#include "core/kernels/pooled_windows.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

// Memory of the calling thread, kept for its next convolution; of each use its own.
enum class Use { image, result, values, positions, corners };
template <Use kUse, class T = float>
std::span<T> scratch(std::size_t count) {
  thread_local AlignedVector<T> memory;
  if (memory.size() < count) memory.resize(count);
  return std::span(memory).first(count);
}

std::size_t blocks_of(std::size_t channels, std::size_t block) {
  return (channels + block - 1) / block;
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

// The images of one gradient with their channels last and zeros around: the windows of a filter's
// gradient are then runs of floats.
class PaddedImage {
 public:
  PaddedImage(const ImageShape& image, const Window& window)
      : image_(image),
        padding_(window.padding),
        stride_((image.width + 2 * padding_) * image.channels),
        values_(scratch<Use::image>(stride_ * (image.height + 2 * padding_) + kBehind)) {
    std::ranges::fill(values_, 0.0F);
  }

  std::size_t stride() const { return stride_; }
  const float* data() const { return values_.data(); }
  void fill(std::span<const float> planes) {
    const std::size_t channels = image_.channels;
    const std::size_t area = image_.height * image_.width;
    for (std::size_t i = 0; i < image_.height; ++i) {
      const float* from = planes.data() + i * image_.width;
      float* to = values_.data() + (i + padding_) * stride_ + padding_ * channels;
      if (channels == 1)
        std::copy_n(from, image_.width, to);
      else
        unpack_channels(from, area, image_.width, channels, to);  // a transposition
    }
  }

 private:
  static constexpr std::size_t kBehind = 64;  // floats that a vector may reach beyond a window
  ImageShape image_;
  std::size_t padding_, stride_;
  std::span<float> values_;
};

// Where the window of each of the four values is that a pool takes the largest of.
struct PooledWindows {
  std::span<std::uint32_t> corner;     // of each pool's first value, in a padded image
  std::array<std::uint32_t, 4> place;  // what each of the four adds to that

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

// sums (filters, size, line of windows) to the order of the weights, (filters, channels, size,
// size), added.
void add_to_weights(std::span<const float> sums, std::size_t filters, std::size_t channels,
                    std::size_t size, std::span<float> dw) {
  const std::size_t line = window_line(size, channels);
  float* to = dw.data();
  for (std::size_t f = 0; f < filters; ++f)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t u = 0; u < size; ++u)
        for (std::size_t v = 0; v < size; ++v)
          *to++ += sums[(f * size + u) * line + v * channels + c];
}

}  // namespace

ImageShape Convolution::pooled_output() const {
  const ImageShape y = output();
  return {y.channels, y.height / 2, y.width / 2};
}

std::size_t Convolution::places() const {
  const ImageShape y = pooled_output();
  const std::size_t block = primitives_->result_block();
  return blocks_of(y.channels, block) * block * y.height * y.width;
}

void Convolution::forward_pooled(std::span<const float> w, std::span<const float> b, bool relu,
                                 ConstTensorView x, TensorView<float> y,
                                 TensorView<std::uint8_t> places) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_sizes("convolution bias", output().channels, {b.size()});
  check_shape("convolution", {x.rows(), primitives_->image.size()}, x.shape());
  check_shape("convolution", {x.rows(), pooled_output().size()}, y.shape());
  reporting([&] {
    const Forward& f = primitives_->forward.get([&] { return primitives_->make_forward(); });
    const ImageShape before = output();
    const std::size_t block = primitives_->result_block();
    const BlockedImages images{block, blocks_of(before.channels, block), before.height,
                               before.width};
    const std::size_t area = before.height * before.width / 4;
    const std::span<float> pooled = scratch<Use::result>(images.blocks * block * area);
    Scratch memory{f.x.inside, f.w.inside, f.b.inside, f.y.inside, f.scratchpad};
    Passage input(f.x, x.data(), memory);
    Passage weight(f.w, w.data(), memory);
    Passage bias(f.b, b.data(), memory);
    const dnnl::memory result = memory.take(f.y.inside);
    const dnnl::memory scratchpad = memory.take(f.scratchpad);
    weight.carry_in();
    bias.carry_in();
    for (std::size_t i = 0; i < x.rows(); ++i) {
      input.move_to(x.row(i).data());
      input.carry_in();
      f.primitive.execute(stream(), {{DNNL_ARG_SRC, input.inner()},
                                     {DNNL_ARG_WEIGHTS, weight.inner()},
                                     {DNNL_ARG_BIAS, bias.inner()},
                                     {DNNL_ARG_DST, result},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad}});
      pool_blocks(images, static_cast<const float*>(result.get_data_handle()), relu,
                  block == 1 ? y.row(i).data() : pooled.data(),
                  places.size() == 0 ? nullptr : places.row(i).data());
      if (block != 1) unpack_channels(pooled.data(), block, before.channels, area, y.row(i).data());
    }
  });
}

void Convolution::backward_pooled(std::span<const float> w, const PooledGradient& gradient,
                                  TensorView<float> dx) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_shape("convolution", {gradient.dy.rows(), primitives_->image.size()}, dx.shape());
  const ImageShape before = output();
  const ImageShape after = pooled_output();
  const std::size_t block = primitives_->result_block();
  const std::size_t area = after.height * after.width;
  float* const spread = scratch<Use::values>(before.size()).data();
  for (std::size_t row = 0; row < dx.rows(); ++row) {
    std::fill_n(spread, before.size(), 0.0F);
    const float* dy = gradient.dy.row(row).data();
    const float* y = gradient.y.row(row).data();
    float* lines = spread;
    for (std::size_t c = 0; c < after.channels; ++c) {
      const ChannelPlaces places(gradient.places.row(row), c, area, block);
      for (std::size_t at = 0; at < area; lines += 2 * before.width)
        for (std::size_t j = 0; j < after.width; ++j, ++at, ++dy, ++y) {
          const std::size_t place = places[at];
          lines[place / 2 * before.width + 2 * j + place % 2] =
              gradient.relu && !(*y > 0) ? 0.0F : *dy;
        }
    }
    backward(w, ConstTensorView({spread, before.size()}, {1, before.size()}), dx.slice(row, 1));
  }
}

void Convolution::add_gradient_pooled(ConstTensorView x, const PooledGradient& gradient,
                                      std::span<float> dw, std::span<float> db) const {
  const ImageShape& image = primitives_->image;
  const ImageShape pooled = pooled_output();
  check_sizes("convolution weights", weights(), {dw.size()});
  check_sizes("convolution bias", pooled.channels, {db.size()});
  check_shape("convolution", {x.rows(), image.size()}, x.shape());
  check_shape("convolution", {x.rows(), pooled.size()}, gradient.dy.shape());
  const Window& window = primitives_->window;
  const std::size_t block = primitives_->result_block();
  const std::size_t area = pooled.height * pooled.width;
  const std::size_t filter_sums = window.size * window_line(window.size, image.channels);

  PaddedImage padded(image, window);
  const PooledWindows windows(pooled, window, image.channels, padded.stride());
  const std::span<float> sums = scratch<Use::result>(pooled.channels * filter_sums);
  std::ranges::fill(sums, 0.0F);
  const std::span<float> values = scratch<Use::values>(area + kAlignment);
  const auto positions = scratch<Use::positions, std::uint32_t>(area + kAlignment);
  for (std::size_t row = 0; row < x.rows(); ++row) {
    padded.fill(x.row(row));
    for (std::size_t f = 0; f < pooled.channels; ++f) {
      const auto of_filter = [&](ConstTensorView all) {
        return all.row(row).subspan(f * area, area);
      };
      const std::size_t count = keep_nonzero(
          of_filter(gradient.dy), gradient.relu ? of_filter(gradient.y) : std::span<const float>(),
          {values, positions});
      const ChannelPlaces places(gradient.places.row(row), f, area, block);
      for (std::uint32_t& position : positions.first(count))
        position = windows.corner[position] + windows.place[places[position]];
      add_windows({padded.data(), padded.stride(), window.size, image.channels},
                  values.first(count), positions.first(count), sums.data() + f * filter_sums);
      db[f] += static_cast<float>(sum(values.first(count)));
    }
  }
  add_to_weights(sums, pooled.channels, image.channels, window.size, dw);
}

}  // namespace gradatim::kernels
