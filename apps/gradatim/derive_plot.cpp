#include "derive_plot.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "contours.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/io/plot.hpp"

namespace gradatim::app {
namespace {

/// The line through (x0, value) of this slope, from x0 - below to x0 + above.
Series straight_line(double x0, double value, double slope, double below, double above,
                     std::string label) {
  return {.label = std::move(label),
          .x = {x0 - below, x0 + above},
          .y = {value - slope * below, value + slope * above},
          .color = 1};
}

/// The tangent; at a kink one from either side, and nothing where there is none.
std::vector<Series> tangents(double x0, double value, double reach, const CheckedEntry& entry) {
  const auto labelled = [](const char* side, double slope) {
    return fmt::format("slope {:.6g}{}", slope, side);
  };
  const double below = entry.slope_below;
  const double above = entry.slope_above;
  if (entry.verdict == Verdict::kKink)
    return {straight_line(x0, value, below, reach, 0, labelled(" from the left", below)),
            straight_line(x0, value, above, 0, reach, labelled(" from the right", above))};
  const bool exists = entry.verdict == Verdict::kPass || entry.verdict == Verdict::kUnresolved;
  if (!exists) return {};
  return {straight_line(x0, value, entry.analytic, reach, reach,
                        "tangent, " + labelled("", entry.analytic))};
}

Plot tangent_plot(const DerivativePicture& d) {
  constexpr int kPoints = 400;
  const double x0 = d.at[0];
  const double reach = 1.5 * std::max(1.0, std::abs(x0));
  Series curve{.label = d.formula};
  for (int i = 0; i <= kPoints; ++i) {
    const double x = x0 + reach * (2.0 * i / kPoints - 1);
    curve.x.push_back(x);
    curve.y.push_back(d.f({x}));
  }
  Panel panel{.title = "", .x_label = "x", .y_label = "f(x)", .series = {curve}};
  for (Series& line : tangents(x0, d.value, reach, d.worst))
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
  Panel panel{.title = fmt::format("{}, and minus its gradient", d.formula),
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
