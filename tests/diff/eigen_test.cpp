#include "gradatim/diff/eigen.hpp"

#include <gtest/gtest.h>

#include "gradatim/core/error.hpp"
#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/gradient.hpp"
#include "gradatim/diff/hessian.hpp"

namespace gradatim {
namespace {

TEST(Eigen, VectorsAreDifferentiatedByEveryKindOfMethod) {
  const Eigen::Vector3d x(1, 2, 3);
  const auto f = [](const auto& v) { return v.squaredNorm() + 2.0 * v.dot(v) + exp(v.sum() / 10); };
  const Eigen::Vector3d exact = 6 * x + Eigen::Vector3d::Constant(std::exp(0.6) / 10);
  const auto tape = gradient(f, x);
  static_assert(std::same_as<std::remove_cvref_t<decltype(tape.value)>, Eigen::Vector3d>);
  EXPECT_EQ(tape.method, "tape");
  EXPECT_LT((tape.value - exact).norm(), 1e-14);
  EXPECT_LT((gradient(f, x, Dual{}).value - exact).norm(), 1e-14);
  EXPECT_LT((gradient(f, x, Ridders{}).value - exact).norm(), 1e-11);
  const Eigen::VectorXd dynamic = x;
  EXPECT_LT((gradient(f, dynamic, Central{}).value - exact).norm(), 1e-7);
  EXPECT_NEAR(hessian(f, dynamic)(0, 1), std::exp(0.6) / 100, 1e-15);
}

// What lies with gaps is refused by the compiler: data() and size() would not be all of it.
static_assert(Point<Eigen::VectorXd> && Point<Eigen::MatrixXd> &&
              Point<Eigen::Ref<Eigen::VectorXd>>);
static_assert(!Point<decltype(Eigen::MatrixXd().row(0))>);
static_assert(!Point<decltype(Eigen::MatrixXd().block(0, 0, 1, 1))>);
static_assert(!Point<Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<2>>>);

TEST(Eigen, AFunctionOfVectorXdOnly) {
  Eigen::VectorXd x(2);
  x << 3, 4;
  const auto g = gradient([](const Eigen::VectorXd& v) { return v.squaredNorm(); }, x);
  EXPECT_EQ(g.method, "ridders");
  EXPECT_NEAR(g[0], 6, 1e-12);
  EXPECT_EQ(x[0], 3);
}

TEST(Eigen, MapsAndReferencesAreVectorsToF) {
  const auto f = [](const Eigen::VectorXd& v) { return v.squaredNorm(); };
  std::vector<double> values{3, 4};
  const Eigen::Map<Eigen::VectorXd> map(values.data(), 2);
  const auto g = gradient(f, map);
  static_assert(std::same_as<std::remove_cvref_t<decltype(g.value)>, Eigen::VectorXd>);
  EXPECT_NEAR(g[1], 8, 1e-12);
  Eigen::VectorXd x = map;
  EXPECT_NEAR(gradient(f, Eigen::Ref<Eigen::VectorXd>(x))[0], 6, 1e-12);
}

TEST(Eigen, AnalyticGradientsAreVectorsExpressionsOrFunctions) {
  const auto f = [](const auto& v) { return v.squaredNorm(); };
  const Eigen::Vector3d x(0.3, -1.2, 2);
  EXPECT_TRUE(check_gradient(f, Eigen::Vector3d(2 * x), x).passed());
  EXPECT_TRUE(check_gradient(f, 2 * x, x).passed());
  EXPECT_FALSE(check_gradient(f, 3 * x, x).passed());
  const Eigen::Matrix3d twice_identity = 2 * Eigen::Matrix3d::Identity();
  EXPECT_TRUE(check_gradient(f, twice_identity * x, x).passed());
  const auto twice = [](const Eigen::Vector3d& v) { return Eigen::Vector3d(2 * v); };
  EXPECT_TRUE(check_gradient(f, twice, x).passed());
  EXPECT_TRUE(check_gradient(f, {0.6, -2.4, 4.0}, x).passed());
  EXPECT_THROW(check_gradient(f, Eigen::Vector2d(1, 2), x), ShapeError);
}

}  // namespace
}  // namespace gradatim
