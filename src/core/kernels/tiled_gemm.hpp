#pragma once

#include <cstddef>

namespace gradatim::kernels {

/// c (m, n) = a (m, k) b (k, n), or bias + that unless bias is null, or c + that if accumulate:
/// a(i, l) lies at a[i · a_row_step + l · a_step], b(l, j) at b[l · b_row_step + j · b_step], where
/// one step of b is 1; c is contiguous. m, n and k are not 0.
struct TiledProduct {
  std::size_t m, n, k;
  const float* a;
  std::size_t a_row_step, a_step;
  const float* b;
  std::size_t b_row_step, b_step;
  float* c;
  bool accumulate = false;
  const float* bias = nullptr;  // of each column, the sums' first term
};

/// Sums as kernels::gemm says. Allocates nothing; up to 128 KiB of the stack are used.
void tiled_gemm(const TiledProduct& product);

}  // namespace gradatim::kernels
