// The derivative that goes wrong, the one that works, and the tangents it gives.
#include <gradatim/gradatim.hpp>

#include <cstdio>

#include "picture.hpp"

namespace gd = gradatim;

const auto parabola = [](auto x) { return 0.01 * (x * x) + 0.1 * x; };

/// (f(x + h) - f(x)) / h with h = 10e-50: too small to change x.
double wrong_derivative(double x) {
  const double h = 10e-50;
  return (parabola(x + h) - parabola(x)) / h;
}

/// (f(x + h) - f(x - h)) / 2h with h = 1e-4, as the chapter writes it.
double central_by_hand(double x) {
  const double h = 1e-4;
  return (parabola(x + h) - parabola(x - h)) / (2 * h);
}

void explain_the_wrong_one() {
  std::printf("wrong derivative at 5: %g\n", wrong_derivative(5));
  std::printf("1e-50 in float32: %g\n", static_cast<double>(static_cast<float>(1e-50)));
  try {
    gd::derivative(parabola, 5.0, gd::Forward{.step = 10e-50});
  } catch (const gd::InvalidArgument& error) {
    std::printf("gradatim says: %s\n", error.what());
  }
}

void differentiate(double x) {
  const auto central = gd::derivative(parabola, x, gd::Central{.step = 1e-4});
  const auto exact = gd::derivative(parabola, x);
  std::printf("at %2g: by hand %.16g  central %.16g  %s %.16g, error %.0e\n", x, central_by_hand(x),
              central.value, std::string(exact.method).c_str(), exact.value, exact.error);
}

gd::Series tangent(double x0, int color) {
  const double slope = gd::derivative(parabola, x0).value;
  gd::Series line{.label = "tangent at " + std::to_string(static_cast<int>(x0)), .color = color};
  for (const double x : {0.0, 20.0}) {
    line.x.push_back(x);
    line.y.push_back(parabola(x0) + slope * (x - x0));
  }
  return line;
}

int main(int argc, char** argv) {
  explain_the_wrong_one();
  differentiate(5);
  differentiate(10);

  gd::Series curve{.label = "0.01 x² + 0.1 x"};
  for (int i = 0; i <= 200; ++i) {
    curve.x.push_back(0.1 * i);
    curve.y.push_back(parabola(curve.x.back()));
  }
  const gd::Series touching{
      .x = {5, 10}, .y = {parabola(5.0), parabola(10.0)}, .style = gd::LineStyle::points};
  gd::Panel panel{.x_label = "x", .y_label = "f(x)", .legend = gd::Legend::bottom_right};
  panel.series = {curve, tangent(5, 1), tangent(10, 2), touching};
  draw_picture({.panels = {panel}}, "derivative", argc, argv);
}
