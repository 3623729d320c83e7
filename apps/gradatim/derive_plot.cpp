#include "derive_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "contours.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/io/plot.hpp"

namespace gradatim::app {
namespace {

using Range = std::pair<double, double>;

/// The line of this slope through (x0, value), to `below` and `above` of x0 or to where they leave
/// the window: gnuplot draws no segment with both ends outside.
Series straight_line(double x0, double value, double slope, double below, double above,
                     const std::optional<Range>& window, std::string label) {
  if (window && slope != 0) {
    const double to_low = (value - window->first) / std::abs(slope);
    const double to_high = (window->second - value) / std::abs(slope);
    below = std::min(below, slope > 0 ? to_low : to_high);
    above = std::min(above, slope > 0 ? to_high : to_low);
  }
  return {.label = std::move(label),
          .x = {x0 - below, x0 + above},
          .y = {value - slope * below, value + slope * above},
          .color = 1};
}

bool has_slope(const CheckedEntry& entry) {
  return entry.verdict == Verdict::kPass || entry.verdict == Verdict::kUnresolved;
}

/// The tangent; at a kink one from either side, and nothing where there is none.
std::vector<Series> tangents(double x0, double value, double reach,
                             const std::optional<Range>& window, const CheckedEntry& entry) {
  const auto labelled = [](const char* side, double slope) {
    return fmt::format("slope {:.6g}{}", slope, side);
  };
  const double below = entry.slope_below;
  const double above = entry.slope_above;
  if (entry.verdict == Verdict::kKink)
    return {straight_line(x0, value, below, reach, 0, window, labelled(" from the left", below)),
            straight_line(x0, value, above, 0, reach, window, labelled(" from the right", above))};
  if (!has_slope(entry)) return {};
  return {straight_line(x0, value, entry.analytic, reach, reach, window,
                        "tangent, " + labelled("", entry.analytic))};
}

Series curve_around(const DerivativePicture& d, double reach) {
  constexpr int kPoints = 400;
  Series curve{.label = d.formula};
  for (int i = 0; i <= kPoints; ++i) {
    const double x = d.at[0] + reach * (2.0 * i / kPoints - 1);
    curve.x.push_back(x);
    curve.y.push_back(d.f({x}));
  }
  return curve;
}

/// How often the curve turns from rising to falling or back.
int turns(const std::vector<double>& y) {
  int count = 0;
  double last = 0;
  for (std::size_t i = 1; i < y.size(); ++i) {
    const double rise = y[i] - y[i - 1];
    if (rise * last < 0) ++count;
    if (rise != 0 && std::isfinite(rise)) last = rise;
  }
  return count;
}

/// The range of the middle nine tenths of the curve and of the point, with a margin: next to a pole
/// or along a steep tangent the rest would be all there is to see.
std::optional<Range> window_of(std::vector<double> y, double value) {
  std::erase_if(y, [](double v) { return !std::isfinite(v); });
  if (y.size() < 20 || !std::isfinite(value)) return std::nullopt;
  std::ranges::sort(y);
  const double low = std::min(y[y.size() / 20], value);
  const double high = std::max(y[y.size() - 1 - y.size() / 20], value);
  const double margin = (high - low) / 5;
  if (!(margin > 0) || !std::isfinite(margin)) return std::nullopt;
  return std::pair{low - margin, high + margin};
}

Plot tangent_plot(const DerivativePicture& d) {
  constexpr int kMostTurns = 24;  // that 400 points can draw
  const double x0 = d.at[0];
  double reach = 1.5 * std::max(1.0, std::abs(x0));
  Series curve = curve_around(d, reach);
  for (int halvings = 0; turns(curve.y) > kMostTurns && halvings < 40; ++halvings)
    curve = curve_around(d, reach /= 2);
  Panel panel{.title = "", .x_label = "x", .y_label = "f(x)", .series = {curve}};
  panel.x_range = std::pair{x0 - reach, x0 + reach};
  panel.y_range = window_of(curve.y, d.value);
  for (Series& line : tangents(x0, d.value, reach, panel.y_range, d.worst))
    panel.series.push_back(std::move(line));
  panel.series.push_back({.x = {x0}, .y = {d.value}, .style = LineStyle::points, .color = 1});
  return {.title = "", .panels = {panel}};
}

Plot contour_plot(const DerivativePicture& d) {
  const double x = d.at[0];
  const double y = d.at[1];
  const double reach = 1.5 * std::max({1.0, std::abs(x), std::abs(y)});
  const double length = std::hypot(d.gradient[0], d.gradient[1]);
  const double scale = length > 0 ? 0.4 * reach / length : 0;
  Panel panel{.title = fmt::format(
                  "{}{}", d.formula,
                  has_slope(d.worst) ? ", and minus its gradient" : ", which has no gradient here"),
              .x_label = "x0",
              .y_label = "x1",
              .equal_units = true,
              .x_range = std::pair{x - reach, x + reach},
              .y_range = std::pair{y - reach, y + reach}};
  panel.series = contour_lines(
      [&d](double a, double b) {
        return d.f({a, b});
      },
      *panel.x_range, *panel.y_range, 12);
  panel.series.push_back({.x = {x}, .y = {y}, .style = LineStyle::points, .color = 1});
  if (has_slope(d.worst))
    panel.arrows.push_back({x, y, -scale * d.gradient[0], -scale * d.gradient[1]});
  return {.title = "", .panels = {panel}};
}

}  // namespace

void draw_derivative(const DerivativePicture& d, const std::filesystem::path& file) {
  if (d.at.size() > 2)
    throw InvalidArgument(
        fmt::format("derive --plot: expected one or two coordinates, got {}", d.at.size()));
  const std::array files{file};
  draw(d.at.size() == 1 ? tangent_plot(d) : contour_plot(d), files);
}

}  // namespace gradatim::app
