// One variable moves, the other stands still: f(x0, x1) = x0² + x1² at (3, 4).
#include <gradatim/gradatim.hpp>

#include <cstdio>

namespace gd = gradatim;

const auto bowl = [](const auto& x) { return x[0] * x[0] + x[1] * x[1]; };

/// (f(x + h) - f(x - h)) / 2h with h = 1e-4, as the chapter writes it.
template <class F>
double central_by_hand(const F& f, double x) {
  const double h = 1e-4;
  return (f(x + h) - f(x - h)) / (2 * h);
}

int main() {
  // The other variable becomes a constant.
  const auto along_x0 = [](double x0) { return x0 * x0 + 4.0 * 4.0; };
  const auto along_x1 = [](double x1) { return 3.0 * 3.0 + x1 * x1; };
  std::printf("by hand  d/dx0 %.16g  d/dx1 %.16g\n", central_by_hand(along_x0, 3),
              central_by_hand(along_x1, 4));

  // As a function of a vector, by differences and exactly.
  for (std::size_t i = 0; i < 2; ++i) {
    const auto central = gd::partial(bowl, {3.0, 4.0}, i, gd::Central{.step = 1e-4});
    const auto exact = gd::partial(bowl, {3.0, 4.0}, i);
    std::printf("partial  d/dx%zu central %.16g  %s %g\n", i, central.value,
                std::string(exact.method).c_str(), exact.value);
  }
}
