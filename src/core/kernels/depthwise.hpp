#pragma once

#include <span>

#include "core/kernels/plane_taps.hpp"
#include "gradatim/core/convolution.hpp"

/// Convolutions whose filters see one channel each, plane by plane: a product over channels would
/// leave all lanes of a vector but one idle. All memory is the calling thread's scratch, some of it
/// that of convolution_passes.hpp: at most one object of each kind is alive in a thread, and none
/// beside those.
namespace gradatim::kernels {

/// True where working plane by plane is quicker: few filters a channel, a stride of 1 or 2, and no
/// more values in a window than in an output.
bool suits_depthwise(const ImageShape& image, const Window& window, const ImageShape& output,
                     std::size_t groups);

/// A padded plane lies as stride² planes, phases, of every stride-th value each way: in those, what
/// a tap of the windows reads for neighbouring outputs lies side by side, and a plane is one run of
/// floats, of which those behind the outputs of a line are made and never used. The stride is 1 or
/// 2.
struct Phases {
  Phases(const ImageShape& image, const Window& window, const ImageShape& output);

  std::size_t all_floats() const { return window.stride * window.stride * floats; }
  std::size_t phase(std::size_t line, std::size_t column) const {
    return (line * window.stride + column) * floats;
  }
  /// Of the windows in a phase. Requires line, column < window.size.
  Taps taps(std::size_t line, std::size_t column) const;
  /// Value (i, j) of an image lies at line(i) + column(j).
  std::size_t line(std::size_t i) const;
  std::size_t column(std::size_t j) const;

  std::size_t height, width;  // of the image
  Window window;
  std::size_t output_height, output_width;
  std::size_t step;    // from one line of a phase, or of an output, to the next
  std::size_t count;   // floats of an output
  std::size_t margin;  // zeros before an output: how far windows reach back
  std::size_t floats;  // of a phase
};

/// The gradient of an output, with zeros where a phase has values that no output lies at.
class PlaneGradient {
 public:
  explicit PlaneGradient(const Phases& phases);
  void read(std::span<const float> plane);
  const float* data() const { return values_.data() + phases_.margin; }

 private:
  const Phases& phases_;
  std::span<float> values_;  // the margin, then as long as a phase
};

/// A channel of a sample, and what its windows give.
class PlaneImage {
 public:
  explicit PlaneImage(const Phases& phases);
  void read(std::span<const float> plane);
  /// y (height, width) of the output, for w (size, size).
  void forward(std::span<const float> w, float b, std::span<float> y) const;
  /// dw (size, size) += the gradient of the weights.
  void add_gradient(const PlaneGradient& dy, std::span<float> dw) const;

 private:
  const Phases& phases_;
  std::span<float> values_;
  std::span<float> output_;
};

/// The gradient of a channel of a sample, from nothing, by the outputs it gave.
class PlaneImageGradient {
 public:
  explicit PlaneImageGradient(const Phases& phases);
  void begin();
  void add(const PlaneGradient& dy, std::span<const float> w);
  void write(std::span<float> plane) const;

 private:
  const Phases& phases_;
  std::span<float> values_;
};

}  // namespace gradatim::kernels
