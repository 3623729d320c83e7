#include "gradatim/core/joining.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/core/normalization.hpp"
#include "gradatim/core/reference.hpp"
#include "gradatim/core/reference_changes.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::kOddSizes;
using test::to_double;
using test::uniform_tensor;

TEST(Joining, SumsAndProductsOfEverySize) {
  for (const std::size_t n : kOddSizes) {
    const Tensor a = uniform_tensor({n}, 1);
    const Tensor b = uniform_tensor({n}, 2);
    Tensor sum = b;
    Tensor product({n});
    kernels::add_to(a.values(), sum.values());
    kernels::multiply(a.values(), b.values(), product.values());
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_EQ(sum.values()[i], a.values()[i] + b.values()[i]);
      ASSERT_EQ(product.values()[i], a.values()[i] * b.values()[i]);
    }
  }
  Tensor three({3});
  EXPECT_THROW(kernels::add_to(Tensor({2}).values(), three.values()), ShapeError);
}

constexpr RandomKey kKey{.seed = 3, .stream = 4, .step = 5};

TEST(Dropout, IsItsFormulaForAnySliceOfTheRows) {
  for (const float rate : {0.0F, 0.25F, 0.5F, 0.9F})
    for (const std::size_t n : {1U, 2U, 4U, 5U, 31U, 64U}) {
      Tensor whole = uniform_tensor({7, n}, 1);
      Tensor parts = whole;
      const Tensor x = whole;
      const kernels::DropoutPlan plan(rate);
      kernels::dropout(plan, kKey, 10, whole);
      for (const auto& [first, count] : {std::pair{0U, 2U}, {2U, 4U}, {6U, 1U}})
        kernels::dropout(plan, kKey, 10 + first, parts.view().slice(first, count));
      EXPECT_EQ(whole, parts);
      for (std::size_t i = 0; i < 7; ++i)
        for (std::size_t j = 0; j < n; ++j)
          ASSERT_EQ(whole.view()(i, j),
                    x.view()(i, j) * reference::dropout_factor<float>(rate, kKey, 10 + i, j, n));
    }
}

// The share of zeros within five standard deviations; what is kept has the mean of all.
TEST(Dropout, DropsItsShareAndKeepsTheMean) {
  for (const double rate : {0.1, 0.5, 0.75}) {
    Tensor x({1000, 100});
    std::ranges::fill(x.values(), 1.0F);
    kernels::dropout(kernels::DropoutPlan(static_cast<float>(rate)), kKey, 0, x);
    double zeros = 0;
    double sum = 0;
    for (const float value : x.values()) {
      zeros += value == 0 ? 1 : 0;
      sum += static_cast<double>(value);
    }
    const double deviation = std::sqrt(rate * (1 - rate) / 1e5);
    EXPECT_NEAR(zeros / 1e5, rate, 5 * deviation);
    EXPECT_NEAR(sum / 1e5, 1, 5 * deviation / (1 - rate));
  }
}

TEST(LayerNorm, IsItsFormulaForEverySize) {
  for (const std::size_t n : kOddSizes) {
    if (n == 0) continue;
    for (const float offset : {0.0F, 100.0F}) {
      const Tensor x = uniform_tensor({3, n}, 1, offset - 2, offset + 2);
      const Tensor w = uniform_tensor({n}, 2);
      const Tensor b = uniform_tensor({n}, 3);
      Tensor y({3, n});
      kernels::layer_norm(x, w.values(), b.values(), 1e-5F, y);
      for (std::size_t i = 0; i < 3; ++i) {
        const auto row = to_double(x.view().row(i));
        const auto [mean, scale] = reference::row_moments<double>(row, 1e-5);
        for (std::size_t k = 0; k < n; ++k) {
          const double h = (row[k] - mean) * scale;
          const double terms = 1 + std::abs(h) + scale * (std::abs(row[k]) + std::abs(mean));
          ASSERT_NEAR(y.view()(i, k),
                      h * static_cast<double>(w.values()[k]) + static_cast<double>(b.values()[k]),
                      2e-7 * terms)
              << n;
        }
      }
    }
  }
}

TEST(LayerNorm, ChangeIsTheDifference) {
  for (const std::size_t n : {1U, 2U, 7U, 33U}) {
    const auto x = to_double(uniform_tensor({n}, 1).values());
    const auto w = to_double(uniform_tensor({n}, 2).values());
    for (const double step : {1e-12, 1e-3, 0.5, 20.0}) {
      auto dx = to_double(uniform_tensor({n}, 3).values());
      std::vector<long double> before(x.begin(), x.end());
      std::vector<long double> after(n);
      for (std::size_t k = 0; k < n; ++k) {
        dx[k] *= step;
        after[k] = before[k] + static_cast<long double>(dx[k]);
      }
      std::vector<double> dy(n);
      reference::layer_norm_change<double>(x, w, dx, 1e-5, dy);
      const auto [mean, scale] = reference::row_moments<long double>(before, 1e-5L);
      const auto [new_mean, new_scale] = reference::row_moments<long double>(after, 1e-5L);
      for (std::size_t k = 0; k < n; ++k) {
        const long double difference =
            static_cast<long double>(w[k]) *
            ((after[k] - new_mean) * new_scale - (before[k] - mean) * scale);
        EXPECT_NEAR(dy[k], static_cast<double>(difference), 1e-17 + 1e-14 * step)
            << n << ", " << step;
      }
    }
  }
}

}  // namespace
}  // namespace gradatim
