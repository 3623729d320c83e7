// The matrix unit against integers of 64 bits, to the bit; skipped where there is none.
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

// The power of two by which the largest magnitude is at most 0x7F7F7F, and of four digits 256 times
// that, and no larger one than need be; or 2^-126.
float quantum_of(float largest, int digits) {
  float quantum = 0x1p-126F;
  while (std::ldexp(largest, -std::ilogb(quantum)) > std::ldexp(8355711.0F, 8 * digits - 24))
    quantum *= 2;
  return quantum;
}

// sum_k a(k) w(k) for k in [first, last): w in multiples of its quantum, these by their digits, all
// of them from -128 to 127.
template <class A, class W>
float sum_of(int digits, std::size_t first, std::size_t last, A a, W w, float scale = 1) {
  float largest = 0;
  for (std::size_t k = first; k < last; ++k) largest = std::max(largest, std::abs(w(k)));
  const float quantum = quantum_of(largest, digits);
  std::vector<std::int64_t> sums(static_cast<std::size_t>(digits));
  for (std::size_t k = first; k < last; ++k) {
    std::int64_t left = std::llrint(std::ldexp(static_cast<double>(w(k)), -std::ilogb(quantum)));
    for (std::int64_t& sum : sums) {
      const std::int64_t digit = (left + 0x8000000080) % 256 - 128;
      sum += a(k) * digit;
      left = (left - digit) / 256;
    }
    EXPECT_EQ(left, 0);
  }
  float sum = 0;
  float place = 1;
  for (const std::int64_t each : sums) {
    sum = std::fma(static_cast<float>(each), place, sum);
    place *= 256;
  }
  return sum * scale * quantum;
}

ByteTensor some_bytes(std::size_t rows, std::size_t inputs, double density) {
  ByteTensor bytes({rows, inputs});
  std::vector<float> u(2 * bytes.size());
  fill_uniform(u, {.seed = rows + 31 * inputs});
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (u[2 * i] < density) bytes.values()[i] = static_cast<std::uint8_t>(256 * u[2 * i + 1]);
  return bytes;
}

amx::Packed packed(const Tensor& x) {
  amx::Packed to(x.shape()[0], x.shape()[1]);
  for (std::size_t panel = 0; panel < to.packed_rows.size(); ++panel) amx::pack(x, panel, to);
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
    if (!amx::available()) GTEST_SKIP() << "this processor has no AMX-INT8, or it is not in use";
  }
};

// Of many magnitudes, about 2^exponent.
Tensor mixed_tensor(const Shape& shape, std::uint64_t seed, int exponent) {
  Tensor x = uniform_tensor(shape, seed);
  for (std::size_t i = 0; i < x.size(); ++i)
    x.values()[i] = std::ldexp(x.values()[i], exponent - static_cast<int>(i % 13));
  return x;
}

struct Sizes {
  std::size_t rows, inputs, units;
};

// Of the inputs from `first` on.
void expect_bits_of_products(const Sizes& sizes, std::size_t first, double density,
                             int exponent = 0) {
  const auto [rows, inputs, units] = sizes;
  const ByteTensor bytes = some_bytes(rows, inputs, density);
  const Tensor w = mixed_tensor({inputs, units}, 1, exponent);
  const Tensor y = products_of(bytes, {first, inputs, 0, kernels::packed_columns(units)}, w);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t j = 0; j < units; ++j)
      ASSERT_EQ(y.view()(r, j), sum_of(
                                    3, first, inputs,
                                    [&](std::size_t k) { return std::int64_t{bytes.view()(r, k)}; },
                                    [&](std::size_t k) { return w.view()(k, j); }))
          << rows << "x" << inputs << "x" << units << " at " << r << ", " << j;
}

