#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "gradatim/core/kernels.hpp"
#include "gradatim/core/reference.hpp"

// What tests of products compare with.
namespace gradatim::test {

inline std::vector<double> absolute(std::vector<double> x) {
  for (double& v : x) v = std::abs(v);
  return x;
}

// |computed - exact| <= (k + 2) u sum |a| |b| for sums of k products in any order, u = 2^-24
// (Higham, "Accuracy and stability of numerical algorithms", 3.5), scaled or added to once more.
inline void expect_product(kernels::Transpose ta, kernels::Transpose tb, std::size_t m,
                           std::size_t n, std::size_t k, const std::vector<double>& a,
                           const std::vector<double>& b, std::vector<double> before,
                           kernels::Update update, std::span<const float> computed) {
  std::vector<double> magnitude = absolute(before);
  reference::gemm<double>(ta, tb, m, n, k, a, b, before, update);
  reference::gemm<double>(ta, tb, m, n, k, absolute(a), absolute(b), magnitude, update);
  for (std::size_t i = 0; i < m * n; ++i)
    ASSERT_NEAR(computed[i], before[i], static_cast<double>(k + 2) * 0x1p-24 * magnitude[i])
        << "entry " << i << " of " << m << "x" << n << "x" << k;
}

inline std::vector<double> rows_of(const Tensor& bias, std::size_t rows) {
  std::vector<double> repeated;
  for (std::size_t i = 0; i < rows; ++i)
    repeated.insert(repeated.end(), bias.values().begin(), bias.values().end());
  return repeated;
}

}  // namespace gradatim::test
