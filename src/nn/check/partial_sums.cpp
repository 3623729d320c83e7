#include "nn/check/partial_sums.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradatim/core/reference.hpp"

namespace gradatim {
namespace {

// The root mean square error of an addition, in units of 2^-24 of the sum: 1 / root(3) of a unit of
// the power of two below the sum, which is on average 1 / 1.36 of it.
constexpr double kAdditionError = 0.42;

// Of the partial sums from one value to another by equal terms, the mean square.
double mean_square(double from, double to) { return (from * from + from * to + to * to) / 3; }

constexpr std::size_t kLooks = 8;

// What additions to a sum are off by, together, in units of 2^-24.
class RunningSum {
 public:
  // Terms that are equal but for what the sum can't hold are all rounded to the same side: a run of
  // them may reach the bound of a unit an addition, of which a check's eight units allow for eight
  // times what is returned. Others go by their squares, or by what a sum in float32 is off by:
  // terms of a few kinds, as of images that show the same to a network which tells none apart yet,
  // are rounded by as much each time in whatever order.
  void add(float value) {
    if (value == 0) return;  // which is added exactly
    const double before = sum_;
    const auto term = static_cast<double>(value);
    sum_ += term;
    rounded_sum_ += value;
    if (std::abs(term - last_) > 0x1p-23 * std::abs(sum_)) end_run();
    const double square = mean_square(before, sum_);
    run_squares_ += kAdditionError * kAdditionError * square;
    run_bound_ += std::sqrt(square);
    bound_ += std::sqrt(square);
    last_ = term;
  }
  // Of terms that are sums themselves, of `parts`, whose additions go by their squares. What is
  // seen is not magnified by them; in another order it may be off by more, up to the bound.
  double error(double parts) {
    end_run();
    const double seen = std::abs(static_cast<double>(rounded_sum_) - sum_) * 0x1p24;
    return std::max(std::sqrt(parts * squares_), std::min(seen / 2, bound_ / 8));
  }

 private:
  void end_run() {
    squares_ += std::max(run_squares_, run_bound_ * run_bound_ / 64);
    run_squares_ = 0;
    run_bound_ = 0;
  }

  double sum_ = 0;
  float rounded_sum_ = 0;
  double last_ = 0;
  double squares_ = 0;
  double bound_ = 0;  // of a unit an addition, in a check's eight units
  double run_squares_ = 0;
  double run_bound_ = 0;
};

// dy with zeros but in some columns.
Tensor only(ConstTensorView dy, std::size_t first, std::size_t count) {
  Tensor result(dy.shape());
  for (std::size_t n = 0; n < dy.rows(); ++n)
    std::ranges::copy(dy.row(n).subspan(first, count),
                      result.view().row(n).begin() + static_cast<std::ptrdiff_t>(first));
  return result;
}

}  // namespace

std::vector<float> gradient_sum_errors(const Operation& operation, ConstTensorView x,
                                       ConstTensorView dy, std::size_t parameters) {
  if (parameters == 0 || operation.over_batch() != nullptr) return std::vector<float>(parameters);
  std::vector<float> of_row(parameters);
  std::vector<RunningSum> sums(parameters);
  for (std::size_t n = 0; n < x.rows(); ++n) {
    operation.gradient(x.slice(n, 1), dy.slice(n, 1), of_row);
    for (std::size_t i = 0; i < parameters; ++i) sums[i].add(of_row[i]);
  }
  const auto parts = static_cast<double>(operation.terms_per_row());
  std::vector<float> errors(parameters);
  std::ranges::transform(sums, errors.begin(),
                         [&](RunningSum& sum) { return static_cast<float>(sum.error(parts)); });
  return errors;
}

Tensor value_sum_errors(const Operation& operation, std::span<const float> theta, ConstTensorView x,
                        ConstTensorView y, ConstTensorView dy) {
  Tensor errors(x.shape());
  const auto terms = static_cast<double>(operation.terms_per_value());
  if (terms == 1) return errors;
  const std::size_t units = operation.output()[0];
  const std::size_t area = dy.row_size() / units;
  const std::size_t looks = std::min(kLooks, units);
  Tensor dx(x.shape());
  std::vector<double> sums(dx.size());
  std::vector<double> squares(dx.size());
  for (std::size_t look = 0; look < looks; ++look) {
    const std::size_t first = look * units / looks;
    const std::size_t count = (look + 1) * units / looks - first;
    operation.backward(theta, x, y, only(dy, first * area, count * area), dx);
    const double share = terms * static_cast<double>(count) / static_cast<double>(units);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double sum = sums[i] + static_cast<double>(dx.values()[i]);
      squares[i] += share * mean_square(sums[i], sum);
      sums[i] = sum;
    }
  }
  std::ranges::transform(squares, errors.values().begin(), [](double square) {
    return static_cast<float>(kAdditionError * std::sqrt(square));
  });
  return errors;
}

Tensor softmax_sum_errors(ConstTensorView outputs, ConstTensorView gradient) {
  constexpr double kLanes = 4;
  const auto classes = static_cast<double>(outputs.row_size());
  const auto share =
      static_cast<float>(kAdditionError * std::sqrt(classes / kLanes * mean_square(0, 1)));
  const float mean = 1 / static_cast<float>(outputs.rows());
  Tensor errors(outputs.shape());
  for (std::size_t n = 0; n < outputs.rows(); ++n) {
    const auto error = errors.view().row(n);
    reference::softmax<float>(outputs.row(n), error);
    for (std::size_t k = 0; k < error.size(); ++k)
      error[k] = share * (mean * error[k] + std::abs(gradient(n, k)));
  }
  return errors;
}

}  // namespace gradatim
