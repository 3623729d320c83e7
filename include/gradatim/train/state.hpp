#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/io/safetensors.hpp"

namespace gradatim {

/// A training between two steps: with its network, data and options, all that its future depends
/// on. Batches, learning rates and other randomness are functions of (seed, step) and need no more.
struct TrainState {
  std::size_t step = 0;  // taken
  double loss = 0;       // of the last of them
  double seconds = 0;    // of training so far
  std::map<std::string, double> numbers{};
  std::vector<NamedView> tensors{};  // "theta", "optimizer1", ...: vectors that others own
};

/// The tensor called `name`, of so many floats. Throws DataError if there is none.
std::span<const float> find_tensor(const TrainState& state, std::string_view name,
                                   std::size_t size);

}  // namespace gradatim
