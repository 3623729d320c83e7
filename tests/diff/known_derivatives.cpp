#include "diff/known_derivatives.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>
#include <stdexcept>

#include "support/source_folder.hpp"

namespace gradatim::test {
namespace {

struct Named {
  const char* name;
  RealFunction f;
  std::optional<ComplexFunction> analytic;
};

template <class F>
Named analytic(const char* name, F f) {
  return {name, f, f};
}

template <class S>
S cube(const S& x) {
  return x * x * x;
}

const std::vector<Named>& functions() {
  static const std::vector<Named> kFunctions{
      analytic("exp(x)", [](auto x) { return exp(x); }),
      analytic("sin(x)", [](auto x) { return sin(x); }),
      analytic("cos(x)", [](auto x) { return cos(x); }),
      analytic("log(x)", [](auto x) { return log(x); }),
      analytic("sqrt(x)", [](auto x) { return sqrt(x); }),
      analytic("atan(x)", [](auto x) { return atan(x); }),
      analytic("1/x", [](auto x) { return 1.0 / x; }),
      analytic("x^1.5", [](auto x) { return pow(x, 1.5); }),
      analytic("sin(1/x)", [](auto x) { return sin(1.0 / x); }),
      analytic("exp(-x^2)", [](auto x) { return exp(-x * x); }),
      analytic("x^2", [](auto x) { return x * x; }),
      analytic("x^99-1", [](auto x) { return pow(x, 99.0) - 1.0; }),
      analytic("exp(x)/(cos(x)^3+sin(x)^3)",
               [](auto x) { return exp(x) / (cube(cos(x)) + cube(sin(x))); }),
      analytic("exp(x)/sqrt(sin(x)^3+cos(x)^3)",
               [](auto x) { return exp(x) / sqrt(cube(sin(x)) + cube(cos(x))); }),
      analytic("exp(x)/(sin(x)-x^2)", [](auto x) { return exp(x) / (sin(x) - x * x); }),
      analytic("(exp(x)-1)^2", [](auto x) { return (exp(x) - 1.0) * (exp(x) - 1.0); }),
      analytic("exp(100*x)", [](auto x) { return exp(100.0 * x); }),
      analytic("x^4+3*x^2-10*x", [](auto x) { return x * x * x * x + 3.0 * x * x - 10.0 * x; }),
      analytic("exp(-x/1e6)", [](auto x) { return exp(-x / 1e6); }),
      analytic("exp(x^2)", [](auto x) { return exp(x * x); }),
      analytic("x^2*log(x)", [](auto x) { return x * x * log(x); }),
      analytic("tan(x)", [](auto x) { return tan(x); }),
      analytic("0.01*x^2+0.1*x", [](auto x) { return 0.01 * x * x + 0.1 * x; }),
      {"normal_cdf(x)", [](auto x) { return 0.5 * erfc(-x / std::numbers::sqrt2); }, {}},
  };
  return kFunctions;
}

KnownDerivative parse(const std::string& line) {
  std::istringstream fields(line);
  std::string name;
  std::string x;
  std::string value;
  std::getline(fields, name, '\t');
  std::getline(fields, x, '\t');
  std::getline(fields, value, '\t');
  const auto known = std::ranges::find(functions(), name, &Named::name);
  if (known == functions().end())
    throw std::runtime_error("derivatives.tsv: no function named " + name);
  return {name, known->f, known->analytic, std::stod(x), std::stod(value)};
}

std::vector<KnownDerivative> read() {
  std::ifstream file(source_folder() / "tests/diff/data/derivatives.tsv");
  std::vector<KnownDerivative> rows;
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line[0] != '#') rows.push_back(parse(line));
  return rows;
}

}  // namespace

const std::vector<KnownDerivative>& known_derivatives() {
  static const std::vector<KnownDerivative> kRows = read();
  return kRows;
}

}  // namespace gradatim::test