void expect_bits_of_gradients(const Sizes& sizes, double density, int exponent = 0) {
  constexpr float kScale = 1.0F / 255;
  const auto [rows, inputs, units] = sizes;
  const ByteTensor bytes = some_bytes(rows, inputs, density);
  const Tensor dy = mixed_tensor({rows, units}, 2, exponent);
  Tensor dw({inputs, units});
  amx::byte_gemm_transposed(bytes.view(), kScale, packed(dy), 0, dw);
  for (std::size_t i = 0; i < inputs; ++i)
    for (std::size_t j = 0; j < units; ++j)
      ASSERT_EQ(dw.view()(i, j),
                sum_of(
                    4, 0, rows, [&](std::size_t k) { return std::int64_t{bytes.view()(k, i)}; },
                    [&](std::size_t k) { return dy.view()(k, j); }, kScale))
          << rows << "x" << inputs << "x" << units << " at " << i << ", " << j;
}

TEST_F(Amx, ProductsHaveTheBitsOfIntegers) {
  for (const std::size_t rows : {0U, 1U, 16U, 17U, 32U, 49U, 100U})
    for (const std::size_t inputs : {1U, 63U, 64U, 65U, 130U})
      for (const std::size_t units : {1U, 5U, 6U, 16U, 17U, 50U})
        for (const double density : {0.0, 0.02, 1.0})
          expect_bits_of_products({rows, inputs, units}, inputs > 64 ? 37 : 0, density);
}

TEST_F(Amx, GradientsHaveTheBitsOfIntegers) {
  for (const std::size_t rows : {1U, 2U, 31U, 33U, 63U, 64U, 100U})
    for (const std::size_t inputs : {1U, 15U, 32U, 47U, 70U})
      for (const std::size_t units : {1U, 16U, 17U, 50U})
        for (const double density : {0.02, 1.0})
          expect_bits_of_gradients({rows, inputs, units}, density);
}

// More columns than two panels have, more blocks of rows than a panel has quads, more groups of
// inputs than two.
TEST_F(Amx, ManyBlocksHaveTheBitsOfIntegers) {
  expect_bits_of_products({49, 130, 150}, 0, 0.5);
  expect_bits_of_products({530, 40, 100}, 0, 0.5);
  expect_bits_of_gradients({33, 300, 80}, 0.5);
  expect_bits_of_gradients({530, 290, 40}, 0.5);
}

// Where quanta, and then floats too, are as small as they may be.
TEST_F(Amx, SmallFloatsHaveTheBitsOfIntegers) {
  for (const int exponent : {-60, -90, -100, -110, -120, -130, -140}) {
    expect_bits_of_products({33, 70, 20}, 0, 0.5, exponent);
    expect_bits_of_gradients({70, 33, 20}, 0.5, exponent);
  }
}

// What the bounds of the header are of: sum_k a(k) w(k) for k below `count`.
struct Exactly {
  double sum = 0;
  double sum_of_bytes = 0;
  double largest = 0;  // of w
};
template <class A, class W>
Exactly exactly(std::size_t count, A a, W w) {
  Exactly of;
  for (std::size_t k = 0; k < count; ++k) {
    of.sum += double{w(k)} * a(k);
    of.sum_of_bytes += a(k);
    of.largest = std::max<double>(of.largest, std::abs(w(k)));
  }
  return of;
}

// The bound of the header, over columns of all magnitudes, of one sign and of both, and one term to
// many. A larger sum of bytes than 2^17 is a digit's sum above 2^24, which rounds too.
TEST_F(Amx, ErrorsAreWithinTheirBound) {
  constexpr std::size_t kRows = 33;
  constexpr std::size_t kUnits = 17;
  for (const std::size_t inputs : {1U, 2U, 64U, 784U, 5000U})
    for (const int exponent : {120, 0, -30, -105, -120, -140})
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
            const Exactly exact = exactly(
                inputs, [&](std::size_t k) { return bytes.view()(r, k); },
                [&](std::size_t k) { return w.view()(k, j); });
            if (std::abs(exact.sum) > std::numeric_limits<float>::max()) continue;
            ASSERT_NEAR(y.view()(r, j), exact.sum,
                        0x1p-23 * std::abs(exact.sum) +
                            (0x1p-22 * exact.largest + 0x1p-126) * exact.sum_of_bytes)
                << inputs << " inputs about 2^" << exponent;
          }
      }
}

