#include "gradatim/nn/gradient_method.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/diff/dual.hpp"
#include "gradatim/diff/tape.hpp"
#include "gradatim/nn/numerical_gradient.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/nn/reference.hpp"

namespace gradatim {
namespace {

/// A program of another type behind the interface.
template <class Method>
class Wrapped final : public GradientProgram {
 public:
  explicit Wrapped(Method method) : method_(std::move(method)) {}
  double gradient(std::span<const float> theta, const Batch& batch, std::span<float> d_theta,
                  TaskPool& pool) override {
    return method_.gradient(theta, batch, d_theta, pool);
  }

 private:
  Method method_;
};

class DualProgram {
 public:
  DualProgram(const Network& network, const Loss& loss) : evaluation_(network, loss) {}

  double gradient(std::span<const float> theta, const Batch& batch, std::span<float> d_theta,
                  TaskPool& pool) {
    const reference::Samples samples = evaluation_.samples(batch);
    const std::size_t passes = std::max<std::size_t>(1, task_count(theta.size(), kDirections));
    std::vector<double> losses(passes);
    pool.parallel_for(passes, [&](std::size_t pass) {
      std::vector<Dual> variables(theta.begin(), theta.end());
      const std::size_t first = pass * kDirections;
      const std::size_t count = std::min(kDirections, theta.size() - first);
      for (std::size_t k = 0; k < count; ++k) variables[first + k].tangent[k] = 1;
      const Dual loss = evaluation_.mean_loss<Dual>(variables, samples);
      losses[pass] = loss.value;
      for (std::size_t k = 0; k < count; ++k)
        d_theta[first + k] = static_cast<float>(loss.tangent[k]);
    });
    return losses[0];
  }

 private:
  static constexpr std::size_t kDirections = 8;
  using Dual = DualNumber<double, kDirections>;

  reference::Evaluation evaluation_;
};

class TapeProgram {
 public:
  TapeProgram(const Network& network, const Loss& loss) : evaluation_(network, loss) {}

  double gradient(std::span<const float> theta, const Batch& batch, std::span<float> d_theta,
                  TaskPool& pool) {
    const reference::Samples samples = evaluation_.samples(batch);
    if (evaluation_.over_batch()) return whole_batch(theta, samples, d_theta);
    const std::size_t share = task_count(samples.rows, kGroups);
    std::array<Sum, kGroups> sums;
    pool.parallel_for(kGroups, [&](std::size_t group) {
      sums[group].gradient.resize(theta.size());
      const std::size_t end = std::min(samples.rows, (group + 1) * share);
      for (std::size_t n = group * share; n < end; ++n) add_sample(theta, samples, n, sums[group]);
    });
    double loss = 0;
    for (const Sum& sum : sums) loss += sum.loss;
    const auto rows = static_cast<double>(samples.rows);
    for (std::size_t p = 0; p < theta.size(); ++p) {
      double total = 0;
      for (const Sum& sum : sums) total += sum.gradient[p];
      d_theta[p] = static_cast<float>(total / rows);
    }
    return loss / rows;
  }

 private:
  static constexpr std::size_t kGroups = 8;  // of samples, each summed by itself
  using Scalar = Variable<double>;
  struct Sum {
    double loss = 0;
    std::vector<double> gradient{};
  };

  // One recording for all samples, which depend on each other.
  double whole_batch(std::span<const float> theta, const reference::Samples& samples,
                     std::span<float> d_theta) const {
    Recording<double> recording;
    const Scalar loss = record(recording, [&](Recording<double>& tape) {
      return evaluation_.mean_loss<Scalar>(inputs_of(tape, theta), samples);
    });
    std::ranges::copy(narrow(recording.gradient(loss)), d_theta.begin());
    return loss.value;
  }

  static std::vector<Scalar> inputs_of(Recording<double>& tape, std::span<const float> theta) {
    std::vector<Scalar> variables;
    variables.reserve(theta.size());
    for (const float value : theta) variables.push_back(tape.input(value));
    return variables;
  }
  static std::vector<float> narrow(std::span<const double> x) {
    std::vector<float> result;
    for (const double value : x) result.push_back(static_cast<float>(value));
    return result;
  }

  void add_sample(std::span<const float> theta, const reference::Samples& samples, std::size_t n,
                  Sum& sum) const {
    Recording<double> recording;
    const Scalar loss = record(recording, [&](Recording<double>& tape) {
      return evaluation_.loss<Scalar>(inputs_of(tape, theta), samples.input(n), samples.target(n),
                                      samples.key(n));
    });
    sum.loss += loss.value;
    const auto gradient = recording.gradient(loss);
    for (std::size_t p = 0; p < theta.size(); ++p) sum.gradient[p] += gradient[p];
  }

  reference::Evaluation evaluation_;
};

template <class Method>
std::unique_ptr<GradientProgram> wrap(Method method) {
  return std::make_unique<Wrapped<Method>>(std::move(method));
}

void refuse_without_formula(const Network& network) {
  for (const Layer& layer : network.layers)
    if (std::holds_alternative<Custom>(layer)) reference::detail::throw_no_reference(layer);
}

}  // namespace

std::string_view to_string(GradientMethod method) {
  constexpr std::array<std::string_view, 4> kNames{"backprop", "numerical", "dual", "tape"};
  return kNames.at(static_cast<std::size_t>(method));
}

std::unique_ptr<GradientProgram> make_gradient_program(GradientMethod method,
                                                       const Network& network, const Loss& loss,
                                                       std::size_t max_rows) {
  switch (method) {
    case GradientMethod::backprop:
      return wrap(Program(network, loss, max_rows));
    case GradientMethod::numerical:
      return wrap(NumericalProgram(network, {.loss = loss}, max_rows));
    case GradientMethod::dual:
      refuse_without_formula(network);
      return wrap(DualProgram(network, loss));
    case GradientMethod::tape:
      refuse_without_formula(network);
      return wrap(TapeProgram(network, loss));
  }
  throw InvalidArgument("gradient: no such method");
}

}  // namespace gradatim
