// Whether reported errors of slopes cover the true ones, over many points of functions that are
// hard to differentiate: for each method, how many of 20,000 slopes are good by their status, how
// many of those are more than 10 errors off, how many are off by more than 1e-3 (of the slope, if
// that is above 1), the worst, and evaluations. And what check_gradient says of 2,000 right slopes,
// and of their negatives.
//   slope_scan [PART]     every function, or those whose name has PART in it
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/derivative.hpp"

namespace {

namespace gd = gradatim;

using Function = std::function<double(double)>;

struct Case {
  std::string name;
  Function f, slope;
  double low, high;
  bool is_logarithmic = false;

  double point(int i, int count) const {
    const double share = (i + 0.37) / count;
    return is_logarithmic ? low * std::pow(high / low, share) : low + (high - low) * share;
  }
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
  // What f rounds is larger than f is: 1 + y, 1 - cos x.
  all.push_back({"log(1 + exp(-x))", [](double x) { return std::log(1 + std::exp(-x)); },
                 [](double x) { return -1 / (1 + std::exp(x)); }, 0, 36});
  all.push_back({"(1 - sigmoid x)²",
                 [](double x) { return std::pow(1 - 1 / (1 + std::exp(-x)), 2); },
                 [](double x) { return -2 * std::exp(x) / std::pow(1 + std::exp(x), 3); }, 0, 18});
  all.push_back({"1 - cos x", [](double x) { return 1 - std::cos(x); },
                 [](double x) { return std::sin(x); }, 1e-8, 1, true});
  all.push_back({"(1 - cos x) / x²", [](double x) { return (1 - std::cos(x)) / (x * x); },
                 [](double x) {
                   const double square = x * x;
                   return -x / 12 *
                          (1 -
                           square / 15 *
                               (1 - square * 3 / 112 * (1 - square / 67.5 * (1 - square / 110))));
                 },
                 1e-4, 1, true});
  all.push_back({"(1 - cos x) / x", [](double x) { return (1 - std::cos(x)) / x; },
                 [](double x) {
                   const double square = x * x;
                   return 0.5 - square / 8 * (1 - square / 18 * (1 - square / 40));
                 },
                 1e-9, 1e-1, true});
  all.push_back({"x³ - 3x² + 3x - 1", [](double x) { return ((x - 3) * x + 3) * x - 1; },
                 [](double x) { return 3 * (x - 1) * (x - 1); }, 0.9, 1.1});
  all.push_back({"x log(x² + 1)", [](double x) { return x * std::log(x * x + 1); },
                 [](double x) { return std::log1p(x * x) + 2 * x * x / (x * x + 1); }, 1e-4, 1,
                 true});
  // Steps have to be small next to x.
  all.push_back({"log x, near 0", [](double x) { return std::log(x); },
                 [](double x) { return 1 / x; }, 1e-100, 1e-2, true});
  all.push_back({"1 / x, near 0", [](double x) { return 1 / x; },
                 [](double x) { return -1 / x / x; }, 1e-100, 1e-2, true});
  all.push_back({"cbrt x, near 0", [](double x) { return std::cbrt(x); },
                 [](double x) { return 1 / (3 * std::cbrt(x) * std::cbrt(x)); }, 1e-100, 1e-2,
                 true});
  // What 1 ± x rounds away is magnified by a slope that is steep there.
  all.push_back({"acos(1 - x)", [](double x) { return std::acos(1 - x); },
                 [](double x) { return 1 / std::sqrt(x * (2 - x)); }, 1e-14, 1e-4, true});
  all.push_back({"acosh(1 + x)", [](double x) { return std::acosh(1 + x); },
                 [](double x) { return 1 / std::sqrt(x * (2 + x)); }, 1e-12, 1e-3, true});
  // As narrow as noise is looked for next to 0.
  for (const auto& [name, rate] : {std::pair{"1 / (1 + (1e8 x)²)", 1e8},
                                   {"1 / (1 + (3e8 x)²)", 3e8},
                                   {"1 / (1 + (1e9 x)²)", 1e9}})
    all.push_back({name, [rate = rate](double x) { return 1 / (1 + std::pow(rate * x, 2)); },
                   [rate = rate](double x) {
                     return -2 * rate * rate * x / std::pow(1 + std::pow(rate * x, 2), 2);
                   },
                   1e-12, 1e-5, true});
  all.push_back({"tanh(1e8 x)", [](double x) { return std::tanh(1e8 * x); },
                 [](double x) { return 1e8 / std::pow(std::cosh(1e8 * x), 2); }, 1e-12, 1e-7,
                 true});
  all.push_back({"(exp x - 1) / x", [](double x) { return (std::exp(x) - 1) / x; },
                 [](double x) {
                   return x < 1e-3 ? 0.5 + x / 3 + x * x / 8 + x * x * x / 30
                                   : (std::exp(x) * (x - 1) + 1) / (x * x);
                 },
                 1e-9, 1e-1, true});
  for (const double far : {1e5, 1e6, 1e7, 1e8})
    all.push_back({"sin x, far out", [](double x) { return std::sin(x); }, cosine, far, 10 * far});
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
    const double x = c.point(i, kPoints);
    const auto d = gd::derivative([&c](double t) { return c.f(t); }, x, method);
    evaluations += d.evaluations;
    if (d.status != gd::Status::kOk) continue;
    const double off = std::abs(d.value - c.slope(x));
    ++good;
    uncovered += off > 10 * d.error ? 1 : 0;
    const double share = off / std::max(1.0, std::abs(c.slope(x)));
    wrong += share > 1e-3 ? 1 : 0;
    worst = std::max(worst, share);
  }
  std::printf("%-9s %-26s good %6d  over 10 errors off %6d  over 1e-3 %5d  worst %7.1e  %6.2f\n",
              std::string(M::kName).c_str(), c.name.c_str(), good, uncovered, wrong, worst,
              static_cast<double>(evaluations) / kPoints);
}

void scan_check(const Case& c, double factor) {
  constexpr int kPoints = 2'000;
  std::map<std::string_view, int> verdicts;
  const auto f = [&c](const std::vector<double>& x) { return c.f(x[0]); };
  for (int i = 0; i < kPoints; ++i) {
    const double x = c.point(i, kPoints);
    const auto check = gd::check_gradient(f, std::vector<double>{factor * c.slope(x)}, {x});
    ++verdicts[gd::to_string(check.worst().verdict)];
  }
  std::printf("%-9s %-26s", factor == 1 ? "check" : "negated", c.name.c_str());
  for (const auto& [verdict, count] : verdicts)
    std::printf(" %s %d", std::string(verdict).c_str(), count);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  for (const Case& c : cases()) {
    if (argc > 1 && c.name.find(argv[1]) == std::string::npos) continue;
    scan(c, gd::Ridders{});
    scan(c, gd::Adaptive{});
    scan_check(c, 1);
    scan_check(c, -1);
  }
}
