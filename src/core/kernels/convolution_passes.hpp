#pragma once

#include <span>

#include "core/kernels/convolution_lines.hpp"
#include "gradatim/core/convolution.hpp"

/// The passes of one group of a convolution, sample by sample. Images come and go as planes,
/// (channels, height, width); inside, channels are last and padded to whole vectors where they are
/// those of a product's right side. All memory is the calling thread's scratch, so at most one pass
/// of each kind is alive in a thread.
namespace gradatim::kernels {

struct GroupShape {
  ImageShape image;
  Window window;
  ImageShape output;

  std::size_t window_area() const { return window.size * window.size; }
  std::size_t weights() const { return output.channels * image.channels * window_area(); }
  // Lines of the output, an even number, that stay in the first-level cache.
  std::size_t lines_at_a_time() const;
  std::size_t output_area() const { return output.height * output.width; }
  std::size_t packed_filters() const;
  // Of the padded image with its channels last.
  std::size_t line_step() const { return (image.width + 2 * window.padding) * image.channels; }
  std::size_t padded_floats() const { return line_step() * (image.height + 2 * window.padding); }
  WindowLines windows(std::size_t filters) const;
};

/// An image with its channels last in a frame of zeros: windows of it are a few runs of floats.
class PaddedImage {
 public:
  explicit PaddedImage(const GroupShape& shape);

  void fill(std::span<const float> planes);
  const float* line(std::size_t i) const { return values_.data() + i * line_step_; }
  std::size_t line_step() const { return line_step_; }

 private:
  ImageShape image_;
  std::size_t padding_, line_step_;
  std::span<float> values_;  // (height + 2 padding, width + 2 padding, channels)
};

/// w (filters, channels, size, size), b (filters); some lines of an output at a time.
class ForwardPass {
 public:
  ForwardPass(const GroupShape& shape, std::span<const float> w, std::span<const float> b);

  void begin(std::span<const float> planes) { image_.fill(planes); }
  /// Some lines of the output to y (count, width, packed filters).
  void lines(std::size_t first, std::size_t count, float* y) const;

 private:
  GroupShape shape_;
  PaddedImage image_;
  std::span<float> filters_;  // (size, size, channels, packed filters)
  std::span<float> bias_;     // (packed filters)
};

/// The gradient of a sample's output, channels last: (height, width, packed filters).
class OutputGradient {
 public:
  explicit OutputGradient(const GroupShape& shape);

  void fill(std::span<const float> planes);
  /// From that of the pooled output, where `places` say which value of each window it is of.
  void fill_from_pooled(std::span<const float> pooled_planes, const std::uint8_t* places);
  const float* data() const { return values_.data(); }

 private:
  GroupShape shape_;
  std::span<float> values_;
};

/// dw and db summed over samples.
class GradientPass {
 public:
  explicit GradientPass(const GroupShape& shape);

  void add(std::span<const float> image_planes, const OutputGradient& dy);
  /// dw (filters, channels, size, size) and db (filters) += the sums.
  void finish(std::span<float> dw, std::span<float> db) const;

 private:
  GroupShape shape_;
  PaddedImage image_;
  std::span<float> filters_;  // (size, size, channels, packed filters)
  std::span<float> bias_;     // (packed filters)
};

/// The gradient of the image: what each output passes back, a window at a time, is added up.
class BackwardPass {
 public:
  BackwardPass(const GroupShape& shape, std::span<const float> w);

  void run(const OutputGradient& dy, std::span<float> planes);

 private:
  GroupShape shape_;
  std::span<float> frame_;    // the padded image's gradient, channels last
  std::span<float> filters_;  // (size, filters, size · channels in whole vectors)
};

}  // namespace gradatim::kernels
