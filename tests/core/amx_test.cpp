// The matrix unit against its manual's formulae, to the bit; skipped where there is none.
#include "gradatim/core/amx.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/random.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

namespace amx = kernels::amx;
using test::uniform_tensor;

constexpr std::size_t kStep = 32;  // terms that one instruction adds up

float upper_half(float x) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0xFFFF0000U);
}

float part_of(float x, int part) {
  for (int i = 0; i < part; ++i) x -= upper_half(x);
  return upper_half(x);
}

// What TDPBF16PS does for one sum: sum_k a(k) b(k) for k in [first, last), a step at a time.
template <class A, class B>
float sum_of(std::size_t first, std::size_t last, A a, B b) {
  float sum = 0;
  for (std::size_t step = first; step < last; step += kStep)
    for (int part = 0; part < 3; ++part) {
      float even = 0;
      float odd = 0;
      for (std::size_t k = step; k < std::min(last, step + kStep); k += 2) {
        even = std::fma(a(k), part_of(b(k), part), even);
        if (k + 1 < last) odd = std::fma(a(k + 1), part_of(b(k + 1), part), odd);
      }
      sum += even + odd;
    }
  return sum;
}

ByteTensor some_bytes(std::size_t rows, std::size_t inputs, double density) {
  ByteTensor bytes({rows, inputs});
  std::vector<float> u(2 * bytes.size());
  fill_uniform(u, {.seed = rows + 31 * inputs});
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (u[2 * i] < density) bytes.values()[i] = static_cast<std::uint8_t>(256 * u[2 * i + 1]);
  return bytes;
}

AlignedVector<amx::Bfloat16> packed(const Tensor& x) {
  AlignedVector<amx::Bfloat16> to(amx::packed_size(x.shape()[0], x.shape()[1]), 0xFFFF);
  amx::pack(x, 0, x.shape()[0], to);
  return to;
}

Tensor products_of(const ByteTensor& bytes, const amx::Part& part, const Tensor& w) {
  Tensor products({bytes.shape()[0], kernels::packed_columns(w.shape()[1])});
  amx::byte_products(bytes.view(), part, w, products);
  return products;
}

class Amx : public testing::Test {
 protected:
  void SetUp() override {
    if (!amx::available()) GTEST_SKIP() << "this processor has no AMX-BF16, or it is not in use";
  }
};

struct Sizes {
  std::size_t rows, inputs, units;
};

// Of the inputs from `first` on.
void expect_bits_of_products(const Sizes& sizes, std::size_t first, double density) {
  const auto [rows, inputs, units] = sizes;
  const ByteTensor bytes = some_bytes(rows, inputs, density);
  const Tensor w = uniform_tensor({inputs, units}, 1);
  const Tensor y = products_of(bytes, {first, inputs, 0, kernels::packed_columns(units)}, w);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t j = 0; j < units; ++j)
      ASSERT_EQ(
          y.view()(r, j),
          sum_of(
              first, inputs, [&](std::size_t k) { return static_cast<float>(bytes.view()(r, k)); },
              [&](std::size_t k) { return w.view()(k, j); }))
          << rows << "x" << inputs << "x" << units << " at " << r << ", " << j;
}

void expect_bits_of_gradients(const Sizes& sizes, double density) {
  constexpr float kScale = 1.0F / 255;
  const auto [rows, inputs, units] = sizes;
  const ByteTensor bytes = some_bytes(rows, inputs, density);
  const Tensor dy = uniform_tensor({rows, units}, 2);
  Tensor dw({inputs, units});
  amx::byte_gemm_transposed(bytes.view(), kScale, packed(dy), 0, dw);
  for (std::size_t i = 0; i < inputs; ++i)
    for (std::size_t j = 0; j < units; ++j)
      ASSERT_EQ(dw.view()(i, j),
                kScale * sum_of(
                             0, rows,
                             [&](std::size_t k) { return static_cast<float>(bytes.view()(k, i)); },
                             [&](std::size_t k) { return dy.view()(k, j); }))
          << rows << "x" << inputs << "x" << units << " at " << i << ", " << j;
}

