#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gradatim/core/tensor.hpp"

namespace gradatim::kernels {

/// Images of (channels, height, width) and square windows over them.
struct ImageShape {
  std::size_t channels = 1;
  std::size_t height = 1;
  std::size_t width = 1;
  std::size_t size() const { return channels * height * width; }
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
};
struct Window {
  std::size_t size = 1;
  std::size_t stride = 1;
  std::size_t padding = 0;  // zeros on each side
  friend bool operator==(const Window&, const Window&) = default;
};
/// How many windows fit along an extent: floor((extent + 2 padding - size) / stride) + 1.
/// Requires size <= extent + 2 padding.
constexpr std::size_t windows_along(std::size_t extent, const Window& window) {
  return (extent + 2 * window.padding - window.size) / window.stride + 1;
}

/// One of `count` equal parts of values that lie part by part: the planes of an image, the weights
/// of filters or groups.
template <class T>
std::span<T> part(std::span<T> values, std::size_t index, std::size_t count) {
  const std::size_t size = values.size() / count;
  return values.subspan(index * size, size);
}

/// Bytes that convolutions and pools keep for the calling thread.
std::size_t thread_bytes();

struct GroupShape;  // of one group, src/core/kernels/convolution_passes.hpp

/// What is called convolution in neural networks (cross-correlation):
///
///     y(f, i, j) = b(f) + sum_{c, u, v} w(f, c, u, v) · x(c, i·stride + u - padding, j·stride + v
///     - padding)
///
/// with x zero outside the image. Filters and channels are cut into `groups` that see only each
/// other: w is (filters, channels / groups, size, size). One call works through its rows (samples)
/// on the calling thread, one after the other, so a row has the same bits in any slice. It works in
/// memory that the thread keeps for its next call. A value of w that is not finite need not reach y
/// where it meets zeros. One of x or w may make more of the gradients NaN than meet it, within its
/// channel (of dx, its sample's) and no further.
class Convolution {
 public:
  /// groups divides channels and filters; the window fits.
  Convolution(const ImageShape& image, const Window& window, std::size_t filters,
              std::size_t groups);

  const ImageShape& output() const { return output_; }
  std::size_t weights() const;  // number of them

  /// y (rows, output) from x (rows, image).
  void forward(std::span<const float> w, std::span<const float> b, ConstTensorView x,
               TensorView<float> y) const;
  /// dx (rows, image) from dy (rows, output).
  void backward(std::span<const float> w, ConstTensorView dy, TensorView<float> dx) const;
  /// dw += the sum over the rows of the gradient of w, db += that of b, rows added in order.
  void add_gradient(ConstTensorView x, ConstTensorView dy, std::span<float> dw,
                    std::span<float> db) const;
  /// Takes all memory that these keep for the calling thread.
  void reserve() const;

  // ---- The convolution with what often follows it, a max pool of 2 x 2 windows side by side and
  // relu, in one pass: forward's output never leaves the cache, and since only one in four of its
  // values has a gradient, that of the weights takes a quarter of the work or less. Requires one
  // group, and an output of even height and width.

  /// output() with half its height and width.
  ImageShape pooled_output() const;
  /// How many bytes for one sample say which value of each window is the largest.
  std::size_t places() const;
  /// y (rows, pooled_output) = the largest of each window of forward's output; max(·, 0) of it if
  /// relu; NaN where a window has one. places (rows, places()) is for the two functions below;
  /// without rows, it is left out.
  void forward_pooled(std::span<const float> w, std::span<const float> b, bool relu,
                      ConstTensorView x, TensorView<float> y,
                      TensorView<std::uint8_t> places) const;
  /// The gradient of the loss by the pooled output: dy where the largest value of a window passed
  /// it on, which with relu is where y is positive.
  struct PooledGradient {
    bool relu = false;
    ConstTensorView y;                        // (rows, pooled_output)
    ConstTensorView dy;                       // (rows, pooled_output)
    TensorView<const std::uint8_t> places{};  // (rows, places())
  };
  void backward_pooled(std::span<const float> w, const PooledGradient& gradient,
                       TensorView<float> dx) const;
  void add_gradient_pooled(ConstTensorView x, const PooledGradient& gradient, std::span<float> dw,
                           std::span<float> db) const;
  void reserve_pooled() const;

 private:
  void check_gradient(const PooledGradient& gradient, std::size_t rows) const;
  GroupShape group() const;

  // Few filters that see one channel each are worked through plane by plane.
  bool is_depthwise() const;
  void forward_planes(std::span<const float> w, std::span<const float> b, ConstTensorView x,
                      TensorView<float> y) const;
  void backward_planes(std::span<const float> w, ConstTensorView dy, TensorView<float> dx) const;
  void add_gradient_planes(ConstTensorView x, ConstTensorView dy, std::span<float> dw,
                           std::span<float> db) const;

  ImageShape image_;
  Window window_;
  ImageShape output_;
  std::size_t groups_;
};

}  // namespace gradatim::kernels
