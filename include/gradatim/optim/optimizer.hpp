#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/core/updates.hpp"
#include "gradatim/optim/schedule.hpp"

namespace gradatim {

// ---- Optimizers. g is the gradient, after clipping and L2 decay; every state starts at zero.

/// theta -= learning_rate · g
struct Sgd {
  float learning_rate = 0.1F;
  friend bool operator==(const Sgd&, const Sgd&) = default;
};
/// v = momentum · v - learning_rate · g; theta += v (Polyak, 1964).
struct Momentum {
  float learning_rate = 0.01F;
  float momentum = 0.9F;
  friend bool operator==(const Momentum&, const Momentum&) = default;
};
/// v = momentum · v - learning_rate · g; theta += momentum · v - learning_rate · g (Nesterov, 1983,
/// as Sutskever, Martens, Dahl and Hinton write it, 2013).
struct Nesterov {
  float learning_rate = 0.01F;
  float momentum = 0.9F;
  friend bool operator==(const Nesterov&, const Nesterov&) = default;
};
/// h += g²; theta -= learning_rate · g / (sqrt(h) + epsilon) (Duchi, Hazan and Singer, 2011).
struct AdaGrad {
  float learning_rate = 0.01F;
  float epsilon = 1e-7F;
  friend bool operator==(const AdaGrad&, const AdaGrad&) = default;
};
/// h = decay · h + (1 - decay) · g²; theta -= learning_rate · g / (sqrt(h) + epsilon) (Tieleman and
/// Hinton, 2012).
struct RmsProp {
  float learning_rate = 0.001F;
  float decay = 0.99F;
  float epsilon = 1e-7F;
  friend bool operator==(const RmsProp&, const RmsProp&) = default;
};
/// m = beta1 · m + (1 - beta1) · g; v = beta2 · v + (1 - beta2) · g²; in step t = 1, 2, ...
/// theta -= learning_rate · m̂ / (sqrt(v̂) + epsilon), m̂ = m / (1 - beta1^t), v̂ = v / (1 - beta2^t)
/// (Kingma and Ba, 2015).
struct Adam {
  float learning_rate = 0.001F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  friend bool operator==(const Adam&, const Adam&) = default;
};
/// Adam with theta ← (1 - learning_rate · weight_decay) · theta beside each update (Loshchilov and
/// Hutter, 2019).
struct AdamW {
  float learning_rate = 0.001F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float weight_decay = 0.01F;
  friend bool operator==(const AdamW&, const AdamW&) = default;
};
/// theta -= learning_rate · sign(beta1 · m + (1 - beta1) · g); m = beta2 · m + (1 - beta2) · g
/// (Chen et al., "Symbolic discovery of optimization algorithms", 2023).
struct Lion {
  float learning_rate = 1e-4F;
  float beta1 = 0.9F;
  float beta2 = 0.99F;
  friend bool operator==(const Lion&, const Lion&) = default;
};
using Optimizer = std::variant<Sgd, Momentum, Nesterov, AdaGrad, RmsProp, Adam, AdamW, Lion>;

// ---- Limits on the gradient, before anything else.

struct NoClipping {
  friend bool operator==(const NoClipping&, const NoClipping&) = default;
};
/// Every value of the gradient into [-limit, limit].
struct ClipByValue {
  float limit = 1.0F;
  friend bool operator==(const ClipByValue&, const ClipByValue&) = default;
};
/// The whole gradient scaled by limit / norm where its Euclidean norm is above limit (Pascanu,
/// Mikolov and Bengio, 2013).
struct ClipByGlobalNorm {
  float limit = 1.0F;
  friend bool operator==(const ClipByGlobalNorm&, const ClipByGlobalNorm&) = default;
};
using Clipping = std::variant<NoClipping, ClipByValue, ClipByGlobalNorm>;

// ---- Weight decay, of the parameters that are named for it.

struct NoDecay {
  friend bool operator==(const NoDecay&, const NoDecay&) = default;
};
/// The gradient of 0.5 · rate · |theta|² is added to the gradient, behind the clipping.
struct L2Decay {
  float rate = 1e-4F;
  friend bool operator==(const L2Decay&, const L2Decay&) = default;
};
/// theta ← (1 - learning_rate · rate) · theta, past the optimizer and its state.
struct DecoupledDecay {
  float rate = 0.01F;
  friend bool operator==(const DecoupledDecay&, const DecoupledDecay&) = default;
};
using WeightDecay = std::variant<NoDecay, L2Decay, DecoupledDecay>;

/// "sgd", "momentum", ...; "none", "value", "global_norm"; "none", "l2", "decoupled"
std::string_view kind(const Optimizer& optimizer);
std::string_view kind(const Clipping& clipping);
std::string_view kind(const WeightDecay& decay);

/// How gradients become steps.
struct Descent {
  Optimizer optimizer = Sgd{};
  Schedule schedule = ConstantSchedule{};
  std::size_t warmup = 0;  // see learning_rate_factor
  std::size_t steps = 1;   // that the schedule spans
  Clipping clipping = NoClipping{};
  WeightDecay weight_decay = NoDecay{};
};

/// Parameters [first, first + count).
struct ParameterRange {
  std::size_t first = 0;
  std::size_t count = 0;
};

/// An optimizer and what it remembers between steps; it knows neither layers nor graphs.
class OptimizerState {
 public:
  /// For a vector of n parameters, all of which decay. Throws InvalidArgument if an option is out
  /// of range: rates and limits must be finite and positive (decays may be zero), momentum, betas
  /// and RMSprop's decay in [0, 1), epsilon not negative.
  OptimizerState(const Optimizer& optimizer, std::size_t n);
  OptimizerState(const Descent& descent, std::size_t n);
  /// Only `decaying`, ordered and apart from each other, decays: by weight_decay, and by AdamW's.
  OptimizerState(const Descent& descent, std::size_t n, std::span<const ParameterRange> decaying);

  /// One update of theta by the gradient, both of n floats: one pass over them, and one more over
  /// the gradient for ClipByGlobalNorm. Allocates nothing.
  void step(std::span<float> theta, std::span<const float> gradient, TaskPool& pool);

  /// How many steps were taken.
  std::size_t steps() const { return steps_; }
  /// What it remembers beside their number: vectors of n floats, none for Sgd, two for Adam and
  /// AdamW, one for the others.
  std::vector<std::span<const float>> memory() const;
  /// Goes on where an optimizer of the same options and size was after so many steps. Throws
  /// ShapeError unless the memory is of its form.
  void restore(std::size_t steps, std::span<const std::span<const float>> memory);

 private:
  // A run of parameters that one task updates alike.
  struct Piece {
    ParameterRange range;
    bool decays = true;
  };
  kernels::Adjustment adjustment(std::span<const float> gradient, float rate, TaskPool& pool);
  void update(const Piece& piece, std::span<float> theta, std::span<const float> gradient,
              const kernels::Adjustment& adjustment, float rate);

  Descent descent_;
  std::size_t n_;
  std::size_t steps_ = 0;
  AlignedVector<float> first_;   // n floats: velocity, sum of squares or mean; empty for Sgd
  AlignedVector<float> second_;  // n floats for Adam
  std::vector<Piece> pieces_;
  std::vector<std::size_t> task_pieces_;  // task i has pieces [task_pieces_[i], [i + 1])
  std::vector<double> task_squares_;
};

}  // namespace gradatim
