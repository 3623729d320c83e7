#pragma once

#include <string>
#include <vector>

#include "diff/any_function.hpp"

namespace gradatim::test {

/// A row of data/gradients.tsv.
struct KnownGradient {
  std::string name;
  VectorFunction f;
  std::vector<double> x;
  std::vector<double> gradient;
};

const std::vector<KnownGradient>& known_gradients();

}  // namespace gradatim::test
