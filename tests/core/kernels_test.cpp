#include "gradatim/core/kernels.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <string_view>

#include "core/products.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/reference.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::Transpose;
using kernels::Update;
using test::expect_product;
using test::kOddSizes;
using test::rows_of;
using test::to_double;
using test::ulp_distance;
using test::uniform_tensor;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// What the header promises of the order of a sum, for one entry.
float sum_in_order(const Tensor& a, const Tensor& b, std::size_t i, std::size_t j) {
  const bool fused = std::string_view(kernels::instruction_set()).starts_with("AVX");
  float sum = 0;
  for (std::size_t l = 0; l < a.shape()[1]; ++l)
    sum = fused ? std::fma(a.view()(i, l), b.view()(l, j), sum)
                : a.view()(i, l) * b.view()(l, j) + sum;
  return sum;
}

Tensor transposed(const Tensor& x) {
  Tensor y({x.shape()[1], x.shape()[0]});
  for (std::size_t i = 0; i < x.shape()[0]; ++i)
    for (std::size_t j = 0; j < x.shape()[1]; ++j) y.view()(j, i) = x.view()(i, j);
  return y;
}

// To the last bit, whatever the tiles, panels and blocks that an entry falls into; 170 rows are two
// blocks of a, 515 and 1030 two and three of the depth, 77 and 130 columns part of a vector.
TEST(Gemm, AddsInTheOrderItPromises) {
  for (const std::size_t m : {1U, 6U, 25U, 170U})
    for (const std::size_t n : {2U, 17U, 77U, 80U, 130U})
      for (const std::size_t k : {16U, 515U, 1030U}) {
        const Tensor a = uniform_tensor({m, k}, 1 + m);
        const Tensor b = uniform_tensor({k, n}, 2 + n);
        Tensor c({m, n});
        kernels::gemm(Transpose::no, Transpose::no, a, b, c);
        for (std::size_t i = 0; i < m; i += 5)
          for (std::size_t j = 0; j < n; ++j)
            ASSERT_EQ(c.view()(i, j), sum_in_order(a, b, i, j)) << m << " " << n << " " << k;
        Tensor other({m, n});
        kernels::gemm(Transpose::yes, Transpose::no, transposed(a), b, other);
        EXPECT_EQ(other, c) << m << " " << n << " " << k;
        kernels::gemm(Transpose::no, Transpose::yes, a, transposed(b), other);
        EXPECT_EQ(other, c) << m << " " << n << " " << k;
      }
}

TEST(Gemm, FourTranspositionsMatchTheReference) {
  const std::size_t sizes[] = {1, 2, 7, 10, 50, 181};
  for (const std::size_t m : sizes)
    for (const std::size_t n : sizes)
      for (const std::size_t k : {0U, 1U, 3U, 64U, 531U})
        for (const Transpose ta : {Transpose::no, Transpose::yes})
          for (const Transpose tb : {Transpose::no, Transpose::yes})
            for (const Update update : {Update::overwrite, Update::accumulate}) {
              const Tensor a =
                  uniform_tensor(ta == Transpose::yes ? Shape{k, m} : Shape{m, k}, 1 + m);
              const Tensor b =
                  uniform_tensor(tb == Transpose::yes ? Shape{n, k} : Shape{k, n}, 2 + n);
              Tensor c = uniform_tensor({m, n}, 3);
              const auto before = to_double(c.values());
              kernels::gemm(ta, tb, a, b, c, update);
              expect_product(ta, tb, m, n, k, to_double(a.values()), to_double(b.values()), before,
                             update, c.values());
            }
}

TEST(Affine, IsAProductThatBeginsWithTheBias) {
  for (const std::size_t m : {0U, 1U, 2U, 25U, 181U})
    for (const std::size_t n : {0U, 1U, 10U, 50U, 77U, 130U})
      for (const std::size_t k : {0U, 1U, 64U, 531U}) {
        const Tensor x = uniform_tensor({m, k}, 1);
        const Tensor w = uniform_tensor({k, n}, 2);
        const Tensor bias = uniform_tensor({n}, 3);
        Tensor y({m, n});
        kernels::affine(x, w, bias.values(), y);
        expect_product(Transpose::no, Transpose::no, m, n, k, to_double(x.values()),
                       to_double(w.values()), rows_of(bias, m), Update::accumulate, y.values());
        // Whatever the rows beside it, a row has the same bits.
        Tensor last({1, n});
        if (m == 0) continue;
        kernels::affine(x.view().slice(m - 1, 1), w, bias.values(), last);
        for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(last.values()[j], y.view()(m - 1, j));
      }
}

