#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "gradatim/io/plot.hpp"

namespace gradatim::app {

/// Lines of equal f over a square window, at `count` levels that leave equal areas between them:
/// marching squares on a grid, each level a series of segments.
std::vector<Series> contour_lines(const std::function<double(double, double)>& f,
                                  std::pair<double, double> x_range,
                                  std::pair<double, double> y_range, std::size_t count);

}  // namespace gradatim::app
