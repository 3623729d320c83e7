#include "gradatim/train/curves.hpp"

#include <algorithm>
#include <cmath>

namespace gradatim {
namespace {

// Up and down between the extremes of each bin.
Series noise_of(const LossCurve& loss) {
  Series series{.label = "each step", .x = {}, .y = {}, .style = LineStyle::thin};
  for (std::size_t i = 0; i < loss.bins().size(); ++i) {
    const auto& bin = loss.bins()[i];
    const auto first = static_cast<double>(loss.first() + i * loss.width());
    const double last = first + static_cast<double>(bin.count) - 1;
    series.x.insert(series.x.end(), {first, last});
    series.y.insert(series.y.end(), {bin.high, bin.low});
  }
  return series;
}

Series mean_of(const LossCurve& loss) {
  Series series{.label = "mean", .x = {}, .y = {}};
  const auto& bins = loss.bins();
  const std::size_t reach = bins.size() / 80;  // to either side
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const std::size_t near = std::min({i, bins.size() - 1 - i, reach});
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t j = i - near; j <= i + near; ++j) {
      sum += bins[j].sum;
      count += bins[j].count;
    }
    series.x.push_back(static_cast<double>(loss.first() + i * loss.width()) +
                       static_cast<double>(bins[i].count - 1) / 2);
    series.y.push_back(sum / static_cast<double>(count));
  }
  return series;
}

}  // namespace

void LossCurve::add(double loss) {
  if (bins_.empty() || bins_.back().count == width_) {
    if (bins_.size() == kBins) halve();
    bins_.push_back({.low = loss, .high = loss, .sum = 0, .count = 0});
  }
  Bin& bin = bins_.back();
  bin.low = std::min(bin.low, loss);
  bin.high = std::max(bin.high, loss);
  bin.sum += loss;
  ++bin.count;
}

void LossCurve::halve() {
  for (std::size_t i = 0; i < kBins / 2; ++i) {
    const Bin& a = bins_[2 * i];
    const Bin& b = bins_[2 * i + 1];
    bins_[i] = {.low = std::min(a.low, b.low),
                .high = std::max(a.high, b.high),
                .sum = a.sum + b.sum,
                .count = a.count + b.count};
  }
  bins_.resize(kBins / 2);
  width_ *= 2;
}

Plot training_curves(const std::string& title, const LossCurve& loss,
                     const std::vector<ScorePoint>& scores, std::string_view figure) {
  const auto series = [&](const char* label, double ScorePoint::*score, int color) {
    Series drawn{.label = label, .style = LineStyle::line_with_points, .color = color};
    for (const ScorePoint& point : scores) {
      drawn.x.push_back(point.epoch);
      drawn.y.push_back(point.*score);
    }
    return drawn;
  };
  std::vector<Series> drawn{series("train", &ScorePoint::train, 0),
                            series("test", &ScorePoint::test, 1)};
  if (!scores.empty() && !std::isnan(scores.front().validation))
    drawn.push_back(series("validation", &ScorePoint::validation, 2));
  return {.title = title,
          .panels = {{.title = "loss of the mini-batch",
                      .x_label = "step",
                      .y_label = "loss",
                      .series = {noise_of(loss), mean_of(loss)}},
                     {.title = std::string(figure),
                      .x_label = "epoch",
                      .y_label = std::string(figure == "accuracy" ? "share recognised" : figure),
                      .legend = Legend::bottom_right,
                      .series = std::move(drawn)}}};
}

}  // namespace gradatim
