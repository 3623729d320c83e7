// Products that skip zeros have the values of those that do not, whatever is zero.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::MatrixView;
using kernels::Transpose;
using test::uniform_tensor;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Values in [-1, 1], of which all but about `density` are 0.
Tensor sparse_tensor(const Shape& shape, double density, std::uint64_t seed) {
  Tensor x = uniform_tensor(shape, seed);
  const Tensor kept = uniform_tensor(shape, seed + 1000);  // in [-1, 1]
  for (std::size_t i = 0; i < x.size(); ++i)
    if (kept.values()[i] >= 2 * density - 1) x.values()[i] = 0;
  return x;
}

// One and several blocks of rows, masks of inputs and panels of columns, each whole and in part.
constexpr std::size_t kRows[] = {1, 2, 31, 33, 64, 65, 130};
constexpr std::size_t kInputs[] = {1, 15, 17, 63, 64, 65, 200};
constexpr std::size_t kUnits[] = {2, 15, 16, 50, 112, 113, 130};
constexpr double kDensities[] = {0, 0.03, 0.5, 1};

template <class Check>
void for_every_shape(const Check& check) {
  for (const std::size_t m : kRows)
    for (const std::size_t k : kInputs)
      for (const std::size_t n : kUnits)
        for (const double density : kDensities) {
          SCOPED_TRACE(testing::Message() << m << " " << k << " " << n << " " << density);
          check(m, k, n, density);
          if (testing::Test::HasFailure()) return;
        }
}

TEST(SparseProducts, AffineHasTheValuesOfTheDenseOne) {
  for_every_shape([](std::size_t m, std::size_t k, std::size_t n, double density) {
    const Tensor x = sparse_tensor({m, k}, density, 1);
    const Tensor w = uniform_tensor({k, n}, 2);
    const Tensor bias = uniform_tensor({n}, 3);
    Tensor dense({m, n});
    Tensor sparse = uniform_tensor({m, n}, 4);
    kernels::affine(x, w, bias.values(), dense);
    kernels::sparse_affine(x, w, bias.values(), sparse);
    EXPECT_EQ(sparse, dense);
  });
}

TEST(SparseProducts, GradientOfTheInputHasTheValuesOfTheDenseOne) {
  for_every_shape([](std::size_t m, std::size_t n, std::size_t k, double density) {
    const Tensor dy = sparse_tensor({m, n}, density, 1);
    const Tensor w = uniform_tensor({k, n}, 2);
    Tensor dense({m, k});
    Tensor sparse = uniform_tensor({m, k}, 4);
    kernels::gemm(Transpose::no, Transpose::yes, dy, w, dense);
    kernels::sparse_times_transposed(dy, w, sparse);
    EXPECT_EQ(sparse, dense);
  });
}

TEST(SparseProducts, GradientOfTheWeightHasTheValuesOfTheDenseOne) {
  for_every_shape([](std::size_t m, std::size_t k, std::size_t n, double density) {
    const Tensor x = sparse_tensor({m, k}, density, 1);
    const Tensor dy = uniform_tensor({m, n}, 2);
    Tensor dense({k, n});
    Tensor sparse = uniform_tensor({k, n}, 4);
    kernels::gemm(Transpose::yes, Transpose::no, x, dy, dense);
    kernels::sparse_transposed_times(x, dy, sparse);
    EXPECT_EQ(sparse, dense);
  });
}

TEST(SparseProducts, TakeSomeColumnsOfAMatrix) {
  const Tensor x = sparse_tensor({40, 90}, 0.4, 1);
  const Tensor dy = uniform_tensor({40, 20}, 2);
  const MatrixView part = MatrixView(x).slice_columns(7, 70);
  Tensor dense({70, 20});
  Tensor sparse({70, 20});
  kernels::gemm(Transpose::yes, Transpose::no, part, dy, dense);
  kernels::sparse_transposed_times(part, dy, sparse);
  EXPECT_EQ(sparse, dense);
}

// What tells them from the dense ones: an infinity times what is skipped would be NaN.
TEST(SparseProducts, SkipZerosAndNothingElse) {
  Tensor x({2, 3});
  x.view()(0, 0) = 1;
  x.view()(1, 2) = std::numeric_limits<float>::quiet_NaN();
  Tensor w = uniform_tensor({3, 20}, 2);
  for (std::size_t j = 0; j < 20; ++j) w.view()(1, j) = kInfinity;
  const Tensor bias({20});
  Tensor y({2, 20});
  kernels::sparse_affine(x, w, bias.values(), y);
  for (std::size_t j = 0; j < 20; ++j) {
    EXPECT_EQ(y.view()(0, j), w.view()(0, j));
    EXPECT_TRUE(std::isnan(y.view()(1, j)));
  }
}

TEST(SparseProducts, ZeroShareLooksAtEveryEighthRow) {
  Tensor x({17, 70});
  EXPECT_EQ(kernels::zero_share(x), 1);
  for (const std::size_t row : {0U, 8U, 16U})
    for (std::size_t j = 0; j < 35; ++j) x.view()(row, 2 * j) = -1;
  for (std::size_t j = 0; j < 70; ++j) x.view()(3, j) = 1;
  EXPECT_EQ(kernels::zero_share(x), 0.5);
  EXPECT_EQ(kernels::zero_share(MatrixView(x).slice_columns(0, 1)), 0);
  EXPECT_EQ(kernels::zero_share(Tensor({0, 3})), 0);
}

TEST(SparseProducts, NoRowsGiveNoGradient) {
  Tensor dw = uniform_tensor({3, 5}, 1);
  kernels::sparse_transposed_times(Tensor({0, 3}), Tensor({0, 5}).view(), dw);
  EXPECT_EQ(dw, Tensor({3, 5}));
}

TEST(SparseProducts, RejectShapesThatDoNotFit) {
  const Tensor x({2, 3});
  const Tensor w({3, 5});
  const Tensor bias({5});
  Tensor y({2, 5});
  EXPECT_THROW(kernels::sparse_affine(x, Tensor({4, 5}), bias.values(), y), ShapeError);
  EXPECT_THROW(kernels::sparse_affine(x, w, bias.values().first(4), y), ShapeError);
  Tensor dx({2, 4});
  EXPECT_THROW(kernels::sparse_times_transposed(y, w, dx), ShapeError);
  EXPECT_THROW(kernels::sparse_times_transposed(x, w, dx), ShapeError);
  Tensor dw({3, 4});
  EXPECT_THROW(kernels::sparse_transposed_times(x, y, dw), ShapeError);
  EXPECT_THROW(kernels::sparse_transposed_times(x, Tensor({1, 4}), dw), ShapeError);
}

}  // namespace
}  // namespace gradatim
