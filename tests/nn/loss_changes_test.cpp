#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "gradatim/core/reference_changes.hpp"
#include "gradatim/nn/losses.hpp"

namespace gradatim {
namespace {

// Against the difference in long double, which resolves these changes; and a tiny one, of which a
// difference in double keeps no digit, against the derivative.
TEST(LossChanges, AreExactWhereADifferenceKeepsNoDigit) {
  const std::vector<double> y{0.3, -2.5, 14.25, 0.0};
  const std::vector<double> t{0.25, 1.0, 0.0, 1.0};
  const std::vector<long double> wide_t(t.begin(), t.end());
  const auto moved = [&](double size) {
    return std::vector<double>{0.7 * size, -1.3 * size, 0.4 * size, size};
  };
  const auto expect_exact = [&](auto loss, auto change) {
    for (const double size : {1e-3, 0.2, 5.0, -5.0}) {
      const std::vector<double> dy = moved(size);
      std::vector<long double> before(y.begin(), y.end());
      std::vector<long double> after(before);
      for (std::size_t k = 0; k < y.size(); ++k) after[k] += dy[k];
      const auto exact = static_cast<double>(loss(after) - loss(before));
      EXPECT_NEAR(change(dy), exact, 1e-14 * std::abs(exact)) << size;
    }
    const double slope = change(moved(1e-12)) / 1e-12;
    EXPECT_NEAR(change(moved(1e-20)) / 1e-20, slope, 1e-10 * std::abs(slope));
  };
  expect_exact(
      [&](const std::vector<long double>& x) { return mean_squared_error<long double>(x, wide_t); },
      [&](const std::vector<double>& dy) {
        return reference::mean_squared_error_change<double>(y, t, dy);
      });
  expect_exact(
      [&](const std::vector<long double>& x) {
        return binary_cross_entropy<long double>(x, wide_t);
      },
      [&](const std::vector<double>& dy) {
        return reference::binary_cross_entropy_change<double>(y, t, dy);
      });
  expect_exact(
      [&](const std::vector<long double>& x) { return huber<long double>(x, wide_t, 1.5); },
      [&](const std::vector<double>& dy) {
        return reference::huber_change<double>(y, t, dy, 1.5);
      });
}

}  // namespace
}  // namespace gradatim
