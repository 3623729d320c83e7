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
struct Ones {
  friend bool operator==(const Ones&, const Ones&) = default;
};
/// He where relu, leaky_relu, gelu, silu or softplus is the next layer that does not only pool,
/// reshape, normalise, drop or add; Xavier otherwise.
struct Automatic {
  friend bool operator==(const Automatic&, const Automatic&) = default;
};
using Initializer = std::variant<Gaussian, Xavier, He, Zeros, Automatic, Ones>;

// ---- Layers: descriptions only, each a function of one sample. x is the layer's input.

/// y = x W + b with W (inputs, units) and b (units); x is one vector per sample. The chapter's
/// network starts from weight = Gaussian{}.
struct Dense {
  std::size_t units = 0;
  Initializer weight = Automatic{};
  Initializer bias = Zeros{};
  friend bool operator==(const Dense&, const Dense&) = default;
};
/// 1 / (1 + exp(-x))
struct Sigmoid {
  friend bool operator==(const Sigmoid&, const Sigmoid&) = default;
};
/// max(x, 0), NaN if x is; its derivative at 0 is taken as 0.
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
/// x > 0 ? x : slope · x, slope at least 0; its derivative at 0 is taken as slope.
struct LeakyRelu {
  float slope = 0.01F;
  friend bool operator==(const LeakyRelu&, const LeakyRelu&) = default;
};
/// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))): Hendrycks and Gimpel's tanh form, 2016; torch
/// calls it approximate="tanh".
struct Gelu {
  friend bool operator==(const Gelu&, const Gelu&) = default;
};
/// x / (1 + exp(-x)), also called swish.
struct Silu {
  friend bool operator==(const Silu&, const Silu&) = default;
};
/// log(1 + exp(x))
struct Softplus {
  friend bool operator==(const Softplus&, const Softplus&) = default;
};
/// The same values as one vector per sample.
struct Flatten {
  friend bool operator==(const Flatten&, const Flatten&) = default;
};
/// In training, y is 0 with probability `rate`, in [0, 1), and x / (1 - rate) otherwise: a function
/// of the batch's StepKey, the layer, the row and the value. In prediction, y = x (inverted
/// dropout; Srivastava et al., 2014).
struct Dropout {
  float rate = 0.5F;
  friend bool operator==(const Dropout&, const Dropout&) = default;
};
/// y = x plus what enters the layer `over` layers before this one, which must have the shape of x:
/// {Dense, Relu, Dense, Residual{.over = 3}, Relu} adds the input of the first Dense to the output
/// of the second (He, Zhang, Ren and Sun, 2016).
struct Residual {
  std::size_t over = 2;
  friend bool operator==(const Residual&, const Residual&) = default;
};
/// y = (x - mean) / sqrt(variance + epsilon) · weight + bias: mean and (biased) variance of the
/// values of one sample, weight and bias of its shape, 1 and 0 at first (Ba, Kiros and Hinton,
/// 2016).
struct LayerNorm {
  float epsilon = 1e-5F;
  friend bool operator==(const LayerNorm&, const LayerNorm&) = default;
};
// ---- Layers on images, samples of shape (channels, height, width). Along an extent, windows give
// floor((extent + 2 padding - size) / stride) + 1 outputs.

/// y(f, i, j) = b(f) + sum over channels c and offsets u, v of W(f, c, u, v) · x(c, i·stride + u -
/// padding, j·stride + v - padding), x zero outside, with W (filters, channels / groups, kernel,
/// kernel) and b (filters). Filters and channels are cut into `groups` that see only each other.
struct Conv2d {
  std::size_t filters = 0;
  std::size_t kernel = 3;
  std::size_t stride = 1;
  std::size_t padding = 0;
  std::size_t groups = 1;
  Initializer weight = Automatic{};
  Initializer bias = Zeros{};
  friend bool operator==(const Conv2d&, const Conv2d&) = default;
};
/// The largest value of each window, padding left out; NaN where there is one. The gradient goes to
/// the first of equals.
struct MaxPool2d {
  std::size_t size = 2;
  std::size_t stride = 2;
  std::size_t padding = 0;  // less than size
  friend bool operator==(const MaxPool2d&, const MaxPool2d&) = default;
};
/// The mean of each window, padding counted as zeros.
struct AvgPool2d {
  std::size_t size = 2;
  std::size_t stride = 2;
  std::size_t padding = 0;  // less than size
  friend bool operator==(const AvgPool2d&, const AvgPool2d&) = default;
};
/// The mean of each channel: (channels, height, width) becomes (channels).
struct GlobalAvgPool {
  friend bool operator==(const GlobalAvgPool&, const GlobalAvgPool&) = default;
};
/// y = (x - mean) / sqrt(variance + epsilon) · weight + bias for each feature of (features), or
/// each channel of (channels, height, width), with weight 1 and bias 0 at first. In training, mean
/// and (biased) variance are those of the whole batch, and running averages of the mean and of the
/// unbiased variance move by momentum · (batch's - running); in prediction they are those averages
/// (Ioffe and Szegedy, 2015). The averages are tensors of the network's vector theta, which no
/// gradient moves (ParameterTensor::trained): Program::update_statistics does.
struct BatchNorm {
  float epsilon = 1e-5F;
  float momentum = 0.1F;
  friend bool operator==(const BatchNorm&, const BatchNorm&) = default;
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
using Layer = std::variant<Dense, Sigmoid, Relu, Tanh, Softmax, LeakyRelu, Gelu, Silu, Softplus,
                           Flatten, Conv2d, MaxPool2d, AvgPool2d, GlobalAvgPool, Dropout, Residual,
                           LayerNorm, BatchNorm, Custom>;

// ---- Losses: the mean over a batch of the loss of one sample.

/// -sum_k t_k log softmax(x)_k, fused: no overflow, no log of zero, for any finite x. A label is
/// one-hot t; label_smoothing s in [0, 1) replaces t by (1 - s) t + s / classes (Szegedy, 2016).
struct SoftmaxCrossEntropy {
  float label_smoothing = 0.0F;
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
/// The mean over k of -t_k log sigmoid(x_k) - (1 - t_k) log(1 - sigmoid(x_k)), t_k in [0, 1]: yes
/// or no for each output on its own, fused as max(x, 0) - x t + log(1 + exp(-|x|)).
struct BinaryCrossEntropy {
  friend bool operator==(const BinaryCrossEntropy&, const BinaryCrossEntropy&) = default;
};
/// The mean over k of (y_k - t_k)².
struct MeanSquaredError {
  friend bool operator==(const MeanSquaredError&, const MeanSquaredError&) = default;
};
/// The mean over k of 0.5 e² where |e| = |y_k - t_k| is at most delta, delta (|e| - 0.5 delta)
/// beyond (Huber, 1964). delta is positive.
struct Huber {
  float delta = 1.0F;
  friend bool operator==(const Huber&, const Huber&) = default;
};
using Loss = std::variant<SoftmaxCrossEntropy, CrossEntropy, SumOfSquaredErrors, BinaryCrossEntropy,
                          MeanSquaredError, Huber>;

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
