// What f does to its argument besides reading it, or instead.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "diff/every_method.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/descent.hpp"
#include "gradatim/diff/directional.hpp"
#include "gradatim/diff/hessian.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using Vector = std::vector<double>;

template <class T>
T sum_of_squares(const std::vector<T>& x) {
  T sum(0);
  for (const T& value : x) sum += value * value;
  return sum;
}

// A bias is appended, as to a layer's inputs.
constexpr auto kAppending = [](auto& x) {
  x.push_back(std::remove_cvref_t<decltype(x[0])>(1));
  return sum_of_squares(x);
};
constexpr auto kClearing = [](auto& x) {
  const auto sum = sum_of_squares(x);
  x.clear();
  return sum;
};

template <class M>
class EveryResized : public testing::Test {};
TYPED_TEST_SUITE(EveryResized, test::Methods);

// Six entries are more than Dual takes at a time.
TYPED_TEST(EveryResized, ArgumentIsNoticedAndRestored) {
  const Vector original{1, 2, 3, -1, 0.5, -2};
  const auto expect_right = [&](const auto& f) {
    Vector x = original;
    const auto g = gradient(f, x, TypeParam{});
    EXPECT_EQ(g.status, Status::kInputModified);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(g[i], 2 * original[i], 1e-5) << i;
    EXPECT_EQ(x, original);
    EXPECT_EQ(partial(f, x, 1, TypeParam{}).status, Status::kInputModified);
    EXPECT_EQ(directional(f, x, original, TypeParam{}).status, Status::kInputModified);
    EXPECT_EQ(x, original);
  };
  expect_right(kAppending);
  expect_right(kClearing);
}

TEST(Misbehaving, AnArgumentOfAnotherSizeIsRestoredWhenFThrows) {
  Vector x{1, 2, 3};
  int calls = 0;
  const auto f = [&](Vector& v) {
    v.push_back(1);
    if (++calls > 2) throw std::runtime_error("no more");
    return v[0];
  };
  EXPECT_THROW(gradient(f, x, Central{}), std::runtime_error);
  EXPECT_EQ(x, (Vector{1, 2, 3}));
}

TEST(Misbehaving, MatricesAndChecksNoticeAnotherSizeToo) {
  Vector x{1, 2, 3};
  EXPECT_EQ(hessian(kAppending, x).status, Status::kInputModified);
  EXPECT_EQ(hessian(kAppending, x, Dual{}).status, Status::kInputModified);
  const auto rows = [](auto& v) {
    v.push_back(v[0]);
    return std::vector(v.begin(), v.begin() + 2);
  };
  EXPECT_EQ(jacobian(rows, x, Central{}).status, Status::kInputModified);
  EXPECT_EQ(jacobian(rows, x, Dual{}).status, Status::kInputModified);
  EXPECT_EQ(jacobian(rows, x, ComplexStep{}).status, Status::kInputModified);
  const auto check = check_gradient(kAppending, {2.0, 4.0, 6.0}, x);
  EXPECT_EQ(check.count(Verdict::kInputModified), 3U);
  EXPECT_EQ(x, (Vector{1, 2, 3}));
}

// The course's habit, f(W) = loss of the network that holds W, has a gradient only for methods that
// move W itself.
TEST(Misbehaving, AnFThatReadsXAndNotItsArgumentIsRefusedByDescentAndExactMethods) {
  Vector w{1, 2, 3};
  const auto loss = [&w](const auto&) { return w[0] * w[0] + 3 * w[1]; };
  const auto refusal = [](const auto& call) { return test::message_of<InvalidArgument>(call); };
  const std::string why = ": f reads another x than the one it is given";
  EXPECT_CONTAINS(refusal([&] { gradient_descent(loss, w); }), "gradient_descent" + why);
  EXPECT_CONTAINS(refusal([&] { minimise(loss, w); }), "minimise" + why);
  EXPECT_CONTAINS(refusal([&] { gradient(loss, w, Tape{}); }), "tape" + why);
  EXPECT_CONTAINS(refusal([&] { gradient(loss, w, Dual{}); }), "dual" + why);
  EXPECT_CONTAINS(refusal([&] { gradient(loss, w, ComplexStep{}); }), "complex-step" + why);
  EXPECT_CONTAINS(refusal([&] { partial(loss, w, 0, Dual{}); }), "dual" + why);
  EXPECT_CONTAINS(refusal([&] { partial(loss, w, 0, Tape{}); }), "tape" + why);
  EXPECT_CONTAINS(refusal([&] { partial(loss, w, 0, ComplexStep{}); }), "complex-step" + why);
  EXPECT_CONTAINS(refusal([&] { directional(loss, w, Vector{1, 1, 1}, Dual{}); }), "dual" + why);
  EXPECT_CONTAINS(refusal([&] { hessian(loss, w, Dual{}); }), "dual" + why);
  EXPECT_EQ(directional(loss, w, Vector{0, 0, 0}, Dual{}).value, 0) << "whatever f reads";
  EXPECT_EQ(w, (Vector{1, 2, 3}));
  EXPECT_EQ(gradient(loss, w).value, gradient(loss, w, Ridders{}).value);
  const auto constant = [](const auto&) { return 3.0; };
  EXPECT_EQ(gradient(constant, w, Tape{}).status, Status::kOk);
  EXPECT_EQ(gradient_descent(constant, w).stop, Stop::kConverged);
}

// What answers in the numbers of the tape used its argument: neither it nor x is moved to ask.
TEST(Misbehaving, AFlatFThatIsGenericIsNotAsked) {
  Vector x(100, -5.0);
  const auto relu = [](const auto& v) {
    auto sum = v[0] * 0.0;
    for (const auto& entry : v)
      if (entry > 0.0) sum += entry * entry;
    return sum;
  };
  EXPECT_EQ(gradient_descent(relu, x).evaluations, 1U);
  EXPECT_EQ(minimise(relu, x).evaluations, 1U);
}

}  // namespace
}  // namespace gradatim