// The same of gradients, by the scale of each.
TEST_F(Amx, ErrorsOfGradientsAreWithinTheirBound) {
  constexpr std::size_t kInputs = 33;
  constexpr std::size_t kUnits = 17;
  for (const std::size_t rows : {1U, 2U, 64U, 100U, 5000U})
    for (const int exponent : {100, 0, -60, -90, -105, -120})
      for (const float scale : {1.0F / 255, 4.0F, 1e-10F}) {
        const ByteTensor bytes = some_bytes(rows, kInputs, 1);
        const Tensor dy = mixed_tensor({rows, kUnits}, 3, exponent);
        Tensor dw({kInputs, kUnits});
        amx::byte_gemm_transposed(bytes.view(), scale, packed(dy), 0, dw);
        for (std::size_t i = 0; i < kInputs; ++i)
          for (std::size_t j = 0; j < kUnits; ++j) {
            const Exactly exact = exactly(
                rows, [&](std::size_t k) { return bytes.view()(k, i); },
                [&](std::size_t k) { return dy.view()(k, j); });
            const double share = exact.sum_of_bytes > 0x1p17 ? 0x1p-23 : 0x1p-29;
            ASSERT_NEAR(dw.view()(i, j), scale * exact.sum,
                        0x1p-23 * std::abs(scale * exact.sum) +
                            scale * (share * exact.largest + 0x1p-126) * exact.sum_of_bytes +
                            0x1p-149)
                << rows << " rows about 2^" << exponent << ", scale " << scale;
          }
      }
}

// The largest of a column has digits up to 127, and the next one above begins with another quantum;
// the other ones of the column tell which it is.
TEST_F(Amx, QuantaAreAsSmallAsDigitsLet) {
  constexpr float kMost = 8355711;                 // 0x7F7F7F
  constexpr float kMostOfGradients = 256 * kMost;  // whose next float is 128 more
  ByteTensor bytes({2, 3});
  bytes.view()(0, 0) = bytes.view()(1, 1) = bytes.view()(1, 2) = 1;
  ByteTensor transposed({3, 2});
  transposed.view()(0, 0) = transposed.view()(1, 1) = transposed.view()(2, 1) = 1;
  for (const float sign : {1.0F, -1.0F}) {
    const Tensor w({3, 2}, {sign * kMost, sign * (kMost + 0.5F), 1, 1, 0, 0.5F});
    const Tensor y = products_of(bytes, {0, 3, 0, 2}, w);
    EXPECT_EQ(y.view()(0, 0), sign * kMost);
    EXPECT_EQ(y.view()(1, 0), 1);
    EXPECT_EQ(y.view()(0, 1), sign * (kMost + 1));  // to even
    EXPECT_EQ(y.view()(1, 1), 0);                   // a half and a quarter of a quantum

    const Tensor dy({3, 2},
                    {sign * kMostOfGradients, sign * (kMostOfGradients + 128), 1, 1, 0, 0.5F});
    Tensor dw({2, 2});
    amx::byte_gemm_transposed(transposed.view(), 1, packed(dy), 0, dw);
    EXPECT_EQ(dw.view()(0, 0), sign * kMostOfGradients);
    EXPECT_EQ(dw.view()(1, 0), 1);
    EXPECT_EQ(dw.view()(0, 1), sign * (kMostOfGradients + 128));
    EXPECT_EQ(dw.view()(1, 1), 0);
  }
}

