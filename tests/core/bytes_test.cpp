#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/products.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/random.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::Transpose;
using kernels::Update;
using test::expect_product;
using test::kOddSizes;
using test::rows_of;
using test::to_double;
using test::uniform_tensor;

TEST(Bytes, ToFloatAndZeros) {
  for (const std::size_t n : kOddSizes) {
    std::vector<std::uint8_t> bytes(n);
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 % 256);
    std::vector<float> out(n + 1, -1.0F);
    kernels::bytes_to_float(bytes, 1.0F / 255, std::span(out).first(n));
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_EQ(out[i], static_cast<float>(bytes[i]) * (1.0F / 255));
    EXPECT_EQ(out[n], -1.0F);
    EXPECT_EQ(kernels::count_zeros(bytes),
              static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), 0)));
  }
}

struct ByteProduct {
  std::size_t rows, inputs, units;
  double density;
};

BasicTensor<std::uint8_t> sparse_bytes(const ByteProduct& c) {
  BasicTensor<std::uint8_t> bytes({c.rows, c.inputs});
  std::vector<float> u(2 * bytes.size());
  fill_uniform(u, {.seed = c.rows + 31 * c.inputs});
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (u[2 * i] < c.density) bytes.values()[i] = static_cast<std::uint8_t>(256 * u[2 * i + 1]);
  return bytes;
}

Tensor product_of(const BasicTensor<std::uint8_t>& bytes, std::size_t part,
                  const Tensor& packed_w) {
  Tensor product({bytes.shape()[0], packed_w.shape()[1]});
  std::ranges::fill(product.values(), 99.0F);
  kernels::byte_products(bytes.view(), part, packed_w, product);
  return product;
}

TEST(Bytes, ProductsMatchTheReferenceAtEveryDensityAndShape) {
  for (const std::size_t rows : {0U, 1U, 2U, 25U, 32U, 33U, 64U, 100U, 256U, 257U, 300U})
    for (const std::size_t inputs : {1U, 15U, 16U, 64U, 65U, 130U})
      for (const std::size_t units : {1U, 10U, 16U, 33U, 50U, 64U, 97U, 131U})
        for (const double density : {0.0, 0.2, 1.0}) {
          const auto bytes = sparse_bytes({rows, inputs, units, density});
          const Tensor w = uniform_tensor({inputs, units}, 1);
          const Tensor dy = uniform_tensor({rows, units}, 2);
          Tensor packed_w({inputs, kernels::packed_columns(units)});
          Tensor packed_dy({rows, kernels::packed_columns(units)});
          kernels::pack_rows(w, packed_w);
          kernels::pack_rows(dy, packed_dy);
          Tensor y = uniform_tensor({rows, units}, 3);
          Tensor dw = uniform_tensor({inputs, units}, 4);
          const Tensor bias = uniform_tensor({units}, 5);
          kernels::byte_affine(bytes.view(), 1.0F / 255, packed_w, bias.values(), y);
          const Tensor products[]{product_of(bytes, 0, packed_w), product_of(bytes, 1, packed_w)};
          Tensor y_of_products = uniform_tensor({rows, units}, 6);
          kernels::affine_of_products(products[0], products[1], 1.0F / 255, bias.values(),
                                      y_of_products);
          EXPECT_EQ(y_of_products, y);
          // In two unequal slices, as tasks cut it.
          const std::size_t cut = inputs / 3;
          kernels::byte_gemm_transposed(bytes.view(), 1.0F / 255, packed_dy, 0,
                                        dw.view().slice(0, cut));
          kernels::byte_gemm_transposed(bytes.view(), 1.0F / 255, packed_dy, cut,
                                        dw.view().slice(cut, inputs - cut));

          std::vector<double> x(bytes.values().begin(), bytes.values().end());
          for (double& v : x) v /= 255;
          expect_product(Transpose::no, Transpose::no, rows, units, inputs, x,
                         to_double(w.values()), rows_of(bias, rows), Update::accumulate,
                         y.values());
          expect_product(Transpose::yes, Transpose::no, inputs, units, rows, x,
                         to_double(dy.values()), std::vector<double>(dw.size()), Update::overwrite,
                         dw.values());
        }
}

// A slice computed alone has the bits it has in the whole: tasks may be cut anywhere.
TEST(Bytes, SlicesHaveTheBitsOfTheWhole) {
  const auto bytes = sparse_bytes({100, 130, 50, 0.4});
  Tensor packed_w({130, 64});
  kernels::pack_rows(uniform_tensor({130, 50}, 1), packed_w);
  Tensor whole({100, 50});
  Tensor parts({100, 50});
  const Tensor bias = uniform_tensor({50}, 2);
  kernels::byte_affine(bytes.view(), 1.0F, packed_w, bias.values(), whole);
  for (const auto& [first, count] : {std::pair{0U, 37U}, {37U, 1U}, {38U, 62U}})
    kernels::byte_affine(bytes.view().slice(first, count), 1.0F, packed_w, bias.values(),
                         parts.view().slice(first, count));
  EXPECT_EQ(whole, parts);
}

TEST(Bytes, RejectShapesThatDoNotFit) {
  const BasicTensor<std::uint8_t> bytes({4, 20});
  Tensor y({4, 50});
  Tensor dw({20, 50});
  const Tensor bias({50});
  const std::span<const float> b = bias.values();
  EXPECT_THROW(kernels::byte_affine(bytes.view(), 1, Tensor({20, 50}), b, y), ShapeError);
  EXPECT_THROW(kernels::byte_affine(bytes.view(), 1, Tensor({19, 64}), b, y), ShapeError);
  EXPECT_THROW(kernels::byte_affine(bytes.view(), 1, Tensor({20, 64}), b.first(49), y), ShapeError);
  const Tensor w({20, 64});
  Tensor product({4, 64});
  EXPECT_THROW(kernels::byte_products(bytes.view(), 2, w, product), InvalidArgument);
  EXPECT_THROW(kernels::byte_products(bytes.view(), 0, Tensor({19, 64}), product), ShapeError);
  EXPECT_THROW(kernels::byte_products(bytes.view().slice(0, 3), 0, w, product), ShapeError);
  EXPECT_THROW(kernels::affine_of_products(product, Tensor({4, 50}), 1, b, y), ShapeError);
  EXPECT_THROW(kernels::affine_of_products(product, product, 1, b.first(49), y), ShapeError);
  EXPECT_THROW(kernels::byte_gemm_transposed(bytes.view(), 1, Tensor({4, 64}), 1, dw), ShapeError);
  EXPECT_THROW(kernels::byte_gemm_transposed(bytes.view(), 1, Tensor({5, 64}), 0, dw), ShapeError);
}

}  // namespace
}  // namespace gradatim
