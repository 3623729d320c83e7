#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/core/tensor.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

/// Where one tensor lies in a network's parameter vector.
struct ParameterTensor {
  std::string name;  // "dense1.weight": the layer's kind, its number among that kind, the role
  Shape shape;
  std::size_t offset = 0;  // in floats
  std::size_t layer = 0;   // index into Network::layers
  bool trained = true;     // false: a running statistic, whose gradient is zero
  friend bool operator==(const ParameterTensor&, const ParameterTensor&) = default;
};

/// All tensors of a network in one vector theta of `size` floats (docs/principles.md, P1), in the
/// order of the layers, without gaps.
struct ParameterLayout {
  std::vector<ParameterTensor> tensors;
  std::size_t size = 0;
  friend bool operator==(const ParameterLayout&, const ParameterLayout&) = default;
};

/// Throws ShapeError naming the layer by index and kind, the expected and the received shape.
ParameterLayout parameter_layout(const Network& network);

/// The shape of one output sample. Throws as parameter_layout.
Shape output_shape(const Network& network);

/// The parameters of a network: theta and its named views.
class Parameters {
 public:
  Parameters() = default;
  explicit Parameters(ParameterLayout layout) : layout_(std::move(layout)), theta_(layout_.size) {}

  const ParameterLayout& layout() const { return layout_; }
  std::span<float> theta() { return theta_; }
  std::span<const float> theta() const { return theta_; }

  /// The tensor called `name`. Throws InvalidArgument naming the nearest existing name.
  TensorView<float> operator[](std::string_view name);
  ConstTensorView operator[](std::string_view name) const;

 private:
  const ParameterTensor& find(std::string_view name) const;

  ParameterLayout layout_;
  AlignedVector<float> theta_;
};

/// Every tensor drawn by its layer's initialiser; a function of (network, seed) only.
Parameters initialize(const Network& network, std::uint64_t seed);

}  // namespace gradatim
