#pragma once

#include <cstddef>

namespace gradatim::kernels {

/// c (m, n) = a (m, k) b (k, n), or += if accumulate: a(i, l) lies at a[i · a_row_step + l ·
/// a_step], b(l, j) at b[l · b_row_step + j · b_step], where one step of b is 1; c is contiguous.
/// m, n and k are not 0.
struct TiledProduct {
  std::size_t m, n, k;
  const float* a;
  std::size_t a_row_step, a_step;
  const float* b;
  std::size_t b_row_step, b_step;
  float* c;
  bool accumulate;
};

/// Sums over l in order, one fused multiply-add each, in blocks of 512 whose sums are then added.
/// Allocates nothing; 128 KiB of the stack are used.
void tiled_gemm(const TiledProduct& product);

}  // namespace gradatim::kernels
