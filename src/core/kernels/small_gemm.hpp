#pragma once

#include <cstddef>

namespace gradatim::kernels {

/// c (m, n) = a (m, k) b (k, n), or += : a(i, l) lies at a[i · a_row_step + l · a_step], so a may
/// be transposed; the rows of b lie b_stride apart and are contiguous; c is contiguous.
struct SmallProduct {
  std::size_t m, n, k;
  const float* a;
  std::size_t a_row_step, a_step;
  const float* b;
  std::size_t b_stride;
  float* c;
  bool accumulate;
};

/// Sums over l in order, one fused multiply-add each.
void small_gemm(const SmallProduct& product);

}  // namespace gradatim::kernels
