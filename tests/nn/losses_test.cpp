#include "gradatim/nn/losses.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::uniform_tensor;

// The chapter's example: the network says class 2, then class 7; the right answer is class 2.
constexpr std::array<double, 10> kTarget = {0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
constexpr std::array<double, 10> kRight = {0.1, 0.05, 0.6, 0, 0.05, 0.1, 0, 0.1, 0, 0};
constexpr std::array<double, 10> kWrong = {0.1, 0.05, 0.1, 0, 0.05, 0.1, 0, 0.6, 0, 0};

std::span<const double> span(const std::array<double, 10>& x) { return x; }

Tensor rows(std::initializer_list<std::array<double, 10>> values) {
  Tensor x({values.size(), 10});
  std::size_t i = 0;
  for (const auto& row : values)
    for (const double v : row) x.values()[i++] = static_cast<float>(v);
  return x;
}

TEST(Losses, TheChaptersValuesForOneSample) {
  EXPECT_NEAR(sum_of_squared_errors(span(kRight), span(kTarget)), 0.0975, 1e-15);
  EXPECT_NEAR(sum_of_squared_errors(span(kWrong), span(kTarget)), 0.5975, 1e-15);
  EXPECT_NEAR(cross_entropy(span(kRight), span(kTarget)), 0.510825457099338, 1e-15);
  EXPECT_NEAR(cross_entropy(span(kWrong), span(kTarget)), 2.302584092994546, 1e-15);
  EXPECT_NEAR(cross_entropy(span(kRight), 2), 0.510825457099338, 1e-15);
  EXPECT_NEAR(cross_entropy(span(kWrong), 2), 2.302584092994546, 1e-15);
}

TEST(Losses, TheChaptersValuesForABatch) {
  const Tensor y = rows({kRight, kWrong});
  const Tensor t = rows({kTarget, kTarget});
  const std::vector<std::int32_t> labels = {2, 2};
  EXPECT_NEAR(mean_sum_of_squared_errors(y, t), (0.0975 + 0.5975) / 2, 1e-7);
  EXPECT_NEAR(mean_cross_entropy(y, t), (0.510825457099338 + 2.302584092994546) / 2, 1e-7);
  EXPECT_NEAR(mean_cross_entropy(y, labels), (0.510825457099338 + 2.302584092994546) / 2, 1e-7);
  EXPECT_EQ(mean_cross_entropy(Tensor({0, 10}), std::vector<std::int32_t>{}), 0.0);
}

TEST(Losses, TheTinyNumberKeepsZeroProbabilitiesFinite) {
  const std::array<double, 10> zero{};
  EXPECT_NEAR(cross_entropy(span(zero), 2), -std::log(1e-7), 1e-14);
}

TEST(Losses, RejectSizesAndLabelsThatDoNotFit) {
  const std::array<double, 3> three{};
  EXPECT_THROW(sum_of_squared_errors(span(kRight), std::span<const double>(three)), ShapeError);
  EXPECT_THROW(cross_entropy(span(kRight), std::span<const double>(three)), ShapeError);
  EXPECT_THROW(cross_entropy(span(kRight), 10), InvalidArgument);
  const Tensor y = rows({kRight});
  EXPECT_THROW(mean_cross_entropy(y, std::vector<std::int32_t>{10}), InvalidArgument);
  EXPECT_THROW(mean_cross_entropy(y, std::vector<std::int32_t>{-1}), InvalidArgument);
  EXPECT_THROW(mean_cross_entropy(y, std::vector<std::int32_t>{1, 2}), ShapeError);
}

TEST(CheckTargets, SaysWhatWasExpected) {
  const Tensor values({4, 10});
  const std::vector<std::int32_t> labels = {0, 1, 2, 10};
  EXPECT_THROW(check_targets(SoftmaxCrossEntropy{}, 4, {10}, {.labels = labels}), InvalidArgument);
  EXPECT_THROW(check_targets(SoftmaxCrossEntropy{}, 3, {11}, {.labels = labels}), ShapeError);
  EXPECT_THROW(check_targets(CrossEntropy{}, 4, {9}, {.values = values}), ShapeError);
  EXPECT_THROW(check_targets(CrossEntropy{}, 4, {10}, {}), ShapeError);
  EXPECT_NO_THROW(check_targets(SoftmaxCrossEntropy{}, 4, {11}, {.labels = labels}));
  const Tensor single({2, 1});  // of which softmax is 1, whatever it is
  EXPECT_THROW(check_targets(SoftmaxCrossEntropy{}, 2, {1}, {.values = single}), InvalidArgument);
  EXPECT_NO_THROW(check_targets(MeanSquaredError{}, 2, {1}, {.values = single}));
  EXPECT_NO_THROW(check_targets(CrossEntropy{}, 4, {10}, {.values = values}));
}

struct LossCase {
  Loss loss;
  // The mean over the rows, by the generic functions in double.
  double (*formula)(std::span<const double> y, std::span<const double> t);
};

const LossCase kLosses[] = {
    {SoftmaxCrossEntropy{},
     [](std::span<const double> y, std::span<const double> t) {
       double sum = 0;
       double dot = 0;
       for (std::size_t k = 0; k < y.size(); ++k) {
         sum += std::exp(y[k]);
         dot += t[k] * y[k];
       }
       return std::log(sum) - dot;
     }},
    {CrossEntropy{},
     [](std::span<const double> y, std::span<const double> t) {
       return cross_entropy(y, t, static_cast<double>(1e-7F));
     }},
    {SumOfSquaredErrors{}, [](std::span<const double> y,
                              std::span<const double> t) { return sum_of_squared_errors(y, t); }},
};

const LossCase kMoreLosses[] = {
    {SoftmaxCrossEntropy{0.3F},
     [](std::span<const double> y, std::span<const double> t) {
       double sum = 0;
       double dot = 0;
       const double s = static_cast<double>(0.3F);
       for (std::size_t k = 0; k < y.size(); ++k) {
         sum += std::exp(y[k]);
         dot += ((1 - s) * t[k] + s / static_cast<double>(y.size())) * y[k];
       }
       return std::log(sum) - dot;
     }},
    {BinaryCrossEntropy{},
     [](std::span<const double> x, std::span<const double> t) {
       double sum = 0;
       for (std::size_t k = 0; k < x.size(); ++k) {
         const double p = 1 / (1 + std::exp(-x[k]));
         sum -= t[k] * std::log(p) + (1 - t[k]) * std::log(1 - p);
       }
       return sum / static_cast<double>(x.size());
     }},
    {MeanSquaredError{},
     [](std::span<const double> y, std::span<const double> t) { return mean_squared_error(y, t); }},
    {Huber{0.25F},
     [](std::span<const double> y, std::span<const double> t) { return huber(y, t, 0.25); }},
};

std::vector<LossCase> all_losses() {
  std::vector<LossCase> all(std::begin(kLosses), std::end(kLosses));
  all.insert(all.end(), std::begin(kMoreLosses), std::end(kMoreLosses));
  return all;
}

TEST(Losses, ValuesByHand) {
  const std::array<double, 2> y = {3, -1};
  const std::array<double, 2> t = {1, 0};
  const std::span<const double> ys = y;
  const std::span<const double> ts = t;
  EXPECT_DOUBLE_EQ(mean_squared_error(ys, ts), 2.5);  // (4 + 1) / 2
  EXPECT_DOUBLE_EQ(huber(ys, ts), 1.0);               // (1.5 + 0.5) / 2
  EXPECT_DOUBLE_EQ(huber(ys, ts, 3.0), 1.25);         // all quadratic
  // (log(1 + e^-3) + log(1 + e^-1)) / 2
  EXPECT_NEAR(binary_cross_entropy(ys, ts), (0.04858735157374196 + 0.31326168751822286) / 2, 1e-15);
}

TEST(Losses, BinaryCrossEntropyIsFiniteForEveryLogit) {
  Tensor x({1, 2});
  x.values()[0] = 1e30F;
  x.values()[1] = -1e30F;
  Tensor t({1, 2});
  t.values()[1] = 1;
  Tensor d({1, 2});
  EXPECT_NEAR(loss_and_gradient(BinaryCrossEntropy{}, x, {.values = t.view()}, 1.0F, d), 1e30,
              1e24);
  EXPECT_EQ(d.values()[0], 0.5F);
  EXPECT_EQ(d.values()[1], -0.5F);
}

TEST(Losses, RejectOptionsOutOfRange) {
  EXPECT_THROW(check_loss(SoftmaxCrossEntropy{1.0F}), InvalidArgument);
  EXPECT_THROW(check_loss(SoftmaxCrossEntropy{-0.1F}), InvalidArgument);
  EXPECT_THROW(check_loss(Huber{0.0F}), InvalidArgument);
  EXPECT_THROW(check_loss(CrossEntropy{-1e-7F}), InvalidArgument);
  EXPECT_THROW(check_loss(CrossEntropy{1.0F}), InvalidArgument);
  EXPECT_NO_THROW(check_loss(CrossEntropy{0.0F}));
  EXPECT_NO_THROW(check_loss(SoftmaxCrossEntropy{0.1F}));
}

// The gradient against central differences of the formula in double.
TEST(LossAndGradient, MatchTheFormulaAndItsDifferences) {
  for (const LossCase& c : all_losses())
    for (const std::size_t n : {1U, 2U, 10U, 17U}) {
      const Tensor y = uniform_tensor({3, n}, n, 0.1F, 0.9F);
      Tensor t({3, n});
      std::vector<std::int32_t> labels(3);
      for (std::size_t i = 0; i < 3; ++i) {
        labels[i] = static_cast<std::int32_t>((i * 5) % n);
        t.view()(i, (i * 5) % n) = 1;
      }
      Tensor d({3, n});
      std::ranges::fill(d.values(), std::numeric_limits<float>::quiet_NaN());  // all is written
      const double loss = loss_and_gradient(c.loss, y, {.values = t.view()}, 0.5F, d);
      double expected = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        auto row = test::to_double(y.view().row(i));
        const auto target = test::to_double(t.view().row(i));
        expected += c.formula(row, target);
        for (std::size_t k = 0; k < n; ++k) {
          const double h = 1e-5;
          const double at = row[k];
          row[k] = at + h;
          const double above = c.formula(row, target);
          row[k] = at - h;
          const double below = c.formula(row, target);
          row[k] = at;
          EXPECT_NEAR(d.view()(i, k), 0.5 * (above - below) / (2 * h), 1e-6) << kind(c.loss);
        }
      }
      EXPECT_NEAR(loss, expected, 1e-5) << kind(c.loss);
      Tensor by_label({3, n});
      std::ranges::fill(by_label.values(), std::numeric_limits<float>::quiet_NaN());
      EXPECT_NEAR(loss_and_gradient(c.loss, y, {.labels = labels}, 0.5F, by_label), loss, 1e-6);
      for (std::size_t i = 0; i < d.size(); ++i)
        EXPECT_NEAR(by_label.values()[i], d.values()[i], 1e-6) << kind(c.loss);
    }
}

// Nothing is read, written or added.
TEST(LossAndGradient, NoRowsGiveNoLoss) {
  std::vector<float> memory(3, 7.0F);
  const std::span<float> none = std::span(memory).first(0);
  const TensorView<float> d(none, {0, 3});
  const ConstTensorView y = d;
  for (const LossCase& c : all_losses()) {
    EXPECT_EQ(loss_and_gradient(c.loss, y, {.values = y}, 1.0F, d), 0.0) << kind(c.loss);
    EXPECT_EQ(loss_and_gradient(c.loss, y, {.values = y, .weights = none}, 1.0F, d), 0.0);
    EXPECT_NO_THROW(check_targets(c.loss, 0, {3}, {.values = y})) << kind(c.loss);
  }
  for (const float smoothing : {0.0F, 0.1F})
    EXPECT_EQ(
        kernels::softmax_cross_entropy(y, std::span<const std::int32_t>(), 1.0F, d, smoothing),
        0.0);
  EXPECT_EQ(memory, std::vector<float>(3, 7.0F));
}

}  // namespace
}  // namespace gradatim