TEST_F(Amx, ProductsHaveTheBitsOfTheManual) {
  for (const std::size_t rows : {0U, 1U, 16U, 17U, 32U, 49U, 100U})
    for (const std::size_t inputs : {1U, 31U, 32U, 33U, 130U})
      for (const std::size_t units : {1U, 16U, 17U, 32U, 50U})
        for (const double density : {0.0, 0.02, 1.0})
          expect_bits_of_products({rows, inputs, units}, inputs > 64 ? 64 : 0, density);
}

TEST_F(Amx, GradientsHaveTheBitsOfTheManual) {
  for (const std::size_t rows : {1U, 2U, 31U, 33U, 100U})
    for (const std::size_t inputs : {1U, 15U, 32U, 47U, 70U})
      for (const std::size_t units : {1U, 16U, 17U, 50U})
        for (const double density : {0.02, 1.0})
          expect_bits_of_gradients({rows, inputs, units}, density);
}

// More columns than two panels have, more blocks of rows than a step has pairs, more groups of
// inputs than two.
TEST_F(Amx, ManyBlocksHaveTheBitsOfTheManual) {
  expect_bits_of_products({49, 130, 150}, 0, 0.5);
  expect_bits_of_products({530, 40, 100}, 0, 0.5);
  expect_bits_of_gradients({33, 300, 80}, 0.5);
  expect_bits_of_gradients({530, 290, 40}, 0.5);
}

// The bound of the header, over floats of all magnitudes, of one sign and of both, and one term to
// many; the smallest of them lose digits.
TEST_F(Amx, ErrorsAreWithinTheirBound) {
  constexpr std::size_t kRows = 33;
  constexpr std::size_t kUnits = 17;
  for (const std::size_t inputs : {1U, 2U, 32U, 784U})
    for (const int exponent : {0, -30, -105, -120})
      for (const bool of_one_sign : {false, true}) {
        const ByteTensor bytes = some_bytes(kRows, inputs, 1);
        Tensor w = uniform_tensor({inputs, kUnits}, 3);
        for (std::size_t i = 0; i < w.size(); ++i) {
          const float value = std::ldexp(w.values()[i], exponent + static_cast<int>(i % 7));
          w.values()[i] = of_one_sign ? std::abs(value) : value;
        }
        const Tensor y = products_of(bytes, {0, inputs, 0, 32}, w);
        for (std::size_t r = 0; r < kRows; ++r)
          for (std::size_t j = 0; j < kUnits; ++j) {
            double exact = 0;
            double magnitude = 0;
            double sum_of_bytes = 0;
            for (std::size_t k = 0; k < inputs; ++k) {
              const double byte = bytes.view()(r, k);
              exact += byte * w.view()(k, j);
              magnitude += std::abs(byte * w.view()(k, j));
              sum_of_bytes += byte;
            }
            const auto depth = static_cast<double>(inputs);
            ASSERT_NEAR(y.view()(r, j), exact,
                        (18 + depth / 10) * 0x1p-24 * magnitude + 0x1p-124 * (sum_of_bytes + depth))
                << inputs << " inputs about 2^" << exponent;
          }
      }
}

TEST_F(Amx, PartsMayBeEmpty) {
  const ByteTensor bytes({3, 32});
  Tensor y = uniform_tensor({3, 16}, 3);
  amx::byte_products(bytes.view(), {0, 0, 0, 16}, uniform_tensor({32, 5}, 1), y);
  EXPECT_EQ(y, Tensor({3, 16}));
  Tensor dw = uniform_tensor({32, 5}, 2);
  amx::byte_gemm_transposed(ByteTensor({0, 32}).view(), 1, {}, 0, dw);
  EXPECT_EQ(dw, Tensor({32, 5}));
}

