#include "core/kernels/convolution_passes.hpp"

#include <algorithm>

#include "core/kernels/pooled_windows.hpp"
#include "core/kernels/scratch.hpp"
#include "core/kernels/transpose.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

constexpr std::size_t kBehind = 64;  // floats that a vector may reach beyond what it is of

std::ptrdiff_t signed_size(std::size_t n) { return static_cast<std::ptrdiff_t>(n); }

template <Use kUse>
std::span<float> zeros(std::size_t count) {
  const std::span<float> values = scratch<kUse>(count);
  std::ranges::fill(values, 0.0F);
  return values;
}

// (filters, channels, size, size) to (size, size, channels, packed filters).
void pack_filters(const GroupShape& shape, const float* w, std::span<float> packed) {
  const std::size_t channels = shape.image.channels;
  const std::size_t area = shape.window_area();
  const std::size_t filters = shape.packed_filters();
  const auto row = signed_size(channels * area);
  if (area == 1) {
    transpose(shape.output.channels, channels, {w, row}, {packed.data(), signed_size(filters)});
    return;
  }
  for (std::size_t c = 0; c < channels; ++c)
    transpose(shape.output.channels, area, {w + c * area, row},
              {packed.data() + c * filters, signed_size(channels * filters)});
}

// The way back, to w.
void unpack_filters(const GroupShape& shape, const float* packed, float* w) {
  const std::size_t channels = shape.image.channels;
  const std::size_t area = shape.window_area();
  const std::size_t filters = shape.packed_filters();
  const auto row = signed_size(channels * area);
  if (area == 1) {
    transpose(channels, shape.output.channels, {packed, signed_size(filters)}, {w, row});
    return;
  }
  for (std::size_t c = 0; c < channels; ++c)
    transpose(area, shape.output.channels, {packed + c * filters, signed_size(channels * filters)},
              {w + c * area, row});
}

// (filters, channels, size, size) to (size, size, filters, packed channels), the windows turned by
// half a turn.
void pack_turned_filters(const GroupShape& shape, const float* w, std::span<float> packed) {
  const std::size_t channels = shape.image.channels;
  const std::size_t area = shape.window_area();
  const std::size_t filters = shape.output.channels;
  const std::size_t row = packed_columns(channels);
  for (std::size_t f = 0; f < filters; ++f)
    transpose(channels, area, {w + f * channels * area, signed_size(area)},
              {packed.data() + ((area - 1) * filters + f) * row, -signed_size(filters * row)});
}

}  // namespace

std::size_t GroupShape::packed_filters() const { return packed_columns(output.channels); }

PaddedImage::PaddedImage(const GroupShape& shape)
    : image_(shape.image),
      padding_(shape.window.padding),
      line_step_((image_.width + 2 * padding_) * image_.channels),
      values_(zeros<Use::image>(line_step_ * (image_.height + 2 * padding_) + kBehind)) {}

void PaddedImage::fill(std::span<const float> planes) {
  const std::size_t area = image_.height * image_.width;
  for (std::size_t i = 0; i < image_.height; ++i) {
    float* to = values_.data() + (i + padding_) * line_step_ + padding_ * image_.channels;
    const float* from = planes.data() + i * image_.width;
    if (image_.channels == 1)
      std::copy_n(from, image_.width, to);
    else
      transpose(image_.channels, image_.width, {from, signed_size(area)},
                {to, signed_size(image_.channels)});
  }
}

ForwardPass::ForwardPass(const GroupShape& shape, std::span<const float> w,
                         std::span<const float> b)
    : shape_(shape),
      image_(shape),
      filters_(
          zeros<Use::filters>(shape.window_area() * shape.image.channels * shape.packed_filters())),
      bias_(zeros<Use::bias>(shape.packed_filters())) {
  pack_filters(shape, w.data(), filters_);
  std::ranges::copy(b, bias_.begin());
}

void ForwardPass::line(std::size_t i, float* y) const {
  const Window& window = shape_.window;
  convolve_line({.pixels = shape_.output.width,
                 .lines = window.size,
                 .run = window.size * shape_.image.channels,
                 .line_step = image_.line_step(),
                 .pixel_step = window.stride * shape_.image.channels,
                 .filters = shape_.packed_filters()},
                image_.line(i * window.stride), filters_.data(), bias_.data(), y);
}

OutputGradient::OutputGradient(const GroupShape& shape)
    : shape_(shape),
      values_(zeros<Use::d_output>(shape.output_area() * shape.packed_filters() + kBehind)) {}

void OutputGradient::fill(std::span<const float> planes) {
  transpose(shape_.output.channels, shape_.output_area(),
            {planes.data(), signed_size(shape_.output_area())},
            {values_.data(), signed_size(shape_.packed_filters())});
}

