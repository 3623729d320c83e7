#include "gradatim/core/changes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/reference_changes.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::kOddSizes;
using test::to_double;
using test::uniform_tensor;

// Steps from far below what x + dx can hold in float to beyond the width of the function.
constexpr float kSteps[] = {1e-20F, 1e-10F, 1e-4F, 1e-2F, 0.03F, 0.04F, 0.1F, 1.0F, 8.0F, 30.0F};

// Row i holds changes of about ±kSteps[i].
Tensor changes_of(std::size_t n, std::uint64_t seed) {
  Tensor dx = uniform_tensor({std::size(kSteps), n}, seed, -1.0F, 1.0F);
  for (std::size_t i = 0; i < std::size(kSteps); ++i)
    for (float& value : dx.view().row(i)) value *= kSteps[i];
  return dx;
}

using Kernel = void (*)(std::span<const float>, ConstTensorView, TensorView<float>);
using Formula = double (*)(const double&, const double&);

void expect_elementwise(Kernel kernel, Formula formula, double bound) {
  for (const std::size_t n : kOddSizes) {
    const Tensor x = uniform_tensor({n}, 1, -6.0F, 6.0F);
    const Tensor dx = changes_of(n, 2);
    Tensor dy(dx.shape());
    kernel(x.values(), dx, dy);
    for (std::size_t i = 0; i < dx.view().rows(); ++i)
      for (std::size_t j = 0; j < n; ++j) {
        const double exact =
            formula(static_cast<double>(x.values()[j]), static_cast<double>(dx.view()(i, j)));
        ASSERT_NEAR(dy.view()(i, j), exact, bound * std::abs(exact))
            << "x = " << x.values()[j] << ", dx = " << dx.view()(i, j) << ", n = " << n;
      }
  }
}

constexpr double kUnit = 6e-8;  // half a unit in the last place of a float, relative

TEST(Changes, SigmoidIsExactToRounding) {
  expect_elementwise(kernels::sigmoid_change, reference::sigmoid_change<double>, 12 * kUnit);
}
TEST(Changes, TanhIsExactToRounding) {
  expect_elementwise(kernels::tanh_change, reference::tanh_change<double>, 16 * kUnit);
}
TEST(Changes, ReluIsExactToRounding) {
  expect_elementwise(kernels::relu_change, reference::relu_change<double>, kUnit);
}

// The formulae themselves, against the plain difference in long double where that is exact enough.
TEST(Changes, FormulaeAreTheDifferences) {
  for (const double x : {-30.0, -4.0, -0.5, 0.0, 1e-3, 2.0, 30.0})
    for (const double dx : {-50.0, -3.0, -0.25, -1e-3, 1e-3, 0.5, 7.0, 50.0}) {
      const long double a = x;
      const long double b = a + static_cast<long double>(dx);
      const auto expect = [&](double change, long double difference, long double scale) {
        EXPECT_NEAR(change, static_cast<double>(difference),
                    static_cast<double>(1e-18L * scale) + 1e-15 * std::abs(change))
            << x << " + " << dx;
      };
      expect(reference::sigmoid_change(x, dx), reference::sigmoid(b) - reference::sigmoid(a), 1);
      expect(reference::tanh_change(x, dx), std::tanh(b) - std::tanh(a), 1);
      expect(reference::relu_change(x, dx), reference::relu(b) - reference::relu(a), 1);
      expect(reference::leaky_relu_change(x, dx, 0.25),
             reference::leaky_relu(b, 0.25F) - reference::leaky_relu(a, 0.25F), 1);
      expect(reference::softplus_change(x, dx), reference::softplus(b) - reference::softplus(a),
             1 + std::abs(a) + std::abs(b));
      expect(reference::silu_change(x, dx), reference::silu(b) - reference::silu(a),
             1 + std::abs(a) + std::abs(b));
      // Its constants are of double precision.
      expect(reference::gelu_change(x, dx), reference::gelu(b) - reference::gelu(a),
             1e3L * (1 + std::abs(a) + std::abs(b)));
    }
}

