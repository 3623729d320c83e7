#include "nn/check/partial_sums.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gradatim {
namespace {

// The root mean square error of an addition, in units of 2^-24 of the sum: 1 / root(3) of a unit of
// the power of two below the sum, which is on average 1 / 1.36 of it.
constexpr double kAdditionError = 0.42;

// Of the partial sums from one value to another by equal terms, the mean square.
double mean_square(double from, double to) { return (from * from + from * to + to * to) / 3; }

}  // namespace

std::vector<float> partial_sum_errors(const Operation& operation, ConstTensorView x,
                                      ConstTensorView dy, std::size_t parameters) {
  std::vector<float> errors(parameters);
  if (parameters == 0 || operation.over_batch() != nullptr) return errors;
  std::vector<float> of_row(parameters);
  std::vector<double> sums(parameters);
  std::vector<double> squares(parameters);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    operation.gradient(x.slice(n, 1), dy.slice(n, 1), of_row);
    for (std::size_t i = 0; i < parameters; ++i) {
      if (of_row[i] == 0.0F) continue;  // which is added exactly
      const double sum = sums[i] + static_cast<double>(of_row[i]);
      squares[i] += mean_square(sums[i], sum);
      sums[i] = sum;
    }
  }
  const auto terms = static_cast<double>(operation.terms_per_row());
  for (std::size_t i = 0; i < parameters; ++i)
    errors[i] = static_cast<float>(kAdditionError * std::sqrt(terms * squares[i]));
  return errors;
}

Tensor partial_sum_errors(const Operation& operation, ConstTensorView dx) {
  const double share = kAdditionError * std::sqrt(static_cast<double>(operation.terms_per_value()) *
                                                  mean_square(0, 1));
  Tensor errors(dx.shape());
  std::ranges::transform(dx.values(), errors.values().begin(),
                         [&](float value) { return static_cast<float>(share) * std::abs(value); });
  return errors;
}

}  // namespace gradatim