TEST(Gemm, RejectsShapesThatDoNotFit) {
  Tensor a({2, 3});
  Tensor b({4, 5});
  Tensor c({2, 5});
  EXPECT_THROW(kernels::gemm(Transpose::no, Transpose::no, a, b, c), ShapeError);
  EXPECT_THROW(kernels::gemm(Transpose::no, Transpose::no, a, Tensor({3, 4}), c), ShapeError);
  EXPECT_THROW(kernels::gemm(Transpose::no, Transpose::no, a, Tensor({3}), c), ShapeError);
  const std::vector<float> bias(5);
  EXPECT_THROW(kernels::affine(a, b, bias, c), ShapeError);
  EXPECT_THROW(kernels::affine(a, Tensor({3, 5}), std::span(bias).first(4), c), ShapeError);
}

struct Activation {
  const char* name;
  void (*kernel)(std::span<const float>, std::span<float>);
  double (*formula)(double);
  double ulps;
};

const Activation kActivations[] = {
    {"sigmoid", kernels::sigmoid, [](double x) { return reference::sigmoid(x); }, 4},
    {"relu", kernels::relu, [](double x) { return reference::relu(x); }, 0},
    {"tanh", kernels::tanh, [](double x) { return std::tanh(x); }, 8},
};

TEST(Activations, MatchTheirFormulaeOverTheirDomain) {
  for (const Activation& activation : kActivations) {
    std::vector<float> x;
    for (float v = -87.0F; v < 87.0F; v += 0.0137F) x.push_back(v);
    for (float v = 1e-38F; v < 1.0F; v *= 1.7F) x.insert(x.end(), {v, -v});
    x.insert(x.end(), {0.0F, 90.0F, 1e5F, 3e38F, kInfinity, kNan});
    std::vector<float> y(x.size());
    activation.kernel(x, y);
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_LE(ulp_distance(y[i], activation.formula(x[i])), activation.ulps)
          << activation.name << "(" << x[i] << ") = " << y[i];
  }
}

TEST(Activations, SigmoidBelowItsRelativeDomainIsAbsolutelyClose) {
  const std::vector<float> x = {-88.0F, -100.0F, -1e5F, -3e38F, -kInfinity};
  std::vector<float> y(x.size());
  kernels::sigmoid(x, y);
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(y[i], reference::sigmoid<double>(x[i]), 1e-37);
}

// In place, at sizes around vector widths, and nothing written behind the end.
TEST(Activations, AnySizeInPlaceWithoutOverrun) {
  for (const Activation& activation : kActivations)
    for (const std::size_t n : kOddSizes) {
      std::vector<float> x(n + 1);
      fill_uniform(x, {.seed = n}, -3, 3);
      const std::vector<float> before = x;
      activation.kernel(std::span(x).first(n), std::span(x).first(n));
      EXPECT_EQ(x[n], before[n]);
      for (std::size_t i = 0; i < n; ++i)
        ASSERT_LE(ulp_distance(x[i], activation.formula(before[i])), activation.ulps);
    }
}