void OutputGradient::fill_from_pooled(std::span<const float> pooled_planes,
                                      const std::uint8_t* places) {
  const std::size_t filters = shape_.packed_filters();
  const std::size_t area = shape_.output_area() / 4;
  const std::span<float> pooled = zeros<Use::d_pooled>(area * filters);
  transpose(shape_.output.channels, area, {pooled_planes.data(), signed_size(area)},
            {pooled.data(), signed_size(filters)});
  spread_pooled({shape_.output.height, shape_.output.width, filters}, pooled.data(), places,
                values_.data());
}

GradientPass::GradientPass(const GroupShape& shape)
    : shape_(shape),
      image_(shape),
      filters_(zeros<Use::d_filters>(shape.window_area() * shape.image.channels *
                                     shape.packed_filters())),
      bias_(zeros<Use::d_bias>(shape.packed_filters())) {}

void GradientPass::add(std::span<const float> image_planes, const OutputGradient& dy) {
  image_.fill(image_planes);
  const Window& window = shape_.window;
  const WindowLines windows{.pixels = shape_.output.width,
                            .lines = window.size,
                            .run = window.size * shape_.image.channels,
                            .line_step = image_.line_step(),
                            .pixel_step = window.stride * shape_.image.channels,
                            .filters = shape_.packed_filters()};
  add_lines_gradient(windows, {shape_.output.height, window.stride * image_.line_step()},
                     image_.line(0), dy.data(), filters_.data());
  add_rows(shape_.output_area(), shape_.packed_filters(), dy.data(), bias_.data());
}

void GradientPass::finish(std::span<float> dw, std::span<float> db) const {
  const std::span<float> plain = scratch<Use::d_weights>(dw.size());
  unpack_filters(shape_, filters_.data(), plain.data());
  add_to(plain, dw);
  add_to(bias_.first(db.size()), db);
}

BackwardPass::BackwardPass(const GroupShape& shape, std::span<const float> w)
    : shape_(shape),
      frame_height_(shape.image.height + shape.window.size - 1),
      frame_width_(shape.image.width + shape.window.size - 1),
      offset_(signed_size(shape.window.size) - 1 - signed_size(shape.window.padding)),
      frame_(zeros<Use::frame>(frame_height_ * frame_width_ * shape.output.channels + kBehind)),
      filters_(zeros<Use::turned>(shape.window_area() * shape.output.channels *
                                  packed_columns(shape.image.channels))),
      nothing_(zeros<Use::no_bias>(packed_columns(shape.image.channels))) {
  pack_turned_filters(shape, w.data(), filters_);
}

// Outputs whose place is outside the frame have windows of nothing but padding.
void BackwardPass::place(const float* dy) {
  const std::size_t filters = shape_.output.channels;
  const auto stride = signed_size(shape_.window.stride);
  const auto is_inside = [](std::ptrdiff_t at, std::size_t extent) {
    return at >= 0 && at < signed_size(extent);
  };
  for (std::size_t i = 0; i < shape_.output.height; ++i) {
    const std::ptrdiff_t row = signed_size(i) * stride + offset_;
    if (!is_inside(row, frame_height_)) continue;
    for (std::size_t j = 0; j < shape_.output.width; ++j) {
      const std::ptrdiff_t column = signed_size(j) * stride + offset_;
      if (!is_inside(column, frame_width_)) continue;
      std::copy_n(
          dy + (i * shape_.output.width + j) * shape_.packed_filters(), filters,
          frame_.data() + (row * signed_size(frame_width_) + column) * signed_size(filters));
    }
  }
}

// The lines of a window at line i of the frame that meet outputs; the others are zeros.
BackwardPass::LineRange BackwardPass::lines_of(std::size_t i) const {
  const std::ptrdiff_t behind =
      offset_ + signed_size((shape_.output.height - 1) * shape_.window.stride) + 1;
  const auto within = [&](std::ptrdiff_t line) {
    return static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(line - signed_size(i), 0, signed_size(shape_.window.size)));
  };
  const std::size_t first = within(offset_);
  return {first, std::max(first, within(behind)) - first};
}

void BackwardPass::run(const OutputGradient& dy, std::span<float> planes) {
  place(dy.data());
  const ImageShape& image = shape_.image;
  const std::size_t filters = shape_.output.channels;
  const std::size_t channels = packed_columns(image.channels);
  WindowLines windows{.pixels = image.width,
                      .lines = 0,
                      .run = shape_.window.size * filters,
                      .line_step = frame_width_ * filters,
                      .pixel_step = filters,
                      .filters = channels};
  const std::span<float> line = scratch<Use::dx_line>(image.width * channels);
  for (std::size_t i = 0; i < image.height; ++i) {
    const LineRange lines = lines_of(i);
    windows.lines = lines.count;
    convolve_line(windows, frame_.data() + (i + lines.first) * windows.line_step,
                  filters_.data() + lines.first * windows.run * channels, nothing_.data(),
                  line.data());
    transpose(image.width, image.channels, {line.data(), signed_size(channels)},
              {planes.data() + i * image.width, signed_size(image.height * image.width)});
  }
}

}  // namespace gradatim::kernels