// As many terms as may be, all of the largest byte and of the largest digits.
TEST_F(Amx, SumsAsLargeAsMayBeAreWithin32Bits) {
  constexpr std::size_t kTerms = amx::kMostTerms;
  ByteTensor bytes({1, kTerms});
  std::ranges::fill(bytes.values(), std::uint8_t{255});
  for (const float value : {8355711.0F, -8355711.0F, -8355711.0F + 256 * 255, 128.0F, -128.0F}) {
    Tensor w({kTerms, 1});
    std::ranges::fill(w.values(), value);
    w.values()[0] = 8355711.0F;  // for a quantum of 1
    const double exact = 255.0 * ((kTerms - 1) * double{value} + 8355711.0);
    EXPECT_NEAR(products_of(bytes, {0, kTerms, 0, 16}, w).view()(0, 0), exact,
                0x1p-23 * std::abs(exact) + 0x1p-22 * 8355711 * 255 * kTerms)  // far below 2^32
        << value;
  }
  const ByteTensor column({kTerms + 1, 1});
  const ByteTensor row({1, kTerms + 1});
  Tensor y({1, 16});
  Tensor dw({1, 1});
  EXPECT_THROW(amx::byte_products(row.view(), {0, kTerms + 1, 0, 16}, Tensor({kTerms + 1, 1}), y),
               InvalidArgument);
  EXPECT_THROW(amx::byte_gemm_transposed(column.view(), 1, amx::Packed(kTerms + 1, 1), 0, dw),
               InvalidArgument);
}

TEST_F(Amx, PartsMayBeEmpty) {
  const ByteTensor bytes({3, 32});
  const Tensor before = uniform_tensor({3, 16}, 3);
  Tensor y = before;
  amx::byte_products(bytes.view(), {0, 0, 0, 16}, uniform_tensor({32, 5}, 1), y);
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t j = 0; j < 16; ++j) EXPECT_EQ(y.view()(r, j), j < 5 ? 0 : before.view()(r, j));
  amx::byte_products(bytes.view(), {0, 32, 5, 16}, uniform_tensor({32, 5}, 1), y);
  amx::byte_products(bytes.view(), {0, 32, 3, 3}, uniform_tensor({32, 5}, 1), y);
  EXPECT_EQ(y.view()(2, 15), before.view()(2, 15));
  Tensor dw = uniform_tensor({32, 5}, 2);
  amx::byte_gemm_transposed(ByteTensor({0, 32}).view(), 1, packed(Tensor({0, 5})), 0, dw);
  EXPECT_EQ(dw, Tensor({32, 5}));
}

// However tasks cut rows, columns, what is packed and what is multiplied.
TEST_F(Amx, PartsHaveTheBitsOfTheWhole) {
  const ByteTensor bytes = some_bytes(100, 130, 0.1);
  const Tensor w = uniform_tensor({130, 50}, 1);
  const Tensor whole = products_of(bytes, {37, 130, 0, 64}, w);
  Tensor parts({100, 64});
  for (const auto& [first, count] : {std::pair{0U, 37U}, {37U, 1U}, {38U, 62U}})
    for (const auto& [column, last] : {std::pair{0U, 16U}, {16U, 37U}, {37U, 64U}})
      amx::byte_products(bytes.view().slice(first, count), {37, 130, column, last}, w,
                         parts.view().slice(first, count));
  for (std::size_t r = 0; r < 100; ++r)
    for (std::size_t j = 0; j < 50; ++j)
      ASSERT_EQ(parts.view()(r, j), whole.view()(r, j)) << r << ", " << j;

  const Tensor dy = uniform_tensor({100, 50}, 2);
  amx::Packed in_parts(128, 50);  // with room to spare
  std::ranges::fill(in_parts.digits, std::int8_t{77});
  for (const std::size_t panel : {3U, 0U, 2U, 1U}) amx::pack(dy, panel, in_parts);
  Tensor gradient({130, 50});
  Tensor sliced({130, 50});
  amx::byte_gemm_transposed(bytes.view(), 0.5F, in_parts, 0, gradient);
  for (const auto& [first, count] : {std::pair{0U, 45U}, {45U, 0U}, {45U, 85U}})
    amx::byte_gemm_transposed(bytes.view(), 0.5F, in_parts, first,
                              sliced.view().slice(first, count));
  EXPECT_EQ(sliced, gradient);
  amx::byte_gemm_transposed(bytes.view(), 0.5F, packed(dy), 0, sliced);
  EXPECT_EQ(sliced, gradient);
}

