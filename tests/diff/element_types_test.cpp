#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/descent.hpp"
#include "gradatim/diff/directional.hpp"
#include "gradatim/diff/eigen.hpp"
#include "gradatim/diff/hessian.hpp"
#include "gradatim/diff/jacobian.hpp"

// Every entry point for every kind of point, of float, double and long double.
namespace gradatim {
namespace {

/// f(x) = x0² x1 at (3, 2): gradient (12, 9), Hessian ((4, 6), (6, 0)).
const auto kCubic = [](const auto& x) { return x[0] * x[0] * x[1]; };
const auto kMap = [](const auto& x) {
  using S = std::remove_cvref_t<decltype(x[0])>;
  return std::vector<S>{x[0] * x[1], x[0] + x[1]};
};

template <class T>
struct InVector {
  using Element = T;
  std::vector<T> x{3, 2};
  std::vector<T> v{1, -2};
};
template <class T>
struct InArray {
  using Element = T;
  std::array<T, 2> x{3, 2};
  std::array<T, 2> v{1, -2};
};
template <class T>
struct InSpan {
  using Element = T;
  std::vector<T> values{3, 2, 1, -2};
  std::span<T> x{values.data(), 2};
  std::span<T> v{values.data() + 2, 2};
};
template <class T>
struct InConstSpan {
  using Element = T;
  std::vector<T> values{3, 2, 1, -2};
  std::span<const T> x{values.data(), 2};
  std::span<const T> v{values.data() + 2, 2};
};
template <class T>
struct InEigen {
  using Element = T;
  Eigen::Vector<T, Eigen::Dynamic> x{{3, 2}};
  Eigen::Vector<T, Eigen::Dynamic> v{{1, -2}};
};
template <class T>
struct InFixedEigen {
  using Element = T;
  Eigen::Vector<T, 2> x{3, 2};
  Eigen::Vector<T, 2> v{1, -2};
};

template <class P>
class EveryPoint : public testing::Test {
 protected:
  using T = typename P::Element;
  P point_;

