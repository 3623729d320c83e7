#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/nn/operation.hpp"

namespace gradatim {

/// What joins the layers of a network besides each passing its output to the next: residual
/// additions and dropout. Value i is what enters layer i; the last leaves the network.
class Joints {
 public:
  explicit Joints(std::span<const std::unique_ptr<const Operation>> operations);

  /// The value that is added to the output of a layer.
  std::optional<std::size_t> added_to(std::size_t layer) const { return added_[layer]; }
  /// The layers to whose outputs a value is added.
  std::span<const std::size_t> readers(std::size_t value) const { return readers_[value]; }
  bool is_read_later(std::size_t value) const { return !readers_[value].empty(); }

  bool drops(std::size_t layer) const { return rates_[layer] > 0; }
  /// Sets dropped values of a layer's output, or its gradient, to zero and scales the others: row 0
  /// of x is row first_row of the batch.
  void drop(std::size_t layer, const StepKey& key, std::size_t first_row,
            TensorView<float> x) const;

  /// Throws InvalidArgument naming the first layer that draws at random if there is no key.
  void check_key(const Network& network, const std::optional<StepKey>& key) const;

 private:
  std::vector<std::optional<std::size_t>> added_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<float> rates_;
};

}  // namespace gradatim
