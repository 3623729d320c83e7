#include "core/kernels/depthwise.hpp"

#include <algorithm>

#include "core/kernels/scratch.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

// As many filters of one channel are quicker plane by plane than as a product's columns.
constexpr std::size_t kFewFilters = 4;

constexpr std::size_t ceiling(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

// Calls f(taps, phase, at_weights) for each phase that windows read.
template <class F>
void for_each_phase(const Phases& phases, F f) {
  const std::size_t read = std::min(phases.window.size, phases.window.stride);
  for (std::size_t u = 0; u < read; ++u)
    for (std::size_t v = 0; v < read; ++v)
      f(phases.taps(u, v), phases.phase(u, v), u * phases.window.size + v);
}

// Calls f(line, first, second) for each line of a plane, whose values, or every second of them, lie
// side by side from `first` on, and the others from `second` on.
template <class T, class F>
void for_each_line(const Phases& phases, std::span<T> plane, F f) {
  const std::size_t stride = phases.window.stride;
  const std::size_t first = phases.column(0);
  const std::size_t second = phases.column(1);
  for (std::size_t phase = 0; phase < std::min(stride, phases.height); ++phase) {
    std::size_t at = phases.line(phase);
    for (std::size_t i = phase; i < phases.height; i += stride, at += phases.step)
      f(plane.subspan(i * phases.width, phases.width), at + first, at + second);
  }
}

}  // namespace

bool suits_depthwise(const ImageShape& image, const Window& window, const ImageShape& output,
                     std::size_t groups) {
  return groups == image.channels && output.channels <= kFewFilters * groups &&
         window.stride <= 2 && window.size * window.size <= output.height * output.width;
}

Phases::Phases(const ImageShape& image, const Window& of, const ImageShape& output)
    : height(image.height),
      width(image.width),
      window(of),
      output_height(output.height),
      output_width(output.width),
      step(ceiling(width + 2 * window.padding, window.stride)),
      count(packed_columns(output_height * step)) {
  const std::size_t reach = (window.size - 1) / window.stride * (step + 1);
  margin = packed_columns(reach);
  const std::size_t lines = ceiling(height + 2 * window.padding, window.stride);
  floats = packed_columns(std::max(count + reach, lines * step));
}

Taps Phases::taps(std::size_t line, std::size_t column) const {
  return {ceiling(window.size - line, window.stride),
          ceiling(window.size - column, window.stride),
          static_cast<std::ptrdiff_t>(step),
          1,
          window.stride * window.size,
          window.stride};
}

std::size_t Phases::line(std::size_t i) const {
  const std::size_t padded = i + window.padding;
  return phase(padded % window.stride, 0) + padded / window.stride * step;
}

std::size_t Phases::column(std::size_t j) const {
  const std::size_t padded = j + window.padding;
  return phase(0, padded % window.stride) + padded / window.stride;
}

PlaneGradient::PlaneGradient(const Phases& phases)
    : phases_(phases), values_(zeroed_scratch<Use::d_output>(phases.margin + phases.floats)) {}

void PlaneGradient::read(std::span<const float> plane) {
  copy_lines(phases_.output_height, phases_.output_width, plane.data(), phases_.output_width,
             values_.data() + phases_.margin, phases_.step);
}

PlaneImage::PlaneImage(const Phases& phases)
    : phases_(phases),
      values_(zeroed_scratch<Use::image>(phases.all_floats())),
      output_(scratch<Use::lines>(phases.count)) {}

void PlaneImage::read(std::span<const float> plane) {
  float* const to = values_.data();
  if (phases_.window.stride == 1)
    return copy_lines(phases_.height, phases_.width, plane.data(), phases_.width,
                      to + phases_.line(0) + phases_.column(0), phases_.step);
  for_each_line(phases_, plane,
                [&](std::span<const float> line, std::size_t first, std::size_t second) {
                  split_line(line, to + first, to + second);
                });
}

void PlaneImage::forward(std::span<const float> w, float b, std::span<float> y) const {
  std::ranges::fill(output_, b);
  for_each_phase(phases_, [&](const Taps& taps, std::size_t phase, std::size_t at) {
    add_taps(taps, w.data() + at, values_.data() + phase, phases_.count, output_.data());
  });
  copy_lines(phases_.output_height, phases_.output_width, output_.data(), phases_.step, y.data(),
             phases_.output_width);
}

void PlaneImage::add_gradient(const PlaneGradient& dy, std::span<float> dw) const {
  for_each_phase(phases_, [&](const Taps& taps, std::size_t phase, std::size_t at) {
    add_taps_gradient(taps, values_.data() + phase, dy.data(), phases_.count, dw.data() + at);
  });
}

PlaneImageGradient::PlaneImageGradient(const Phases& phases)
    : phases_(phases), values_(scratch<Use::frame>(phases.all_floats())) {}

void PlaneImageGradient::begin() { std::ranges::fill(values_, 0.0F); }

// What window (i, j) read at (i + u, j + v) of a phase comes back there from (i, j).
void PlaneImageGradient::add(const PlaneGradient& dy, std::span<const float> w) {
  for_each_phase(phases_, [&](Taps taps, std::size_t phase, std::size_t at) {
    taps.line_step = -taps.line_step;
    taps.step = -taps.step;
    add_taps(taps, w.data() + at, dy.data(), phases_.floats, values_.data() + phase);
  });
}

void PlaneImageGradient::write(std::span<float> plane) const {
  const float* const from = values_.data();
  if (phases_.window.stride == 1)
    return copy_lines(phases_.height, phases_.width, from + phases_.line(0) + phases_.column(0),
                      phases_.step, plane.data(), phases_.width);
  for_each_line(phases_, plane, [&](std::span<float> line, std::size_t first, std::size_t second) {
    join_line(from + first, from + second, line);
  });
}

}  // namespace gradatim::kernels
