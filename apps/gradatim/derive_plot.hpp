#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gradatim/diff/check_gradient.hpp"

namespace gradatim::app {

/// A function of one or two coordinates and its gradient at a point.
struct DerivativePicture {
  std::string formula;
  std::function<double(const std::vector<double>&)> f;
  std::vector<double> at;
  double value;
  std::vector<double> gradient;
  CheckedEntry worst;  // of a check of the gradient
};

/// Draws the curve with its tangent, or contours with minus the gradient, into an SVG or PNG file.
void draw_derivative(const DerivativePicture& picture, const std::filesystem::path& file);

}  // namespace gradatim::app
