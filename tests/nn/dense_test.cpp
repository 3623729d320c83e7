// Dense layers skip the zeros of their left matrix where there are enough of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/operation.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::Transpose;
using test::uniform_tensor;

constexpr std::size_t kInputs = 70;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::unique_ptr<const Operation> dense(std::size_t units) {
  return std::move(make_operations(Network({kInputs}, {Dense{units}})).front());
}

/// Column 0 is zero, as `zeros` of 10 of the other columns are.
Tensor with_zero_columns(const Shape& shape, std::size_t zeros) {
  Tensor x = uniform_tensor(shape, 1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t column = i % shape[1];
    if (column == 0 || column % 10 < zeros) x.values()[i] = 0;
  }
  return x;
}

/// Whether an infinite weight of the input that is always zero spoils the output: it does in a
/// product that skips nothing.
bool forward_skips(std::size_t rows, std::size_t units, std::size_t zeros) {
  const auto layer = dense(units);
  Tensor theta = uniform_tensor({(kInputs + 1) * units}, 2);
  theta.values()[0] = kInfinity;
  const Tensor x = with_zero_columns({rows, kInputs}, zeros);
  Tensor y({rows, units});
  layer->forward(theta.values(), x, y);
  return kernels::all_finite(y.values());
}

TEST(Dense, SkipsZerosWhereThatPays) {
  EXPECT_TRUE(forward_skips(25, 100, 5));
  EXPECT_TRUE(forward_skips(16, 48, 9));
  EXPECT_TRUE(forward_skips(1, 100, 5));
  EXPECT_FALSE(forward_skips(25, 100, 3));  // too few zeros
  EXPECT_FALSE(forward_skips(25, 32, 9));   // too few units
  EXPECT_FALSE(forward_skips(8, 100, 9));   // too few rows
}

// The gradients, of outputs behind a relu, by the inputs and the weights. Opposite what is zero in
// every row stands an infinity, which would spoil sums that skip nothing.
TEST(Dense, GradientsSkipZerosAndHaveTheValuesOfThoseThatDoNot) {
  constexpr std::size_t kRows = 40;
  constexpr std::size_t kUnits = 60;
  const auto layer = dense(kUnits);
  Tensor theta = uniform_tensor({(kInputs + 1) * kUnits}, 2);
  Tensor x = with_zero_columns({kRows, kInputs}, 6);
  std::ranges::fill(x.view().row(3), 0.0F);
  Tensor dy = with_zero_columns({kRows, kUnits}, 6);
  const Tensor y({kRows, kUnits});

  Tensor dx({kRows, kInputs});
  Tensor expected_dx(dx.shape());
  const ConstTensorView w{theta.values().first(kInputs * kUnits), {kInputs, kUnits}};
  kernels::gemm(Transpose::no, Transpose::yes, dy, w, expected_dx);
  for (std::size_t i = 0; i < kInputs; ++i) theta.values()[i * kUnits] = kInfinity;
  layer->backward(theta.values(), x, y, dy, dx);
  EXPECT_EQ(dx, expected_dx);

  Tensor d_theta(theta.shape());
  Tensor expected_dw({kInputs, kUnits});
  kernels::gemm(Transpose::yes, Transpose::no, x, dy, expected_dw);
  std::ranges::fill(dy.view().row(3), kInfinity);
  layer->gradient(x, dy, d_theta.values());
  EXPECT_TRUE(std::ranges::equal(d_theta.values().first(expected_dw.size()), expected_dw.values()));
}

// A NaN that is passed back is never taken for a zero, and meets all that is not zero.
TEST(Dense, GradientsKeepNan) {
  constexpr std::size_t kUnits = 64;
  const auto layer = dense(kUnits);
  const Tensor theta = uniform_tensor({(kInputs + 1) * kUnits}, 2);
  const Tensor x = with_zero_columns({20, kInputs}, 9);
  Tensor dy({20, kUnits});
  dy.view()(7, 3) = std::numeric_limits<float>::quiet_NaN();
  Tensor dx({20, kInputs});
  layer->backward(theta.values(), x, dy, dy, dx);
  for (std::size_t j = 0; j < kInputs; ++j) EXPECT_TRUE(std::isnan(dx.view()(7, j)));
  Tensor d_theta(theta.shape());
  layer->gradient(x, dy, d_theta.values());
  for (std::size_t i = 0; i < kInputs; ++i)
    EXPECT_EQ(std::isnan(d_theta.values()[i * kUnits + 3]), x.view()(7, i) != 0) << i;
  EXPECT_TRUE(std::isnan(d_theta.values()[kInputs * kUnits + 3]));  // of the bias
}

// Of one input, whose gradient a dense product sums in the vectors' lanes: whatever is zero beside.
TEST(Dense, ARowsGradientOfOneInputHangsOnNoOtherRow) {
  const auto layer = std::move(make_operations(Network({1}, {Dense{64}})).front());
  const Tensor theta = uniform_tensor({128}, 2);
  const Tensor full = uniform_tensor({20, 64}, 3);
  Tensor alone({20, 64});
  std::ranges::copy(full.view().row(5), alone.view().row(5).begin());
  const Tensor x({20, 1});
  Tensor dx({20, 1});
  Tensor dx_alone({20, 1});
  layer->backward(theta.values(), x, full, full, dx);
  layer->backward(theta.values(), x, full, alone, dx_alone);
  EXPECT_EQ(dx.values()[5], dx_alone.values()[5]);
}

// As what comes out of batch normalisation where one of its inputs moves. In one sum from the first
// input to the last it would be off by 5e-7.
TEST(Dense, AChangeOfManyInputsKeepsTheDigitsOfThoseThatAreSmall) {
  constexpr std::size_t kWide = 784;
  constexpr std::size_t kUnits = 20;
  const auto layer = std::move(make_operations(Network({kWide}, {Dense{kUnits}})).front());
  const Tensor theta = uniform_tensor({(kWide + 1) * kUnits}, 2);
  Tensor changes({kWide, kWide});
  for (float& change : changes.values()) change = -1.0F / 2352;
  for (std::size_t i = 0; i < kWide; ++i) changes.view()(i, i) = 1;
  const Tensor x({kWide, kWide});
  const Tensor y({kWide, kUnits});
  Tensor dy({kWide, kUnits});
  layer->change(theta.values(), x, y, changes, dy);
  double errors = 0;
  double squares = 0;
  for (std::size_t i = 0; i < kWide; ++i)
    for (std::size_t k = 0; k < kUnits; ++k) {
      double sum = 0;
      for (std::size_t j = 0; j < kWide; ++j)
        sum += static_cast<double>(changes.view()(i, j)) *
               static_cast<double>(theta.values()[j * kUnits + k]);
      errors += std::pow(static_cast<double>(dy.view()(i, k)) - sum, 2);
      squares += sum * sum;
    }
  EXPECT_LT(std::sqrt(errors / squares), 2e-7);
}

}  // namespace
}  // namespace gradatim
