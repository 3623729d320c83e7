#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gradatim/core/random.hpp"
#include "gradatim/core/tensor.hpp"

/// What joins layers besides passing values on; each on one thread, float32.
namespace gradatim::kernels {

/// y += x, of equal size.
void add_to(std::span<const float> x, std::span<float> y);
/// y = x · factors, of equal size and allowed to be the same memory.
void multiply(std::span<const float> x, std::span<const float> factors, std::span<float> y);

/// Of inverted dropout: a value is zero with probability `rate` in [0, 1), otherwise divided by
/// 1 - rate, so that its mean stays.
struct DropoutPlan {
  explicit DropoutPlan(float rate);
  std::uint32_t least_kept;  // random words below it stand for zeros
  float scale;               // 1 / (1 - rate)
};
/// x (rows, n) in place. Row i is row first_row + i of what the key stands for, and its value j is
/// decided by word j of that row alone (reference::dropout_factor), whatever slice of the rows is
/// given. A key addresses 2^34 values.
void dropout(const DropoutPlan& plan, const RandomKey& key, std::size_t first_row,
             TensorView<float> x);

}  // namespace gradatim::kernels

namespace gradatim::reference {

/// What value j of row i, one of n, is multiplied by.
template <class T>
T dropout_factor(float rate, const RandomKey& key, std::size_t i, std::size_t j, std::size_t n) {
  const std::size_t blocks = (n + 3) / 4;  // of four random words, in a row
  const auto words = philox(key, static_cast<std::uint32_t>(i * blocks + j / 4));
  const kernels::DropoutPlan plan(rate);
  return words[j % 4] < plan.least_kept ? T(0) : T(static_cast<double>(plan.scale));
}

}  // namespace gradatim::reference
