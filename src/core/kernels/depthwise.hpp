#pragma once

#include <span>

#include "core/kernels/plane_taps.hpp"
#include "gradatim/core/convolution.hpp"

/// Convolutions whose filters see one channel each, plane by plane: a product over channels would
/// leave all lanes of a vector but one idle.
namespace gradatim::kernels {

/// A padded plane lies as stride² planes, phases, of every stride-th value each way: in those, what
/// a tap of the windows reads for neighbouring outputs lies side by side, and a plane is one run of
/// floats, of which those behind the outputs of a line are made and never used.
struct Phases {
  Phases(const ImageShape& image, const Window& window, const ImageShape& output);

  std::size_t plane(std::size_t phase_line, std::size_t phase_column) const {
    return (phase_line * window.stride + phase_column) * floats;
  }
  /// Of the windows in a phase below their size; the others are passed over.
  Taps taps(std::size_t phase_line, std::size_t phase_column) const;

  std::size_t height, width;  // of the image
  Window window;
  std::size_t output_height, output_width;
  std::size_t step;    // from one line of a phase, or of an output, to the next
  std::size_t count;   // floats of an output
  std::size_t margin;  // zeros before an output: how far windows reach back
  std::size_t floats;  // of a phase
};

/// Of some samples; all memory is the calling thread's scratch, so at most one is alive in a
/// thread.
class DepthwisePass {
 public:
  DepthwisePass(const ImageShape& image, const Window& window, const ImageShape& output);

  /// The image that forward and add_gradient read: a channel of a sample.
  void read_image(std::span<const float> plane);
  /// The gradient of an output that add_gradient and pass_back read.
  void read_gradient(std::span<const float> plane);

  /// y (height, width) of the output, for w (size, size).
  void forward(std::span<const float> w, float b, std::span<float> y) const;
  /// dw (size, size) += the gradient of the weights.
  void add_gradient(std::span<float> dw) const;
  /// The gradient of an image, from nothing, by the outputs it gave.
  void begin_image();
  void pass_back(std::span<const float> w);
  void write_image(std::span<float> plane) const;

 private:
  std::size_t line_place(std::size_t i) const;
  std::size_t column_place(std::size_t j) const;
  template <class F>
  void for_each_line(F f) const;
  template <class F>
  void for_each_phase(F f) const;

  Phases phases_;
  std::span<float> image_;     // stride² phases
  std::span<float> d_image_;   // the same
  std::span<float> d_output_;  // the margin, then as long as a phase
  std::span<float> output_;
};

}  // namespace gradatim::kernels
