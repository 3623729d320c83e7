#include "gradatim/train/curves.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gradatim {
namespace {

TEST(LossCurve, KeepsCountSumAndExtremesOfAnyNumberOfSteps) {
  for (const std::size_t steps : {1U, 2U, 1024U, 1025U, 4096U, 10'007U}) {
    LossCurve curve;
    double sum = 0;
    for (std::size_t i = 0; i < steps; ++i) {
      const double loss = std::sin(static_cast<double>(i));
      curve.add(loss);
      sum += loss;
    }
    const auto& bins = curve.bins();
    EXPECT_LE(bins.size(), LossCurve::kBins);
    EXPECT_EQ(bins.size(), (steps + curve.width() - 1) / curve.width());
    double total = 0;
    for (std::size_t b = 0; b < bins.size(); ++b) {
      const std::size_t first = b * curve.width();
      EXPECT_EQ(bins[b].count, std::min(curve.width(), steps - first));
      double low = 2;
      double high = -2;
      for (std::size_t i = first; i < first + bins[b].count; ++i) {
        low = std::min(low, std::sin(static_cast<double>(i)));
        high = std::max(high, std::sin(static_cast<double>(i)));
      }
      EXPECT_EQ(bins[b].low, low);
      EXPECT_EQ(bins[b].high, high);
      total += bins[b].sum;
    }
    EXPECT_NEAR(total, sum, 1e-9);
  }
}

TEST(TrainingCurves, DrawsTheMeanOverTheStepsItStandsFor) {
  LossCurve loss;
  for (int i = 0; i < 3000; ++i) loss.add(i % 2 == 0 ? 1.0 : 3.0);
  const Plot plot = training_curves("t", loss, {{1, 0.5, 0.25}, {1.5, 0.75, 0.5}});
  ASSERT_EQ(plot.panels.size(), 2U);
  const Series& noise = plot.panels[0].series[0];
  const Series& mean = plot.panels[0].series[1];
  EXPECT_EQ(noise.x.front(), 1);
  EXPECT_EQ(noise.x.back(), 3000);
  for (const double y : mean.y) EXPECT_EQ(y, 2);
  EXPECT_EQ(mean.x.front(), 2.5);  // steps 1 to 4
  const Series& test = plot.panels[1].series[1];
  EXPECT_EQ(test.x, (std::vector<double>{1, 1.5}));
  EXPECT_EQ(test.y, (std::vector<double>{0.25, 0.5}));
}

}  // namespace
}  // namespace gradatim