TEST(Activations, BackwardFormulae) {
  for (const std::size_t n : kOddSizes) {
    const Tensor y = uniform_tensor({n}, 1, 0.01F, 0.99F);
    const Tensor dy = uniform_tensor({n}, 2);
    const Tensor signed_y = uniform_tensor({n}, 3);
    std::vector<float> sigmoid(n);
    std::vector<float> tanh(n);
    std::vector<float> relu(n);
    kernels::sigmoid_backward(y.values(), dy.values(), sigmoid);
    kernels::tanh_backward(y.values(), dy.values(), tanh);
    kernels::relu_backward(signed_y.values(), dy.values(), relu);
    for (std::size_t i = 0; i < n; ++i) {
      const double s = y.values()[i];
      const double g = dy.values()[i];
      ASSERT_NEAR(sigmoid[i], g * s * (1 - s), 1e-7);
      ASSERT_NEAR(tanh[i], g * (1 - s * s), 2e-7);
      ASSERT_EQ(relu[i], signed_y.values()[i] > 0 ? dy.values()[i] : 0.0F);
    }
  }
  const std::vector<float> zero = {0.0F};
  std::vector<float> dx = {5.0F};
  kernels::relu_backward(zero, std::vector<float>{3.0F}, dx);
  EXPECT_EQ(dx[0], 0.0F) << "the derivative of relu at 0 is documented as 0";
}

TEST(Softmax, MatchesTheReferenceOnOddWidthsAndScales) {
  for (const std::size_t columns : {1U, 2U, 3U, 10U, 16U, 17U, 33U, 1009U})
    for (const float scale : {1e-3F, 1.0F, 80.0F}) {
      const Tensor x = uniform_tensor({5, columns}, columns, -scale, scale);
      Tensor y({5, columns});
      kernels::softmax(x, y);
      std::vector<double> expected(columns);
      for (std::size_t i = 0; i < 5; ++i) {
        reference::softmax<double>(to_double(x.view().row(i)), expected);
        // x - max x is rounded before exp: half an ulp of up to 2 scale, on top of the sum's error.
        for (std::size_t k = 0; k < columns; ++k)
          ASSERT_NEAR(y.view()(i, k), expected[k],
                      (2e-6 + 0x1p-24 * 2 * scale) * expected[k] + 1e-37);
      }
    }
}

TEST(Softmax, BackwardIsTheJacobianProduct) {
  const std::size_t n = 13;
  const Tensor x = uniform_tensor({3, n}, 1, -2, 2);
  const Tensor dy = uniform_tensor({3, n}, 2);
  Tensor y({3, n});
  Tensor dx({3, n});
  kernels::softmax(x, y);
  kernels::softmax_backward(y, dy, dx);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t k = 0; k < n; ++k) {
      double expected = 0;  // sum_j dy_j y_j (delta_jk - y_k)
      for (std::size_t j = 0; j < n; ++j)
        expected += static_cast<double>(dy.view()(i, j)) * y.view()(i, j) *
                    ((j == k ? 1.0 : 0.0) - y.view()(i, k));
      ASSERT_NEAR(dx.view()(i, k), expected, 1e-7);
    }
}

TEST(SoftmaxCrossEntropy, MatchesTheReferenceWithLabelsAndWithTargets) {
  for (const std::size_t columns : {1U, 2U, 10U, 17U, 100U}) {
    const Tensor logits = uniform_tensor({4, columns}, columns, -30, 30);
    std::vector<std::int32_t> labels(4);
    Tensor one_hot({4, columns});
    double expected = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t label = (7 * i) % columns;
      labels[i] = static_cast<std::int32_t>(label);
      one_hot.view()(i, label) = 1;
      expected += reference::softmax_cross_entropy<double>(to_double(logits.view().row(i)), label);
    }
    Tensor by_label({4, columns});
    Tensor by_target({4, columns});
    const double loss = kernels::softmax_cross_entropy(logits, labels, 0.25F, by_label);
    EXPECT_NEAR(loss, expected, 1e-6 * (1 + std::abs(expected)));
    EXPECT_NEAR(kernels::softmax_cross_entropy(logits, one_hot, 0.25F, by_target), loss,
                1e-6 * (1 + std::abs(loss)));
    Tensor y({4, columns});
    kernels::softmax(logits, y);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const float gradient = 0.25F * (y.values()[i] - one_hot.values()[i]);
      EXPECT_NEAR(by_label.values()[i], gradient, 1e-7);
      EXPECT_NEAR(by_target.values()[i], gradient, 1e-7);
    }
  }
}

