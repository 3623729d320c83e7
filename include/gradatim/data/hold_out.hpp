#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gradatim/data/dataset.hpp"

namespace gradatim {

/// How many training samples are held out for validation: at most one of the two is not zero.
struct HoldOut {
  float fraction = 0;  // in [0, 1)
  std::size_t count = 0;
  friend bool operator==(const HoldOut&, const HoldOut&) = default;
};

/// How many of the samples a fraction in [0, 1) comes to, to the nearest.
std::size_t held_out(float fraction, std::size_t samples);

/// Moves samples from data.train to data.validation, drawn by the seed, both in their former order.
/// Throws InvalidArgument if that would leave no training sample, or if the data have validation
/// samples already; messages name the recipe's key that asks for it.
Dataset hold_out(Dataset data, const HoldOut& part, std::uint64_t seed,
                 std::string_view key = "validation");

/// The samples of these numbers, in this order. Throws InvalidArgument if there is no such sample.
Split select(const Split& split, std::span<const std::uint32_t> indices);

}  // namespace gradatim