  static void expect(T value, double exact) {
    EXPECT_NEAR(static_cast<double>(value), exact, 2e-6 * std::abs(exact) + 1e-6);
  }
};

#ifdef GRADATIM_SANITIZED  // which make each of these take half a minute to compile
using Points = testing::Types<InVector<float>, InSpan<double>, InFixedEigen<long double>>;
#else
using Points =
    testing::Types<InVector<float>, InVector<double>, InVector<long double>, InArray<float>,
                   InArray<double>, InArray<long double>, InSpan<float>, InSpan<double>,
                   InSpan<long double>, InConstSpan<float>, InConstSpan<double>,
                   InConstSpan<long double>, InEigen<float>, InEigen<double>, InEigen<long double>,
                   InFixedEigen<float>, InFixedEigen<double>, InFixedEigen<long double>>;
#endif
TYPED_TEST_SUITE(EveryPoint, Points);

TYPED_TEST(EveryPoint, Gradient) {
  auto& x = this->point_.x;
  const auto check = [&](const auto& g) {
    static_assert(std::same_as<std::remove_cvref_t<decltype(g[0])>, typename TypeParam::Element>);
    this->expect(g[0], 12);
    this->expect(g[1], 9);
    EXPECT_EQ(g.status, Status::kOk) << g.method;
  };
  check(gradient(kCubic, x));
  check(gradient(kCubic, x, Central{}));
  check(gradient(kCubic, x, Ridders{}));
  check(gradient(kCubic, x, ComplexStep{}));
  check(gradient(kCubic, x, Dual{}));
  check(gradient(kCubic, x, Tape{}));
}

TYPED_TEST(EveryPoint, Partial) {
  auto& x = this->point_.x;
  const auto check = [&](const auto& d) {
    static_assert(std::same_as<decltype(d.value), typename TypeParam::Element>);
    this->expect(d.value, 9);
    EXPECT_EQ(d.status, Status::kOk) << d.method;
  };
  check(partial(kCubic, x, 1));
  check(partial(kCubic, x, 1, Central{}));
  check(partial(kCubic, x, 1, Ridders{}));
  check(partial(kCubic, x, 1, ComplexStep{}));
  check(partial(kCubic, x, 1, Dual{}));
  check(partial(kCubic, x, 1, Tape{}));
}

TYPED_TEST(EveryPoint, Directional) {
  auto& x = this->point_.x;
  const auto& v = this->point_.v;
  const auto check = [&](const auto& d) {
    static_assert(std::same_as<decltype(d.value), typename TypeParam::Element>);
    this->expect(d.value, 12 - 2 * 9);
    EXPECT_EQ(d.status, Status::kOk) << d.method;
  };
  check(directional(kCubic, x, v));
  check(directional(kCubic, x, v, Central{}));
  check(directional(kCubic, x, v, Ridders{}));
  check(directional(kCubic, x, v, ComplexStep{}));
  check(directional(kCubic, x, v, Dual{}));
  check(directional(kCubic, x, v, Tape{}));
}

TYPED_TEST(EveryPoint, Jacobian) {
  auto& x = this->point_.x;
  const auto check = [&](const auto& j) {
    const std::array exact{2.0, 3.0, 1.0, 1.0};
    ASSERT_EQ(j.rows * j.columns, exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i) this->expect(j.value[i], exact.at(i));
    EXPECT_EQ(j.status, Status::kOk) << j.method;
  };
  check(jacobian(kMap, x));
  check(jacobian(kMap, x, Ridders{}));
  check(jacobian(kMap, x, ComplexStep{}));
  check(jacobian(kMap, x, Tape{}));
}

TYPED_TEST(EveryPoint, Hessian) {
  auto& x = this->point_.x;
  const auto check = [&](const auto& h, double tolerance) {
    const std::array exact{4.0, 6.0, 6.0, 0.0};
    for (std::size_t i = 0; i < exact.size(); ++i)
      EXPECT_NEAR(static_cast<double>(h.value[i]), exact.at(i), tolerance) << h.method;
  };
  check(hessian(kCubic, x), 1e-6);
  check(hessian(kCubic, x, Dual{}), 1e-6);
  check(hessian(kCubic, x, Ridders{}), 1e-5);
}

TYPED_TEST(EveryPoint, CheckGradient) {
  auto& x = this->point_.x;
  const std::vector<double> right{12, 9};
  const std::vector<double> wrong{12, 9.1};
  EXPECT_TRUE(check_gradient(kCubic, right, x).passed())
      << check_gradient(kCubic, right, x).to_string();
  EXPECT_EQ(check_gradient(kCubic, wrong, x).worst().verdict, Verdict::kFail);
}

TYPED_TEST(EveryPoint, Descent) {
  const auto bowl = [](const auto& x) { return x[0] * x[0] + x[1] * x[1]; };
  const auto d = gradient_descent(bowl, this->point_.x, {.learning_rate = 0.1, .steps = 100});
  this->expect(*d.point.data(), 3 * std::pow(0.8, 100));
  const auto m = minimise(bowl, this->point_.x, {.tolerance = 1e-6});
  EXPECT_EQ(m.stop, Stop::kConverged);
}

TEST(LongDouble, HasItsOwnPrecision) {
  const auto f = [](const auto& x) { return exp(x) / x; };
  const std::function<long double(long double)> plain = f;
  const long double exact = std::exp(1.3L) * (1.3L - 1) / (1.3L * 1.3L);
  EXPECT_LE(std::abs(derivative(f, 1.3L, Dual{}).value - exact), 2e-18L);
  EXPECT_LE(std::abs(derivative(plain, 1.3L, Ridders{}).value - exact), 2e-17L);
  const std::vector<long double> x{1.3L, 2};
  const auto g = gradient([](const auto& v) { return exp(v[0]) / v[0] * v[1]; }, x, Tape{});
  EXPECT_LE(std::abs(g[0] - 2 * exact), 4e-18L);
}

/// As the course writes them.
TEST(ListsOfIntegers, AreListsOfDoubles) {
  using Vector = std::vector<double>;
  const auto bowl = [](const auto& x) { return x[0] * x[0] + x[1] * x[1]; };
  EXPECT_EQ(gradient(bowl, {3, 4}).value, (Vector{6, 8}));
  EXPECT_EQ(gradient(bowl, {3, 4}, Tape{}).value, (Vector{6, 8}));
  EXPECT_EQ(partial(bowl, {3, 4}, 1).value, 8);
  EXPECT_TRUE(check_gradient(bowl, Vector{6, 8}, {3, 4}).passed());
  EXPECT_EQ(hessian(bowl, {3, 4}).value, (Vector{2, 0, 0, 2}));
  const auto pair = [](const auto& x) { return std::vector{x[0], x[0] * x[1]}; };
  EXPECT_EQ(jacobian(pair, {3, 4}, Dual{}).value, (Vector{1, 0, 4, 3}));
  EXPECT_NEAR(gradient_descent(bowl, {-3, 4}, {.learning_rate = 0.1, .steps = 1}).point[0], -2.4,
              1e-15);
  EXPECT_NEAR(minimise(bowl, {-3, 4}).value, 0, 1e-12);
}

/// Functions of float alone are differenced in float, and say how little that gives.
TEST(FloatOnly, PartialAndDirectionalCoverTheirError) {
  const auto f = [](const std::vector<float>& x) { return x[0] * x[0] * x[1]; };
  std::vector<float> x{3.7F, 2.1F};
  const std::vector<float> v{1, -2};
  const double exact = 2 * static_cast<double>(x[0]) * static_cast<double>(x[1]);
  const double other = static_cast<double>(x[0]) * static_cast<double>(x[0]);
  for (const auto& d : {partial(f, x, 0), partial(f, x, 0, Central{}), partial(f, x, 0, Stencil{})})
    EXPECT_LE(std::abs(static_cast<double>(d.value) - exact), 10 * static_cast<double>(d.error))
        << d.method;
  for (const auto& d : {directional(f, x, v), directional(f, x, v, Central{})})
    EXPECT_LE(std::abs(static_cast<double>(d.value) - (exact - 2 * other)),
              10 * static_cast<double>(d.error))
        << d.method;
}

}  // namespace
}  // namespace gradatim
