#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diff/any_function.hpp"

namespace gradatim::test {

/// A row of data/derivatives.tsv.
struct KnownDerivative {
  std::string name;
  RealFunction f;
  std::optional<ComplexFunction> analytic;  // f of a complex number, where C++ has it
  double x;
  double value;
};

const std::vector<KnownDerivative>& known_derivatives();

}  // namespace gradatim::test
