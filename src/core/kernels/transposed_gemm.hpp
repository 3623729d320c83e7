#pragma once

#include <cstddef>

namespace gradatim::kernels {

/// c (m, n), rows c_stride apart, = a bᵀ, or += if accumulate, for a (m, k) and b (n, k).
struct TransposedProduct {
  std::size_t m, n, k;
  const float* a;
  std::size_t a_stride;
  const float* b;
  std::size_t b_stride;
  float* c;
  std::size_t c_stride;
  bool accumulate;
};

/// On this processor, faster than oneDNN's sgemm, which repacks all of b for few rows of a; it
/// allocates nothing.
bool transposed_gemm_pays(std::size_t m, std::size_t n, std::size_t k);
void transposed_gemm(const TransposedProduct& product);

}  // namespace gradatim::kernels