TEST(SoftmaxCrossEntropy, SoftTargetsMatchTheReference) {
  const Tensor logits = uniform_tensor({1, 9}, 4, -5, 5);
  Tensor targets({1, 9});
  kernels::softmax(uniform_tensor({1, 9}, 5), targets);
  Tensor d({1, 9});
  EXPECT_NEAR(kernels::softmax_cross_entropy(logits, targets, 1.0F, d),
              reference::softmax_cross_entropy<double>(to_double(logits.values()),
                                                       to_double(targets.values())),
              2e-6);
}

// tiny-dnn#410: NaN from an unfused softmax and log. Logits of ±1e4 have exact limits.
TEST(SoftmaxCrossEntropy, NeverOverflowsForFiniteLogits) {
  Tensor logits({2, 3});
  std::ranges::copy(std::vector<float>{1e4F, -1e4F, 0, 3e38F, -3e38F, 0}, logits.values().begin());
  Tensor d({2, 3});
  const std::vector<std::int32_t> labels = {1, 0};
  EXPECT_DOUBLE_EQ(kernels::softmax_cross_entropy(logits, labels, 1.0F, d), 2e4);
  EXPECT_EQ(d.view()(0, 0), 1.0F);
  EXPECT_EQ(d.view()(0, 1), -1.0F);
  EXPECT_EQ(d.view()(1, 0), 0.0F);
}

// Every width around a vector's, so that no lane behind the row's end counts as a logit of 0.
TEST(SoftmaxCrossEntropy, RowsOfLargeNegativeLogitsAreFinite) {
  for (std::size_t columns = 1; columns <= 33; ++columns)
    for (const float level : {-100.0F, -1e4F, -3e38F}) {
      Tensor logits({1, columns});
      std::ranges::fill(logits.values(), level);
      Tensor y({1, columns});
      EXPECT_NEAR(kernels::softmax_cross_entropy(logits, std::vector<std::int32_t>{0}, 1.0F, y),
                  std::log(static_cast<double>(columns)), 1e-6);
      kernels::softmax(logits, y);
      for (const float p : y.values()) EXPECT_NEAR(p, 1.0 / static_cast<double>(columns), 1e-6);
    }
}

TEST(SoftmaxCrossEntropy, NanInAnyColumnReachesTheLoss) {
  for (std::size_t k = 0; k < 17; ++k) {
    Tensor logits = uniform_tensor({1, 17}, 1);
    logits.values()[k] = kNan;
    Tensor d({1, 17});
    EXPECT_TRUE(
        std::isnan(kernels::softmax_cross_entropy(logits, std::vector<std::int32_t>{0}, 1.0F, d)))
        << k;
  }
}

TEST(Rows, ColumnSums) {
  for (const std::size_t columns : kOddSizes) {
    const Tensor x = uniform_tensor({7, columns}, 1);
    std::vector<float> sums(columns, 99.0F);
    kernels::sum_rows(x, sums);
    for (std::size_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (std::size_t i = 0; i < 7; ++i) sum += x.view()(i, j);
      ASSERT_EQ(sums[j], sum) << "rows are added in order";
    }
  }
}

TEST(Reductions, SumFiniteAndArgmax) {
  for (const std::size_t n : kOddSizes) {
    Tensor x = uniform_tensor({n}, n);
    const auto wide = to_double(x.values());
    EXPECT_NEAR(kernels::sum(x.values()), std::accumulate(wide.begin(), wide.end(), 0.0), 1e-12);
    EXPECT_TRUE(kernels::all_finite(x.values()));
    for (const std::size_t i : {std::size_t{0}, n / 2, n - 1}) {
      if (n == 0) break;
      for (const float bad : {kNan, kInfinity, -kInfinity}) {
        const float before = std::exchange(x.values()[i], bad);
        EXPECT_FALSE(kernels::all_finite(x.values()));
        x.values()[i] = before;
      }
    }
  }
  EXPECT_EQ(kernels::argmax({}), 0U);
  EXPECT_EQ(kernels::argmax(std::vector<float>{1, 3, 3, 2}), 1U);
  EXPECT_EQ(kernels::argmax(std::vector<float>{kNan, -5, -1}), 2U);
}

TEST(InstructionSet, HasAName) { EXPECT_STRNE(kernels::instruction_set(), ""); }

}  // namespace
}  // namespace gradatim
