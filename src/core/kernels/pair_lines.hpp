#pragma once

namespace gradatim::kernels {

/// What a pool of 2 x 2 windows passes back through, n lines of `pairs` outputs.
struct PairLines {
  const float* x;   // (2 n, 2 pairs)
  const float* y;   // (n, pairs)
  const float* dy;  // (n, pairs)
  float* dx;        // (2 n, 2 pairs)
};

}  // namespace gradatim::kernels
