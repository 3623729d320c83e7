#include "gradatim/diff/tape.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "diff/test_functions.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/diff/gradient.hpp"
#include "support/allocation_count.hpp"

namespace gradatim {
namespace {

using Vector = std::vector<double>;

TEST(Tape, ASharedSubexpressionIsVisitedOnce) {
  Recording<double> recording;
  const auto x = recording.input(1.0);
  const auto y = recording.input(1e-9);
  auto product = x;
  for (int i = 0; i < 60; ++i) product = product * (product + y);  // 2^60 paths, 120 operations
  EXPECT_LE(recording.size(), 2U + 120U);
  EXPECT_GT(recording.gradient(product)[0], 1e18);
}

TEST(Tape, OperationsOnOneOperandNeedNoNode) {
  Recording<double> recording;
  const auto x = recording.input(0.5);
  const auto y = exp(sin(3.0 * x * x + 1.0) / 2.0) - x;
  EXPECT_EQ(recording.size(), 1U);
  const double u = std::exp(std::sin(1.75) / 2);
  EXPECT_NEAR(recording.gradient(y)[0], u * std::cos(1.75) * 0.5 * 3 - 1, 1e-15);
}

TEST(Tape, ConstantsAndUnusedInputsHaveNoGradient) {
  const auto g = gradient([](const auto& x) { return 0.0 * x[0] + 3.0 + x[1] - x[1]; },
                          Vector{1, 2, 3}, Tape{});
  EXPECT_EQ(g.value, (Vector{0, 0, 0}));
  const auto constant = gradient([](const auto&) { return 5.0; }, Vector{1, 2}, Tape{});
  EXPECT_EQ(constant.value, (Vector{0, 0}));
}

// What has no part in the result may have an infinite slope: 0·inf is 0 there. The first is
// recorded and not taken, the second is taken times 0.
TEST(Tape, AnInfiniteSlopeThatDoesNotCountDoesNotPoison) {
  const auto untaken = [](const auto& x) { return max(x[0], x[2] * sqrt(x[1])) + x[0] * x[2]; };
  EXPECT_EQ(gradient(untaken, Vector{1, 0, 1}, Tape{}).value, (Vector{2, 0, 1}));
  const auto times_zero = [](const auto& x) { return x[2] * sqrt(x[1]) * x[0]; };
  EXPECT_EQ(gradient(times_zero, Vector{0, 0, 1}, Tape{}).value, (Vector{0, 0, 0}));
  const auto counts = [](const auto& x) { return x[2] * sqrt(x[1]) * x[0]; };
  EXPECT_EQ(gradient(counts, Vector{2, 0, 1}, Tape{}).status, Status::kNonFinite) << "a control";
}

// The longest chain is kept out of memory, wherever else its nodes are used.
TEST(Tape, AChainWhoseNodesAreUsedElsewhereToo) {
  const auto f = [](const auto& x) {
    const auto s1 = x[0] * x[1];
    const auto s2 = s1 + x[0] * x[1];
    const auto s3 = s2 + s1 * x[1];
    return s3 * s2 + s1;
  };
  const auto exact = gradient(f, Vector{1.5, -0.7}, Dual{});
  const auto tape = gradient(f, Vector{1.5, -0.7}, Tape{});
  EXPECT_NEAR(tape[0], exact[0], 1e-14);
  EXPECT_NEAR(tape[1], exact[1], 1e-14);
}

TEST(Tape, AllocatesNothingAfterTheFirstCall) {
  Vector x(10'000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<double>(i));
  Vector d_x(x.size());
  const auto run = [&] {
    return value_and_gradient(test::kChainedRosenbrock, x, std::span(d_x), Tape{});
  };
  const double first = run();
  const std::size_t before = test::allocation_count();
  const double second = run();
  EXPECT_EQ(test::allocation_count(), before);
  EXPECT_EQ(first, second);
  const Vector copy = x;
  EXPECT_GT(test::allocation_count(), before) << "a control: the counter counts";
}

TEST(Tape, RecordingsNest) {
  // The inner gradient, 2 t at t = x0's value, is a constant to the outer.
  const auto f = [](const auto& x) {
    const Vector at{plain_value(x[0])};
    const auto inner = gradient([](const auto& t) { return t[0] * t[0]; }, at, Tape{});
    return x[0] * x[1] * inner[0];
  };
  EXPECT_EQ(gradient(f, Vector{3, 5}, Tape{}).value, (Vector{30, 18}));
}

TEST(Tape, AThrowingFunctionLeavesItUsable) {
  const auto throws = [](const auto& x) {
    auto y = x[0] * x[1];
    if (y > 0) throw std::runtime_error("mine");
    return y;
  };
  EXPECT_THROW(gradient(throws, Vector{1, 2}, Tape{}), std::runtime_error);
  EXPECT_EQ(detail::active_tape<double>, nullptr);
  EXPECT_EQ(gradient(test::kBowl, Vector{3, 4}, Tape{}).value, (Vector{6, 8}));
}

TEST(Tape, AVariableThatOutlivesItsRecordingIsRefused) {
  Variable<double> a;
  Variable<double> b;
  {
    Recording<double> recording;
    a = recording.input(1);
    b = recording.input(2);
  }
  EXPECT_THROW(a * b, InvalidArgument);
}

TEST(Tape, EveryThreadHasItsOwn) {
  std::vector<Vector> results(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < results.size(); ++t)
    threads.emplace_back([&results, t] {
      Vector x(100, 0.01 * static_cast<double>(t));
      for (int repeat = 0; repeat < 50; ++repeat)
        results[t] = gradient(test::kChainedRosenbrock, x, Tape{}).value;
    });
  for (auto& thread : threads) thread.join();
  for (std::size_t t = 0; t < results.size(); ++t)
    EXPECT_EQ(results[t],
              gradient(test::kChainedRosenbrock, Vector(100, 0.01 * static_cast<double>(t)), Tape{})
                  .value);
}

}  // namespace
}  // namespace gradatim
