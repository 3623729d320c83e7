#pragma once

#include <cmath>
#include <complex>
#include <fstream>
#include <map>
#include <numbers>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gradatim/diff/elementary.hpp"
#include "support/source_folder.hpp"

// The functions of data/derivatives.tsv, generic in the scalar, and the rows of the file.
namespace gradatim::test {

struct KnownDerivative {
  std::string function;
  double x;
  double value;
};

inline std::vector<KnownDerivative> known_derivatives() {
  std::ifstream file(test::source_folder() / "tests/diff/data/derivatives.tsv");
  std::vector<KnownDerivative> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    KnownDerivative row;
    std::string x;
    std::string value;
    std::getline(fields, row.function, '\t');
    std::getline(fields, x, '\t');
    std::getline(fields, value, '\t');
    row.x = std::stod(x);
    row.value = std::stod(value);
    rows.push_back(row);
  }
  return rows;
}

/// normal_cdf has no counterpart for std::complex.
inline const auto kNormalCdf = [](auto x) { return 0.5 * erfc(-x / std::numbers::sqrt2); };

template <class S>
S cube(const S& x) {
  return x * x * x;
}

/// visit(f) for the analytic function called `name`; false if there is none of that name.
template <class Visit>
bool visit_analytic(const std::string& name, Visit&& visit) {
  const auto named = [&](const char* candidate, auto f) {
    if (name != candidate) return false;
    visit(f);
    return true;
  };
  return named("exp(x)", [](auto x) { return exp(x); }) ||
         named("sin(x)", [](auto x) { return sin(x); }) ||
         named("cos(x)", [](auto x) { return cos(x); }) ||
         named("log(x)", [](auto x) { return log(x); }) ||
         named("sqrt(x)", [](auto x) { return sqrt(x); }) ||
         named("atan(x)", [](auto x) { return atan(x); }) ||
         named("1/x", [](auto x) { return 1.0 / x; }) ||
         named("x^1.5", [](auto x) { return pow(x, 1.5); }) ||
         named("sin(1/x)", [](auto x) { return sin(1.0 / x); }) ||
         named("exp(-x^2)", [](auto x) { return exp(-x * x); }) ||
         named("x^2", [](auto x) { return x * x; }) ||
         named("x^99-1", [](auto x) { return pow(x, 99.0) - 1.0; }) ||
         named("exp(x)/(cos(x)^3+sin(x)^3)",
               [](auto x) { return exp(x) / (cube(cos(x)) + cube(sin(x))); }) ||
         named("exp(x)/sqrt(sin(x)^3+cos(x)^3)",
               [](auto x) { return exp(x) / sqrt(cube(sin(x)) + cube(cos(x))); }) ||
         named("exp(x)/(sin(x)-x^2)", [](auto x) { return exp(x) / (sin(x) - x * x); }) ||
         named("(exp(x)-1)^2", [](auto x) { return (exp(x) - 1.0) * (exp(x) - 1.0); }) ||
         named("exp(100*x)", [](auto x) { return exp(100.0 * x); }) ||
         named("x^4+3*x^2-10*x", [](auto x) { return x * x * x * x + 3.0 * x * x - 10.0 * x; }) ||
         named("exp(-x/1e6)", [](auto x) { return exp(-x / 1e6); }) ||
         named("exp(x^2)", [](auto x) { return exp(x * x); }) ||
         named("x^2*log(x)", [](auto x) { return x * x * log(x); }) ||
         named("tan(x)", [](auto x) { return tan(x); }) ||
         named("0.01*x^2+0.1*x", [](auto x) { return 0.01 * x * x + 0.1 * x; });
}

template <class Visit>
void visit_function(const std::string& name, Visit&& visit) {
  if (name == "normal_cdf(x)") {
    visit(kNormalCdf);
  } else if (!visit_analytic(name, visit)) {
    throw std::runtime_error("derivatives.tsv: no function named " + name);
  }
}

}  // namespace gradatim::test
