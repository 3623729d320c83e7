#include "contours.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace gradatim::app {
namespace {

constexpr std::size_t kCells = 120;  // a side
constexpr std::size_t kPoints = kCells + 1;

struct Grid {
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> f;  // (kPoints, kPoints), by row of equal y

  double at(std::size_t row, std::size_t column) const { return f[row * kPoints + column]; }
};

std::vector<double> even(std::pair<double, double> range) {
  std::vector<double> values(kPoints);
  for (std::size_t i = 0; i < kPoints; ++i)
    values[i] = range.first + (range.second - range.first) * static_cast<double>(i) / kCells;
  return values;
}

struct Corner {
  double x;
  double y;
  double f;
};

/// Where the level crosses the edge from a to b, appended to the series.
void append_crossing(Series& series, const Corner& a, const Corner& b, double level) {
  const double share = (level - a.f) / (b.f - a.f);
  series.x.push_back(a.x + share * (b.x - a.x));
  series.y.push_back(a.y + share * (b.y - a.y));
}

void append_cell(Series& series, const std::array<Corner, 4>& corners, double level) {
  std::size_t crossings = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const Corner& a = corners.at(i);
    const Corner& b = corners.at((i + 1) % 4);
    if ((a.f < level) == (b.f < level) || !std::isfinite(a.f) || !std::isfinite(b.f)) continue;
    append_crossing(series, a, b, level);
    if (++crossings % 2 == 1) continue;
    series.x.push_back(std::numeric_limits<double>::quiet_NaN());  // the segment ends
    series.y.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  if (crossings % 2 == 1) {  // beside a value that is not finite
    series.x.pop_back();
    series.y.pop_back();
  }
}

Series contour(const Grid& grid, double level) {
  Series series{.style = LineStyle::thin, .color = 2};
  for (std::size_t r = 0; r < kCells; ++r) {
    for (std::size_t c = 0; c < kCells; ++c) {
      const auto corner = [&](std::size_t row, std::size_t column) {
        return Corner{grid.x[column], grid.y[row], grid.at(row, column)};
      };
      append_cell(series, {corner(r, c), corner(r, c + 1), corner(r + 1, c + 1), corner(r + 1, c)},
                  level);
    }
  }
  return series;
}

}  // namespace

std::vector<Series> contour_lines(const std::function<double(double, double)>& f,
                                  std::pair<double, double> x_range,
                                  std::pair<double, double> y_range, std::size_t count) {
  Grid grid{even(x_range), even(y_range), {}};
  std::vector<double> sorted;
  for (const double y : grid.y) {
    for (const double x : grid.x) {
      grid.f.push_back(f(x, y));
      if (std::isfinite(grid.f.back())) sorted.push_back(grid.f.back());
    }
  }
  std::ranges::sort(sorted);
  std::vector<Series> lines;
  for (std::size_t k = 0; k < count && !sorted.empty(); ++k)
    lines.push_back(contour(grid, sorted[(2 * k + 1) * sorted.size() / (2 * count)]));
  return lines;
}

}  // namespace gradatim::app
