#include "nn/check/sample.hpp"

#include <cmath>
#include <vector>

#include "gradatim/diff/dual.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/nn/reference.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kDirections = 4;
using Dual = DualNumber<double, kDirections>;

// |a - b| / |b| of vectors that are met entry by entry.
class Distance {
 public:
  // `noise` of a - b is known to be rounding.
  void add(double a, double b, double noise = 0) {
    const double distance = std::abs(a - b);
    distance_ += distance <= noise ? 0 : (distance - noise) * (distance - noise);
    norm_ += b * b;
  }
  double relative() const { return distance_ == 0 ? 0 : std::sqrt(distance_ / norm_); }

 private:
  double distance_ = 0;
  double norm_ = 0;
};

// d loss / d theta of up to kDirections parameters.
void derive(const reference::Evaluation& evaluation, const reference::Samples& samples,
            std::span<const float> theta, std::span<const SampledParameter> sample,
            std::span<double> derivatives) {
  std::vector<Dual> variables(theta.begin(), theta.end());
  for (std::size_t k = 0; k < sample.size(); ++k) variables[sample[k].parameter].tangent[k] = 1;
  const Dual loss = evaluation.mean_loss<Dual>(variables, samples);
  for (std::size_t k = 0; k < sample.size(); ++k) derivatives[k] = loss.tangent[k];
}

double central_difference(const reference::Evaluation& evaluation,
                          const reference::Samples& samples, std::vector<double>& theta,
                          std::size_t parameter, double step) {
  const double original = theta[parameter];
  theta[parameter] = original + step;
  const double above = evaluation.mean_loss<double>(theta, samples);
  theta[parameter] = original - step;
  const double below = evaluation.mean_loss<double>(theta, samples);
  theta[parameter] = original;
  return (above - below) / ((original + step) - (original - step));
}

// Of a central difference in double: eight roundings of either loss.
double difference_noise(double loss, double step) { return 8 * 0x1p-53 * std::abs(loss) / step; }

}  // namespace

SampleCheck check_in_double(const Network& network, const Loss& loss, std::span<const float> theta,
                            const Batch& batch, std::span<const SampledParameter> sample,
                            double step, TaskPool& pool) {
  const reference::Evaluation evaluation(network, loss);
  const reference::Samples samples = evaluation.samples(batch);
  std::vector<double> derivatives(sample.size());
  std::vector<double> differences(sample.size());
  pool.parallel_for(task_count(sample.size(), kDirections), [&](std::size_t task) {
    const std::size_t first = task * kDirections;
    const std::size_t count = std::min(kDirections, sample.size() - first);
    derive(evaluation, samples, theta, sample.subspan(first, count),
           std::span(derivatives).subspan(first, count));
    std::vector<double> moving(theta.begin(), theta.end());
    for (std::size_t i = first; i < first + count; ++i)
      differences[i] = central_difference(evaluation, samples, moving, sample[i].parameter, step);
  });
  const double noise = difference_noise(
      evaluation.mean_loss<double>(std::vector<double>(theta.begin(), theta.end()), samples), step);
  Distance backprop;
  Distance numerical;
  Distance shortcut;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    backprop.add(sample[i].backprop, derivatives[i]);
    numerical.add(sample[i].numerical, derivatives[i]);
    shortcut.add(sample[i].numerical, differences[i], noise);
  }
  return {.count = sample.size(),
          .backprop_error = backprop.relative(),
          .numerical_error = numerical.relative(),
          .shortcut_error = shortcut.relative()};
}

SampleCheck check_in_float(const Network& network, const Loss& loss, std::span<const float> theta,
                           const Batch& batch, std::span<const SampledParameter> sample,
                           std::span<const float> by_rules, float step, TaskPool& pool) {
  Program program(network, loss, batch.rows());
  AlignedVector<float> moving(theta.begin(), theta.end());
  Distance shortcut;
  for (const auto& [parameter, backprop, numerical] : sample) {
    const float original = moving[parameter];
    const float above = original + step;
    const float below = original - step;
    moving[parameter] = above;
    const double loss_above = program.loss(moving, batch, pool);
    moving[parameter] = below;
    const double loss_below = program.loss(moving, batch, pool);
    moving[parameter] = original;
    shortcut.add(by_rules[parameter],
                 (loss_above - loss_below) / static_cast<double>(above - below));
  }
  return {.count = sample.size(), .shortcut_error = shortcut.relative()};
}

}  // namespace gradatim