std::vector<double> softmax_of(std::span<const double> x) {
  std::vector<double> y(x.size());
  reference::softmax<double>(x, y);
  return y;
}

struct SoftmaxPoint {
  explicit SoftmaxPoint(std::size_t n, std::size_t label)
      : x(uniform_tensor({1, n}, 3, -4.0F, 4.0F)), y({1, n}), t({n}), dx(changes_of(n, 4)) {
    kernels::softmax(x, y);
    if (n != 0) t.values()[label] = 1.0F;
  }
  std::vector<double> moved(std::size_t i) const {
    std::vector<double> sum = to_double(x.values());
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += static_cast<double>(dx.view()(i, k));
    return sum;
  }
  Tensor x, y, t, dx;
};

TEST(Changes, SoftmaxKernelIsItsFormula) {
  for (const std::size_t n : {1U, 2U, 7U, 10U, 16U, 33U}) {
    const SoftmaxPoint point(n, 0);
    Tensor dy(point.dx.shape());
    kernels::softmax_change(point.y.values(), point.dx, dy);
    for (std::size_t i = 0; i < std::size(kSteps); ++i) {
      std::vector<double> exact(n);
      reference::softmax_change<double>(to_double(point.y.values()),
                                        to_double(point.dx.view().row(i)), exact);
      for (std::size_t k = 0; k < n; ++k)
        ASSERT_NEAR(dy.view()(i, k), exact[k],
                    32 * kUnit * static_cast<double>(point.y.values()[k] * kSteps[i]))
            << kSteps[i] << " in " << k << " of " << n;
    }
  }
}

TEST(Changes, SoftmaxFormulaIsTheDifference) {
  const SoftmaxPoint point(10, 0);
  const std::vector<double> y = softmax_of(to_double(point.x.values()));
  for (std::size_t i = 0; i < std::size(kSteps); ++i) {
    std::vector<double> change(10);
    reference::softmax_change<double>(y, to_double(point.dx.view().row(i)), change);
    const std::vector<double> after = softmax_of(point.moved(i));
    for (std::size_t k = 0; k < 10; ++k) EXPECT_NEAR(change[k], after[k] - y[k], 1e-15);
  }
}

double cross_entropy(const SoftmaxPoint& point, std::span<const double> x) {
  return reference::softmax_cross_entropy<double>(x, to_double(point.t.values()));
}

TEST(Changes, SoftmaxCrossEntropyIsTheDifference) {
  for (const std::size_t n : {2U, 7U, 10U, 16U, 33U}) {
    for (const std::size_t label : {std::size_t{0}, n - 1}) {
      const SoftmaxPoint point(n, label);
      std::vector<float> change(std::size(kSteps));
      kernels::softmax_cross_entropy_change(point.y.values(), point.t.values(), point.dx, change);
      const double before = cross_entropy(point, to_double(point.x.values()));
      for (std::size_t i = 0; i < change.size(); ++i) {
        const double difference = cross_entropy(point, point.moved(i)) - before;
        EXPECT_NEAR(change[i], difference, 1e-14 + 40 * kUnit * static_cast<double>(kSteps[i]))
            << kSteps[i] << ", " << n << " classes";
      }
    }
  }
}

// A label whose probability has rounded to 1: what is left of the loss still changes exactly.
TEST(Changes, SoftmaxCrossEntropyOfACertainLabelIsExact) {
  const std::vector<float> y = {1e-9F, 1.0F};
  const std::vector<float> t = {0.0F, 1.0F};
  Tensor dx({1, 2});
  dx.view()(0, 1) = 1e-3F;
  std::vector<float> change(1);
  kernels::softmax_cross_entropy_change(y, t, dx, change);
  EXPECT_NEAR(change[0], 1e-9 * std::expm1(-1e-3), 1e-18);
}

// a · slope, row by row, for the amounts of one column.
Tensor along(ConstTensorView slopes, ConstTensorView a, std::size_t line) {
  Tensor dx({a.rows(), slopes.rows()});
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t k = 0; k < slopes.rows(); ++k) dx.view()(i, k) = a(i, line) * slopes(k, line);
  return dx;
}