// However tasks cut rows, columns, what is packed and what is multiplied.
TEST_F(Amx, PartsHaveTheBitsOfTheWhole) {
  const ByteTensor bytes = some_bytes(100, 130, 0.1);
  const Tensor w = uniform_tensor({130, 50}, 1);
  const Tensor whole = products_of(bytes, {64, 130, 0, 64}, w);
  Tensor parts({100, 64});
  for (const auto& [first, count] : {std::pair{0U, 37U}, {37U, 1U}, {38U, 62U}})
    for (const auto& [column, last] : {std::pair{0U, 16U}, {16U, 64U}})
      amx::byte_products(bytes.view().slice(first, count), {64, 130, column, last}, w,
                         parts.view().slice(first, count));
  for (std::size_t r = 0; r < 100; ++r)
    for (std::size_t j = 0; j < 50; ++j)
      ASSERT_EQ(parts.view()(r, j), whole.view()(r, j)) << r << ", " << j;

  const Tensor dy = uniform_tensor({100, 50}, 2);
  AlignedVector<amx::Bfloat16> in_parts(amx::packed_size(100, 50), 0xFFFF);
  for (const auto& [first, count] : {std::pair{50U, 50U}, {0U, 25U}, {25U, 25U}})
    amx::pack(dy.view().slice(first, count), first, 100, in_parts);
  EXPECT_EQ(in_parts, packed(dy));
  Tensor gradient({130, 50});
  Tensor sliced({130, 50});
  amx::byte_gemm_transposed(bytes.view(), 0.5F, in_parts, 0, gradient);
  for (const auto& [first, count] : {std::pair{0U, 45U}, {45U, 0U}, {45U, 85U}})
    amx::byte_gemm_transposed(bytes.view(), 0.5F, in_parts, first,
                              sliced.view().slice(first, count));
  EXPECT_EQ(sliced, gradient);
}

TEST_F(Amx, WhatIsNotFiniteStaysSo) {
  const ByteTensor bytes = some_bytes(40, 40, 1);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::bit_cast<float>(0x7F800001U),
                          std::bit_cast<float>(0xFFC00000U)}) {
    Tensor w = uniform_tensor({40, 3}, 1);
    w.view()(7, 1) = bad;
    const Tensor y = products_of(bytes, {0, 40, 0, 16}, w);
    for (std::size_t r = 0; r < 40; ++r) {
      EXPECT_TRUE(std::isfinite(y.view()(r, 0)));
      EXPECT_FALSE(std::isfinite(y.view()(r, 1))) << bad << " in row " << r;
    }
    const Tensor met_by_zeros = products_of(ByteTensor({40, 40}), {0, 40, 0, 16}, w);
    EXPECT_EQ(met_by_zeros, Tensor({40, 16}));
  }
}

TEST_F(Amx, RejectsShapesThatDoNotFit) {
  const ByteTensor bytes({4, 64});
  const Tensor w({64, 50});
  Tensor y({4, 64});
  Tensor dw({64, 50});
  const auto dy = packed(Tensor({4, 50}));
  EXPECT_THROW(amx::byte_products(bytes.view(), {0, 64, 0, 64}, Tensor({63, 50}), y), ShapeError);
  EXPECT_THROW(amx::byte_products(bytes.view(), {0, 64, 0, 64}, Tensor({64, 70}), y), ShapeError);
  for (const amx::Part& part : {amx::Part{1, 64, 0, 64},
                                {0, 65, 0, 64},
                                {0, 64, 0, 65},
                                {0, 64, 8, 64},
                                {0, 64, 0, 20},
                                {32, 0, 0, 64}})
    EXPECT_THROW(amx::byte_products(bytes.view(), part, w, y), InvalidArgument);
  EXPECT_THROW(amx::byte_gemm_transposed(bytes.view(), 1, dy, 1, dw), ShapeError);
  EXPECT_THROW(amx::byte_gemm_transposed(bytes.view(), 1, std::span(dy).first(1), 0, dw),
               ShapeError);
  AlignedVector<amx::Bfloat16> to(amx::packed_size(4, 50));
  EXPECT_THROW(amx::pack(Tensor({3, 50}), 2, 4, to), ShapeError);
  EXPECT_THROW(amx::pack(Tensor({4, 70}), 0, 4, to), ShapeError);
}

TEST(AmxElsewhere, RefusesWhereThereIsNoUnit) {
  if (amx::available()) GTEST_SKIP() << "this processor has AMX-BF16";
  Tensor y({1, 16});
  EXPECT_THROW(amx::byte_products(ByteTensor({1, 1}).view(), {0, 1, 0, 16}, Tensor({1, 1}), y),
               InvalidArgument);
}

}  // namespace
}  // namespace gradatim
