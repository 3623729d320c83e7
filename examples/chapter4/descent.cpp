// Down x0² + x1² from (-3, 4) with a learning rate that suits, one too large and one too small.
#include <gradatim/gradatim.hpp>

#include <cmath>
#include <cstdio>
#include <numbers>
#include <utility>

#include "picture.hpp"

namespace gd = gradatim;

const auto bowl = [](const auto& x) { return x[0] * x[0] + x[1] * x[1]; };

auto descend(double learning_rate) {
  return gd::gradient_descent(bowl, {-3.0, 4.0}, {.learning_rate = learning_rate, .steps = 100});
}

void report(double learning_rate) {
  const auto d = descend(learning_rate);
  std::printf("learning rate %5g: (%.8e, %.8e) after %zu steps: %s\n", learning_rate, d.point[0],
              d.point[1], d.steps, std::string(to_string(d.stop)).c_str());
}

gd::Series circle(double radius) {
  gd::Series line{.style = gd::LineStyle::thin, .color = 2};
  for (int i = 0; i <= 90; ++i) {
    const double angle = 2 * std::numbers::pi * i / 90;
    line.x.push_back(radius * std::cos(angle));
    line.y.push_back(radius * std::sin(angle));
  }
  return line;
}

int main(int argc, char** argv) {
  for (const double learning_rate : {0.1, 10.0, 1e-10}) report(learning_rate);

  gd::Panel panel{.x_label = "x0", .y_label = "x1", .equal_units = true};
  panel.x_range = panel.y_range = std::pair{-4.5, 4.5};
  for (int radius = 1; radius <= 6; ++radius) panel.series.push_back(circle(radius));
  gd::Series path{.label = "", .style = gd::LineStyle::line_with_points};
  for (const auto& point : descend(0.1).path) {
    path.x.push_back(point[0]);
    path.y.push_back(point[1]);
  }
  panel.series.push_back(path);
  draw_picture({.title = "gradient descent, learning rate 0.1", .panels = {panel}}, "descent", argc,
               argv);
}