TEST(Changes, LinesAreTheChangesTheyStandFor) {
  for (const std::size_t count : {1U, 3U, 16U, 17U, 50U}) {
    const SoftmaxPoint point(10, 3);
    const Tensor slopes = uniform_tensor({10, count}, 5, -1.5F, 1.5F);
    const Tensor a = changes_of(count, 6);
    Tensor lines({kernels::line_rows(10), count});
    Tensor change(a.shape());
    kernels::softmax_cross_entropy_lines(point.y.values(), point.t.values(), slopes, lines);
    kernels::softmax_cross_entropy_along(point.y.values(), lines, a, change);
    for (std::size_t j = 0; j < count; ++j) {
      const Tensor dx = along(slopes, a, j);
      for (std::size_t i = 0; i < std::size(kSteps); ++i) {
        const double exact = reference::softmax_cross_entropy_change<double>(
            to_double(point.y.values()), to_double(point.t.values()), to_double(dx.view().row(i)));
        ASSERT_NEAR(change.view()(i, j), exact, 64 * kUnit * static_cast<double>(kSteps[i]));
      }
    }
  }
}

TEST(Changes, SquaredErrorLinesAreTheirFormula) {
  const Tensor y = uniform_tensor({7}, 7);
  const Tensor t = uniform_tensor({7}, 8);
  const Tensor slopes = uniform_tensor({7, 33}, 9);
  const Tensor a = changes_of(33, 10);
  Tensor lines({kernels::line_rows(7), 33});
  Tensor change(a.shape());
  kernels::squared_error_lines(y.values(), t.values(), slopes, lines);
  kernels::squared_error_along(lines, a, change);
  for (std::size_t j = 0; j < 33; ++j) {
    const Tensor dy = along(slopes, a, j);
    for (std::size_t i = 0; i < std::size(kSteps); ++i) {
      const double exact = reference::sum_of_squared_errors_change<double>(
          to_double(y.values()), to_double(t.values()), to_double(dy.view().row(i)));
      const double step = kSteps[i];
      EXPECT_NEAR(change.view()(i, j), exact, 64 * kUnit * (step + step * step));
    }
  }
}

TEST(Changes, CrossingsAreWhereTheSignChanges) {
  const std::vector<float> x = {1.0F, -1.0F, 0.0F, 0.0F, 2.0F};
  Tensor dx({1, 5}, {-1.5F, 1.5F, 1e-30F, -1.0F, -1.0F});
  BasicTensor<std::uint8_t> crossed({1, 5});
  kernels::relu_crossings(x, dx, crossed);
  EXPECT_EQ(crossed, BasicTensor<std::uint8_t>({1, 5}, {1, 1, 1, 0, 0}));
}

TEST(Changes, StencilsAndSumsOfRows) {
  const Tensor changes({4, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  Tensor out({2, 3});
  kernels::apply_stencil(std::vector<float>{2.0F, -1.0F}, changes, out);
  EXPECT_EQ(out, Tensor({2, 3}, {-2, -1, 0, 4, 5, 6}));
  Tensor sums({3, 5});
  const std::vector<kernels::RowPair> pairs = {{2, 0}, {0, 1}, {2, 1}};
  kernels::add_rows(pairs, out, 1, sums);
  EXPECT_EQ(sums, Tensor({3, 5}, {0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 2, 4, 6, 0}));
  EXPECT_THROW(kernels::add_rows(pairs, out, 3, sums), ShapeError);
}

TEST(Changes, ShapesAreChecked) {
  const Tensor x({4});
  const Tensor dx({2, 3});
  Tensor dy({2, 3});
  EXPECT_THROW(kernels::sigmoid_change(x.values(), dx, dy), ShapeError);
  Tensor lines({3, 3});
  EXPECT_THROW(kernels::softmax_cross_entropy_lines(x.values(), x.values(), dx, lines), ShapeError);
}

}  // namespace
}  // namespace gradatim
