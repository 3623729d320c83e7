// Gradients of x0² + x1², and the field of arrows that point down it.
#include <gradatim/gradatim.hpp>

#include <array>
#include <cstdio>
#include <utility>

#include "picture.hpp"

namespace gd = gradatim;

const auto bowl = [](const auto& x) { return x[0] * x[0] + x[1] * x[1]; };

int main(int argc, char** argv) {
  for (const auto& x : {std::array{3.0, 4.0}, std::array{0.0, 2.0}, std::array{3.0, 0.0}}) {
    const auto g = gd::gradient(bowl, x);
    const auto numerical = gd::gradient(bowl, x, gd::Central{.step = 1e-4});
    std::printf("at (%g, %g): (%g, %g), by differences (%.8f, %.8f)\n", x[0], x[1], g[0], g[1],
                numerical[0], numerical[1]);
  }

  gd::Panel field{.x_label = "x0", .y_label = "x1", .equal_units = true};
  field.x_range = field.y_range = std::pair{-2.5, 2.5};
  for (int i = -4; i <= 4; ++i) {
    for (int j = -4; j <= 4; ++j) {
      const std::array x{0.5 * i, 0.5 * j};
      const auto g = gd::gradient(bowl, x);
      if (i != 0 || j != 0) field.arrows.push_back({x[0], x[1], -0.12 * g[0], -0.12 * g[1]});
    }
  }
  draw_picture({.title = "minus the gradient of x0² + x1²", .panels = {field}}, "gradients", argc,
               argv);
}
