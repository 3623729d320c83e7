#include "diff/known_gradients.hpp"

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "diff/test_functions.hpp"
#include "support/source_folder.hpp"

namespace gradatim::test {
namespace {

VectorFunction function_named(const std::string& name) {
  static const std::map<std::string, VectorFunction> kFunctions{
      {"bowl", kBowl},
      {"rosenbrock", kRosenbrock},
      {"powell_singular", kPowellSingular},
      {"wood", kWood},
      {"beale", kBeale},
      {"powell_badly_scaled", kPowellBadlyScaled},
      {"brown_badly_scaled", kBrownBadlyScaled},
      {"xyz_plus_exp", kXyzPlusExp},
  };
  const auto known = kFunctions.find(name);
  if (known == kFunctions.end())
    throw std::runtime_error("gradients.tsv: no function named " + name);
  return known->second;
}

std::vector<double> numbers(const std::string& text) {
  std::vector<double> values;
  std::istringstream fields(text);
  for (std::string field; std::getline(fields, field, ',');) values.push_back(std::stod(field));
  return values;
}

KnownGradient parse(const std::string& line) {
  std::istringstream fields(line);
  std::string name;
  std::string x;
  std::string gradient;
  std::getline(fields, name, '\t');
  std::getline(fields, x, '\t');
  std::getline(fields, gradient, '\t');
  return {name, function_named(name), numbers(x), numbers(gradient)};
}

std::vector<KnownGradient> read() {
  std::ifstream file(source_folder() / "tests/diff/data/gradients.tsv");
  std::vector<KnownGradient> rows;
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && line[0] != '#') rows.push_back(parse(line));
  return rows;
}

}  // namespace

const std::vector<KnownGradient>& known_gradients() {
  static const std::vector<KnownGradient> kRows = read();
  return kRows;
}

}  // namespace gradatim::test
