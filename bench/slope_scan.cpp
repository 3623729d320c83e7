// Whether reported errors of slopes cover the true ones, over many points of functions that are
// hard to differentiate: for each method, how many of 20,000 slopes are good by their status, how
// many of those are more than 10 errors off, how many are off by more than 1e-3, the worst, and
// evaluations.
//   slope_scan            every function by Ridders and Adaptive
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "gradatim/diff/derivative.hpp"

namespace {

namespace gd = gradatim;

using Function = std::function<double(double)>;

struct Case {
  std::string name;
  Function f, slope;
  double low, high;
};

double as_float(double x) {
  const volatile auto rounded = static_cast<float>(x);  // GCC 12 vectorises a mere cast away
  return static_cast<double>(rounded);
}

double rounded(double x, double unit) { return std::round(x / unit) * unit; }

std::vector<Case> cases() {
  std::vector<Case> all;
  const Function cosine = [](double x) { return std::cos(x); };
  for (const double rate : {1., 10., 81.07, 100., 648.5, 1000., 10'000.})
    all.push_back({"sin(" + std::to_string(rate) + " x)",
                   [rate](double x) { return std::sin(rate * x); },
                   [rate](double x) { return rate * std::cos(rate * x); }, 0, 10});
  for (const double shift : {1e3, 1e4, 1e5})
    all.push_back({"sin(x + " + std::to_string(shift) + ")",
                   [shift](double x) { return std::sin(x + shift); },
                   [shift](double x) { return std::cos(x + shift); }, -2, 2});
  for (const double width : {1e-4, 1.8e-4, 3e-4})
    all.push_back(
        {"a bend of width " + std::to_string(width),
         [width](double x) { return 0.3 * x + 0.5 * x * std::exp(-std::pow(x / width, 2)); },
         [width](double x) {
           const double square = std::pow(x / width, 2);
           return 0.3 + 0.5 * std::exp(-square) * (1 - 2 * square);
         },
         -1e-5, 1e-5});
  all.push_back({"exp(sin x)", [](double x) { return std::exp(std::sin(x)); },
                 [](double x) { return std::cos(x) * std::exp(std::sin(x)); }, -5, 5});
  all.push_back({"0.01 x² + 0.1 x", [](double x) { return 0.01 * x * x + 0.1 * x; },
                 [](double x) { return 0.02 * x + 0.1; }, -5, 5});
  all.push_back({"relu", [](double x) { return std::max(x, 0.0); },
                 [](double x) { return x > 0 ? 1.0 : 0.0; }, -1, 1});
  all.push_back({"sin of a float", [](double x) { return std::sin(as_float(x)); }, cosine, 0, 10});
  all.push_back({"sin as a float", [](double x) { return as_float(std::sin(x)); }, cosine, 0, 10});
  all.push_back({"sin in stairs of 1e-12", [](double x) { return rounded(std::sin(x), 1e-12); },
                 cosine, -2, 2});
  all.push_back({"x² in stairs of 1e-9", [](double x) { return rounded(x * x, 1e-9); },
                 [](double x) { return 2 * x; }, -1, 1});
  return all;
}

template <class M>
void scan(const Case& c, const M& method) {
  constexpr int kPoints = 20'000;
  int good = 0;
  int uncovered = 0;
  int wrong = 0;
  double worst = 0;
  std::size_t evaluations = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double x = c.low + (c.high - c.low) * (i + 0.37) / kPoints;
    const auto d = gd::derivative([&c](double t) { return c.f(t); }, x, method);
    evaluations += d.evaluations;
    if (d.status != gd::Status::kOk) continue;
    const double off = std::abs(d.value - c.slope(x));
    ++good;
    uncovered += off > 10 * d.error ? 1 : 0;
    wrong += off > 1e-3 ? 1 : 0;
    worst = std::max(worst, off);
  }
  std::printf("%-9s %-26s good %6d  over 10 errors off %6d  over 1e-3 %5d  worst %7.1e  %6.2f\n",
              std::string(M::kName).c_str(), c.name.c_str(), good, uncovered, wrong, worst,
              static_cast<double>(evaluations) / kPoints);
}

}  // namespace

int main() {
  for (const Case& c : cases()) {
    scan(c, gd::Ridders{});
    scan(c, gd::Adaptive{});
  }
}
