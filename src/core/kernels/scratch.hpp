#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "gradatim/core/tensor.hpp"

namespace gradatim::kernels {

/// What a convolution's kernels keep memory for, each a block of its own.
enum class Use {
  image,      // with its channels last, padded; or a plane in phases
  frame,      // its gradient
  filters,    // packed
  windows,    // filters, or their gradient, line by line of the windows
  bias,       // packed
  lines,      // of an output, filters last; or of one filter
  pooled,     // output, filters last
  d_pooled,   // its gradient
  passed,     // that gradient where relu passed it on
  d_output,   // gradient of an output, filters last; or of one filter
  d_filters,  // packed
  d_weights,  // as the weights lie
  d_bias,     // packed
  values,     // of a sparse gradient
  offsets,    // of its windows
  corners,    // of pools
  blocks,     // of the rows of a left operand of the matrix unit
  tiles,      // of these
  steps,      // that the tiles are for
  weight,     // in the tiles of a right operand
  quanta      // of its columns
};

/// Bytes that the calling thread keeps so.
inline std::size_t& scratch_taken() {
  thread_local std::size_t bytes = 0;
  return bytes;
}

/// Memory of the calling thread that is kept for its next call. What it holds is whatever was left
/// there, and a larger request for the same use moves it.
template <Use kUse, class T = float>
std::span<T> scratch(std::size_t count) {
  thread_local AlignedVector<T> memory;
  if (memory.size() < count) {
    scratch_taken() += (count - memory.size()) * sizeof(T);
    memory.resize(count);
  }
  return std::span(memory).first(count);
}

template <Use kUse>
std::span<float> zeroed_scratch(std::size_t count) {
  const std::span<float> values = scratch<kUse>(count);
  std::ranges::fill(values, 0.0F);
  return values;
}

}  // namespace gradatim::kernels
