#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gradatim/core/shape.hpp"

namespace gradatim {

class Operation;

// ---- Initialisers: how the weights of a layer start. fan_in and fan_out are the number of inputs
// and outputs one unit of the layer is connected to.

/// N(0, standard_deviation²): the chapter's.
struct Gaussian {
  float standard_deviation = 0.01F;
  friend bool operator==(const Gaussian&, const Gaussian&) = default;
};
/// N(0, 2 / (fan_in + fan_out)): Glorot and Bengio, 2010; for sigmoid and tanh.
struct Xavier {
  friend bool operator==(const Xavier&, const Xavier&) = default;
};
/// N(0, 2 / fan_in): He, Zhang, Ren and Sun, 2015; for relu.
struct He {
  friend bool operator==(const He&, const He&) = default;
};
struct Zeros {
  friend bool operator==(const Zeros&, const Zeros&) = default;
};
using Initializer = std::variant<Gaussian, Xavier, He, Zeros>;

// ---- Layers: descriptions only, each a function of one sample. x is the layer's input.

/// y = x W + b with W (inputs, units) and b (units); x is one vector per sample.
struct Dense {
  std::size_t units = 0;
  Initializer weight = Gaussian{};
  Initializer bias = Zeros{};
  friend bool operator==(const Dense&, const Dense&) = default;
};
/// 1 / (1 + exp(-x))
struct Sigmoid {
  friend bool operator==(const Sigmoid&, const Sigmoid&) = default;
};
/// max(x, 0); its derivative at 0 is taken as 0.
struct Relu {
  friend bool operator==(const Relu&, const Relu&) = default;
};
struct Tanh {
  friend bool operator==(const Tanh&, const Tanh&) = default;
};
/// exp(x_k - max x) / sum_j exp(x_j - max x) over the values of one sample.
struct Softmax {
  friend bool operator==(const Softmax&, const Softmax&) = default;
};

/// What a layer of the user's own is made of; see examples/custom_layer.cpp.
class CustomLayer {
 public:
  virtual ~CustomLayer() = default;
  /// "swish": opens the names of its parameters and stands for it in messages.
  virtual std::string_view kind() const = 0;
  /// What it computes for inputs of one shape (gradatim/nn/operation.hpp). `label`, such as
  /// "layer 2 (swish)", opens the message of a ShapeError.
  virtual std::unique_ptr<const Operation> make_operation(const Shape& input,
                                                          const std::string& label) const = 0;
};
/// A layer of the user's own; equal to itself and its copies. It has no text form: recipes and
/// model files don't hold it.
struct Custom {
  std::shared_ptr<const CustomLayer> layer;
  friend bool operator==(const Custom&, const Custom&) = default;
};
using Layer = std::variant<Dense, Sigmoid, Relu, Tanh, Softmax, Custom>;

// ---- Losses: the mean over a batch of the loss of one sample.

/// -log softmax(x)[label], fused: no overflow, no log of zero, for any finite x.
struct SoftmaxCrossEntropy {
  friend bool operator==(const SoftmaxCrossEntropy&, const SoftmaxCrossEntropy&) = default;
};
/// -sum_k t_k log(y_k + epsilon) of probabilities y: the chapter's, with its 1e-7.
struct CrossEntropy {
  float epsilon = 1e-7F;
  friend bool operator==(const CrossEntropy&, const CrossEntropy&) = default;
};
/// 0.5 sum_k (y_k - t_k)²
struct SumOfSquaredErrors {
  friend bool operator==(const SumOfSquaredErrors&, const SumOfSquaredErrors&) = default;
};
using Loss = std::variant<SoftmaxCrossEntropy, CrossEntropy, SumOfSquaredErrors>;

/// "dense", "sigmoid", ... as recipes and parameter names spell them; "softmax_cross_entropy", ...
std::string_view kind(const Layer& layer);
std::string_view kind(const Loss& loss);

/// A network as a value: the shape of one input sample and the layers it passes through.
struct Network {
  Network() = default;
  Network(Shape input_shape, std::vector<Layer> layer_list)
      : input(input_shape), layers(std::move(layer_list)) {}

  Shape input;
  std::vector<Layer> layers;

  friend bool operator==(const Network&, const Network&) = default;
};

/// One line a layer: name, output shape, parameters; and their sum.
std::string to_string(const Network& network);

}  // namespace gradatim
