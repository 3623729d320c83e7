#include "core/kernels/depthwise.hpp"

#include <algorithm>

#include "core/kernels/scratch.hpp"

namespace gradatim::kernels {
namespace {

constexpr std::size_t whole_vectors(std::size_t floats) { return (floats + 15) / 16 * 16; }

constexpr std::size_t ceiling(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

template <Use kUse>
std::span<float> zeros(std::size_t count) {
  const std::span<float> values = scratch<kUse>(count);
  std::ranges::fill(values, 0.0F);
  return values;
}

}  // namespace

Phases::Phases(const ImageShape& image, const Window& of, const ImageShape& output)
    : height(image.height),
      width(image.width),
      window(of),
      output_height(output.height),
      output_width(output.width),
      step(ceiling(width + 2 * window.padding, window.stride)),
      count(whole_vectors(output_height * step)) {
  const std::size_t reach = (window.size - 1) / window.stride * (step + 1);
  margin = whole_vectors(reach);
  const std::size_t lines = ceiling(height + 2 * window.padding, window.stride);
  floats = whole_vectors(std::max(count + reach, lines * step));
}

Taps Phases::taps(std::size_t phase_line, std::size_t phase_column) const {
  return {ceiling(window.size - phase_line, window.stride),
          ceiling(window.size - phase_column, window.stride),
          static_cast<std::ptrdiff_t>(step),
          1,
          window.stride * window.size,
          window.stride};
}

DepthwisePass::DepthwisePass(const ImageShape& image, const Window& window,
                             const ImageShape& output)
    : phases_(image, window, output) {
  const std::size_t all = window.stride * window.stride * phases_.floats;
  image_ = zeros<Use::image>(all);
  d_image_ = zeros<Use::frame>(all);
  d_output_ = zeros<Use::d_output>(phases_.margin + phases_.floats);
  output_ = scratch<Use::lines>(phases_.count);
}

// Value (i, j) of an image lies at line_place(i) + column_place(j).
std::size_t DepthwisePass::line_place(std::size_t i) const {
  const auto [size, stride, padding] = phases_.window;
  return phases_.plane((i + padding) % stride, 0) + (i + padding) / stride * phases_.step;
}

std::size_t DepthwisePass::column_place(std::size_t j) const {
  const auto [size, stride, padding] = phases_.window;
  return phases_.plane(0, (j + padding) % stride) + (j + padding) / stride;
}

// Calls f(i, line_place(i)) for each line of an image.
template <class F>
void DepthwisePass::for_each_line(F f) const {
  const std::size_t stride = phases_.window.stride;
  for (std::size_t first = 0; first < std::min(stride, phases_.height); ++first) {
    std::size_t at = line_place(first);
    for (std::size_t i = first; i < phases_.height; i += stride, at += phases_.step) f(i, at);
  }
}

void DepthwisePass::read_image(std::span<const float> plane) {
  const std::size_t width = phases_.width;
  const std::size_t stride = phases_.window.stride;
  const std::size_t first = column_place(0);
  const std::size_t second = column_place(1);
  float* const to = image_.data();
  if (stride == 1)
    return copy_lines(phases_.height, width, plane.data(), width, to + line_place(0) + first,
                      phases_.step);
  for_each_line([&](std::size_t i, std::size_t at) {
    const auto line = plane.subspan(i * width, width);
    if (stride == 2) return split_line(line, to + at + first, to + at + second);
    for (std::size_t j = 0; j < width; ++j) to[at + column_place(j)] = line[j];
  });
}

void DepthwisePass::write_image(std::span<float> plane) const {
  const std::size_t width = phases_.width;
  const std::size_t stride = phases_.window.stride;
  const std::size_t first = column_place(0);
  const std::size_t second = column_place(1);
  const float* const from = d_image_.data();
  if (stride == 1)
    return copy_lines(phases_.height, width, from + line_place(0) + first, phases_.step,
                      plane.data(), width);
  for_each_line([&](std::size_t i, std::size_t at) {
    const auto line = plane.subspan(i * width, width);
    if (stride == 2) return join_line(from + at + first, from + at + second, line);
    for (std::size_t j = 0; j < width; ++j) line[j] = from[at + column_place(j)];
  });
}

void DepthwisePass::read_gradient(std::span<const float> plane) {
  copy_lines(phases_.output_height, phases_.output_width, plane.data(), phases_.output_width,
             d_output_.data() + phases_.margin, phases_.step);
}

// Calls f(taps, phase, at_weights) for each phase that windows read.
template <class F>
void DepthwisePass::for_each_phase(F f) const {
  const auto [size, stride, padding] = phases_.window;
  const std::size_t read = std::min(size, stride);
  for (std::size_t u = 0; u < read; ++u)
    for (std::size_t v = 0; v < read; ++v) f(phases_.taps(u, v), phases_.plane(u, v), u * size + v);
}

void DepthwisePass::forward(std::span<const float> w, float b, std::span<float> y) const {
  std::ranges::fill(output_, b);
  for_each_phase([&](const Taps& taps, std::size_t phase, std::size_t at) {
    add_taps(taps, w.data() + at, image_.data() + phase, phases_.count, output_.data());
  });
  copy_lines(phases_.output_height, phases_.output_width, output_.data(), phases_.step, y.data(),
             phases_.output_width);
}

void DepthwisePass::add_gradient(std::span<float> dw) const {
  for_each_phase([&](const Taps& taps, std::size_t phase, std::size_t at) {
    add_taps_gradient(taps, image_.data() + phase, d_output_.data() + phases_.margin, phases_.count,
                      dw.data() + at);
  });
}

void DepthwisePass::begin_image() { std::ranges::fill(d_image_, 0.0F); }

// What window (i, j) read at (i + u, j + v) of a phase comes back there from (i, j).
void DepthwisePass::pass_back(std::span<const float> w) {
  for_each_phase([&](Taps taps, std::size_t phase, std::size_t at) {
    taps.line_step = -taps.line_step;
    taps.step = -taps.step;
    add_taps(taps, w.data() + at, d_output_.data() + phases_.margin, phases_.floats,
             d_image_.data() + phase);
  });
}

}  // namespace gradatim::kernels