TEST_F(Amx, WhatIsNotFiniteMakesItsColumnNaN) {
  const ByteTensor bytes = some_bytes(40, 40, 0.5);
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::bit_cast<float>(0x7F800001U), std::bit_cast<float>(0xFFC00000U)}) {
    Tensor w = uniform_tensor({40, 3}, 1);
    w.view()(7, 1) = bad;
    for (const ByteTensor& left : {bytes, ByteTensor({40, 40})}) {
      const Tensor y = products_of(left, {0, 40, 0, 16}, w);
      Tensor dw({40, 3});
      amx::byte_gemm_transposed(left.view(), 1, packed(w), 0, dw);
      for (std::size_t r = 0; r < 40; ++r)
        for (const auto& each : {y.view(), std::as_const(dw).view()}) {
          EXPECT_TRUE(std::isfinite(each(r, 0)));
          EXPECT_TRUE(std::isnan(each(r, 1))) << bad << " in row " << r;
          EXPECT_TRUE(std::isfinite(each(r, 2)));
        }
    }
  }
}

TEST_F(Amx, RejectsShapesThatDoNotFit) {
  const ByteTensor bytes({4, 64});
  const Tensor w({64, 50});
  Tensor y({4, 64});
  Tensor dw({64, 50});
  const amx::Packed dy = packed(Tensor({4, 50}));
  EXPECT_THROW(amx::byte_products(bytes.view(), {0, 64, 0, 64}, Tensor({63, 50}), y), ShapeError);
  EXPECT_THROW(amx::byte_products(bytes.view(), {0, 64, 0, 64}, Tensor({64, 70}), y), ShapeError);
  for (const amx::Part& part :
       {amx::Part{0, 65, 0, 64}, {0, 64, 0, 65}, {0, 64, 20, 10}, {32, 0, 0, 64}})
    EXPECT_THROW(amx::byte_products(bytes.view(), part, w, y), InvalidArgument);
  EXPECT_THROW(amx::byte_gemm_transposed(bytes.view(), 1, dy, 1, dw), ShapeError);
  EXPECT_THROW(amx::byte_gemm_transposed(bytes.view(), 1, packed(Tensor({3, 50})), 0, dw),
               ShapeError);
  EXPECT_THROW(amx::byte_gemm_transposed(bytes.view(), 1, packed(Tensor({4, 49})), 0, dw),
               ShapeError);
  amx::Packed to(4, 50);
  EXPECT_THROW(amx::pack(Tensor({5, 50}), 0, to), ShapeError);
  EXPECT_THROW(amx::pack(Tensor({4, 70}), 0, to), ShapeError);
  EXPECT_THROW(amx::pack(Tensor({4, 50}), 4, to), InvalidArgument);
  for (const std::size_t panel : {0U, 1U, 2U}) amx::pack(Tensor({4, 50}), panel, to);
  EXPECT_THROW(amx::byte_gemm_transposed(bytes.view(), 1, to, 0, dw), ShapeError) << "a panel less";
  amx::pack(Tensor({3, 50}), 3, to);
  EXPECT_THROW(amx::byte_gemm_transposed(bytes.view(), 1, to, 0, dw), ShapeError) << "a row less";
  amx::pack(Tensor({4, 50}), 3, to);
  EXPECT_NO_THROW(amx::byte_gemm_transposed(bytes.view(), 1, to, 0, dw));
}

TEST(AmxElsewhere, RefusesWhereThereIsNoUnit) {
  if (amx::available()) GTEST_SKIP() << "this processor has AMX-INT8";
  Tensor y({1, 16});
  EXPECT_THROW(amx::byte_products(ByteTensor({1, 1}).view(), {0, 1, 0, 16}, Tensor({1, 1}), y),
               InvalidArgument);
}

}  // namespace
}  // namespace gradatim
