#include "core/kernels/convolution_passes.hpp"

#include <algorithm>

#include "core/kernels/pooled_windows.hpp"
#include "core/kernels/scratch.hpp"
#include "core/kernels/transpose.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

constexpr std::size_t kBehind = 64;  // floats that may be read behind an image

std::ptrdiff_t signed_size(std::size_t n) { return static_cast<std::ptrdiff_t>(n); }

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

// (filters, channels, size, size) to (size, filters, size · channels in whole vectors): line by
// line of the windows.
void pack_windows(const GroupShape& shape, const float* w, std::span<float> packed) {
  const std::size_t size = shape.window.size;
  const std::size_t run = size * shape.image.channels;
  const std::size_t filters = shape.packed_filters();
  const std::span<float> lines = scratch<Use::filters>(size * run * filters);
  pack_filters(shape, w, lines);
  for (std::size_t u = 0; u < size; ++u)
    transpose(run, shape.output.channels, {lines.data() + u * run * filters, signed_size(filters)},
              {packed.data() + u * shape.output.channels * packed_columns(run),
               signed_size(packed_columns(run))});
}

}  // namespace

std::size_t GroupShape::packed_filters() const { return packed_columns(output.channels); }

std::size_t GroupShape::lines_at_a_time() const {
  constexpr std::size_t kFloats = 4096;
  return std::max<std::size_t>(1, kFloats / (2 * output.width * packed_filters())) * 2;
}

WindowLines GroupShape::windows(std::size_t filters) const {
  return {.rows = output.height,
          .pixels = output.width,
          .lines = window.size,
          .run = window.size * image.channels,
          .row_step = window.stride * line_step(),
          .line_step = line_step(),
          .pixel_step = window.stride * image.channels,
          .filters = filters};
}

PaddedImage::PaddedImage(const GroupShape& shape)
    : image_(shape.image),
      padding_(shape.window.padding),
      line_step_(shape.line_step()),
      values_(zeroed_scratch<Use::image>(shape.padded_floats() + kBehind)) {}

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
      filters_(zeroed_scratch<Use::filters>(shape.window_area() * shape.image.channels *
                                            shape.packed_filters())),
      bias_(zeroed_scratch<Use::bias>(shape.packed_filters())) {
  pack_filters(shape, w.data(), filters_);
  std::ranges::copy(b, bias_.begin());
}

void ForwardPass::lines(std::size_t first, std::size_t count, float* y) const {
  WindowLines windows = shape_.windows(shape_.packed_filters());
  windows.rows = count;
  convolve_lines(windows, image_.line(first * shape_.window.stride), filters_.data(), bias_.data(),
                 y);
}

OutputGradient::OutputGradient(const GroupShape& shape)
    : shape_(shape),
      values_(zeroed_scratch<Use::d_output>(shape.output_area() * shape.packed_filters())) {}

void OutputGradient::fill(std::span<const float> planes) {
  transpose(shape_.output.channels, shape_.output_area(),
            {planes.data(), signed_size(shape_.output_area())},
            {values_.data(), signed_size(shape_.packed_filters())});
}

void OutputGradient::fill_from_pooled(std::span<const float> pooled_planes,
                                      const std::uint8_t* places) {
  const std::size_t filters = shape_.packed_filters();
  const std::size_t area = shape_.output_area() / 4;
  const std::span<float> pooled = zeroed_scratch<Use::d_pooled>(area * filters);
  transpose(shape_.output.channels, area, {pooled_planes.data(), signed_size(area)},
            {pooled.data(), signed_size(filters)});
  spread_pooled({shape_.output.height, shape_.output.width, filters}, pooled.data(), places,
                values_.data());
}

GradientPass::GradientPass(const GroupShape& shape)
    : shape_(shape),
      image_(shape),
      filters_(zeroed_scratch<Use::d_filters>(shape.window_area() * shape.image.channels *
                                              shape.packed_filters())),
      bias_(zeroed_scratch<Use::d_bias>(shape.packed_filters())) {}

void GradientPass::add(std::span<const float> image_planes, const OutputGradient& dy) {
  image_.fill(image_planes);
  add_lines_gradient(shape_.windows(shape_.packed_filters()), image_.line(0), dy.data(),
                     filters_.data());
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
      frame_(scratch<Use::frame>(shape.padded_floats())),
      filters_(
          zeroed_scratch<Use::windows>(shape.window.size * shape.output.channels *
                                       packed_columns(shape.window.size * shape.image.channels))) {
  pack_windows(shape, w.data(), filters_);
}

void BackwardPass::run(const OutputGradient& dy, std::span<float> planes) {
  const ImageShape& image = shape_.image;
  const std::size_t padding = shape_.window.padding;
  std::ranges::fill(frame_, 0.0F);
  spread_lines(shape_.windows(shape_.output.channels), shape_.packed_filters(), dy.data(),
               filters_.data(), frame_.data());
  const float* inside = frame_.data() + padding * (shape_.line_step() + image.channels);
  for (std::size_t i = 0; i < image.height; ++i)
    transpose(image.width, image.channels,
              {inside + i * shape_.line_step(), signed_size(image.channels)},
              {planes.data() + i * image.width, signed_size(image.height * image.width)});
}

}  // namespace gradatim::kernels
