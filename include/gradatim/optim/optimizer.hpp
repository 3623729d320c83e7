#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"

namespace gradatim {

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
using Optimizer = std::variant<Sgd, Momentum>;

/// "sgd", "momentum"
std::string_view kind(const Optimizer& optimizer);

/// An optimizer and what it remembers between steps; it knows neither layers nor graphs.
class OptimizerState {
 public:
  /// For a vector of n parameters. Throws InvalidArgument if an option is out of range: the
  /// learning rate must be finite and positive, momentum in [0, 1).
  OptimizerState(const Optimizer& optimizer, std::size_t n);

  /// One update of theta by the gradient, both of n floats.
  void step(std::span<float> theta, std::span<const float> gradient, TaskPool& pool);

 private:
  Optimizer optimizer_;
  AlignedVector<float> velocity_;  // n floats, empty for Sgd
  std::size_t n_;
};

}  // namespace gradatim
