#include "gradatim/nn/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iterator>

#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/check/blame.hpp"
#include "nn/check/judge.hpp"
#include "nn/check/magnitudes.hpp"
#include "nn/check/sample.hpp"
#include "nn/check/slopes.hpp"
#include "nn/numerical/quotient.hpp"

namespace gradatim {
namespace {

constexpr float kExactStep = 0x1p-20F;
constexpr float kResolvedStep = 0x1p-8F;  // where something is evaluated again in float32
constexpr float kShortcutStep = 0x1p-4F;  // at which rules and evaluations in float32 are compared
constexpr double kExactDistance = 4e-6;   // in norm, that is no rounding any more
constexpr double kResolvedDistance = 2e-2;
constexpr std::uint32_t kSampleStream = 40;

// Twice what half the step makes of each entry, and three times what it makes of all in the mean:
// the truncation of the one, and the noise that an entry may by chance not show.
void estimate_error(const Slopes& slopes, const Slopes& finer, std::size_t offset,
                    std::span<float> errors) {
  double squares = 0;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const double difference = slopes.middle(offset + i) - finer.middle(offset + i);
    errors[i] = static_cast<float>(2 * std::abs(difference));
    squares += difference * difference;
  }
  const double mean = std::sqrt(squares / static_cast<double>(errors.size()));
  for (float& error : errors) error += static_cast<float>(3 * mean);
}

// Whether all of a channel, or a unit, of y is shifted by the same where all of one of x is.
bool passes_shifts_on(const Layer& layer) {
  if (const auto* conv = std::get_if<Conv2d>(&layer)) return conv->padding == 0;
  if (std::holds_alternative<Dense>(layer)) return true;
  if (const auto* pool = std::get_if<AvgPool2d>(&layer)) return pool->padding == 0;
  return std::holds_alternative<MaxPool2d>(layer) || std::holds_alternative<GlobalAvgPool>(layer) ||
         std::holds_alternative<Flatten>(layer);
}

class Check {
 public:
  Check(const Network& network, std::span<const float> theta, const Batch& batch,
        const NetworkCheckOptions& options)
      : network_(network),
        theta_(theta),
        batch_(batch),
        options_(options),
        pool_(options.threads),
        layout_(parameter_layout(network)),
        engine_(network, options.loss, batch.rows(), /*bounds=*/true),
        slopes_(theta.size()) {
    if (!engine_.evaluated_again().empty()) report_.evaluated_again = engine_.evaluated_again();
    if (options_.step == 0) options_.step = exact() ? kExactStep : kResolvedStep;
    report_.step = static_cast<double>(options_.step);
    for (std::size_t i = 0; i < network_.layers.size(); ++i)
      if (engine_.base().operation(i).over_batch() != nullptr)
        report_.over_batch.push_back(layer_label(network_, i));
    for (std::size_t i = 0; i < network_.layers.size(); ++i)
      if (batch.key && engine_.base().joints().drops(i))
        report_.frozen.push_back(fmt::format("{}, seed {}, step {}", layer_label(network_, i),
                                             batch.key->seed, batch.key->step));
  }

  NetworkCheck run(std::span<const float> d_theta) {
    const auto start = std::chrono::steady_clock::now();
    engine_.base().evaluate(theta_, batch_, pool_);
    report_.loss = engine_.base().loss();
    if (d_theta.empty()) d_theta = backprop();
    if (d_theta.size() != layout_.size)
      throw ShapeError(fmt::format("check: the network has {} parameters, the gradient {}",
                                   layout_.size, d_theta.size()));
    differentiate(options_.step, slopes_);
    magnitudes_ = magnitudes(engine_.base());
    estimate_errors();
    judge_parameters(d_theta);
    if (options_.inputs) judge_inputs();
    check_sample(d_theta);
    if (report_.count(&TensorCheck::failed) > 0)
      report_.wrong = blame(engine_, quotient(options_.step), slopes_,
                            exact() ? kExactDistance : kResolvedDistance, pool_);
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  bool exact() const { return report_.evaluated_again.empty(); }

  // A slope to either side.
  DifferenceQuotient quotient(float step) const {
    DifferenceQuotient both = make_quotient(Difference::central, step, batch_.rows());
    for (float& weight : both.weights) weight *= 2;
    return both;
  }

  std::span<const float> backprop() {
    Program program(network_, options_.loss, batch_.rows());
    AlignedVector<float> again(layout_.size);
    backprop_.resize(layout_.size);
    const double loss = program.gradient(theta_, batch_, backprop_, pool_);
    const double loss_again = program.gradient(theta_, batch_, again, pool_);
    const auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    report_.deterministic =
        (loss == loss_again || std::isnan(loss)) && std::ranges::equal(backprop_, again, same);
    return backprop_;
  }

  // One of the passes over all parameters: where layers are evaluated again there are two.
  void differentiate(float step, Slopes& slopes) {
    const double passes = exact() ? 1 : 2;
    std::function<void(double)> on_progress;
    if (options_.on_progress)
      on_progress = [&](double share) { options_.on_progress((passes_done_ + share) / passes); };
    engine_.parameters(quotient(step), slopes.sums(), pool_, on_progress);
    ++passes_done_;
  }

  // Where layers are evaluated again, the error of the numerical gradient of one tensor.
  void estimate_errors() {
    if (exact()) return;
    Slopes finer(theta_.size());
    differentiate(options_.step / 2, finer);
    errors_.resize(theta_.size());
    for (const ParameterTensor& tensor : layout_.tensors)
      estimate_error(slopes_, finer, tensor.offset,
                     std::span(errors_).subspan(tensor.offset, tensor.shape.size()));
  }

  TensorEvidence evidence(std::span<const float> d_theta, const ParameterTensor& tensor) const {
    const TensorEvidence all{d_theta,           slopes_.lower, slopes_.upper,
                             magnitudes_.theta, errors_,       slopes_.crossed};
    return all.part(tensor.offset, tensor.shape.size());
  }

  void judge_parameters(std::span<const float> d_theta) {
    std::vector<ParameterTensor> tensors;
    std::ranges::copy_if(layout_.tensors, std::back_inserter(tensors), &ParameterTensor::trained);
    for (const ParameterTensor& tensor : tensors) {
      report_.tensors.push_back(
          judge(tensor.name, tensor.shape, evidence(d_theta, tensor), options_, report_.errors));
      report_.tensors.back().cancelled = is_cancelled(tensor);
    }
    for (std::size_t i = 0; i + 1 < tensors.size(); ++i) {
      const ParameterTensor& weight = tensors[i];
      const ParameterTensor& bias = tensors[i + 1];
      if (engine_.base().dense(weight.layer) != nullptr && bias.layer == weight.layer)
        name_dead_units(evidence(d_theta, weight), report_.tensors[i], evidence(d_theta, bias),
                        report_.tensors[i + 1]);
    }
  }

  // The mean over the batch that a batch normalisation behind subtracts has this bias in it.
  bool is_cancelled(const ParameterTensor& tensor) const {
    const Layer& layer = network_.layers[tensor.layer];
    if (!tensor.name.ends_with(".bias") ||
        !(std::holds_alternative<Dense>(layer) || std::holds_alternative<Conv2d>(layer) ||
          std::holds_alternative<BatchNorm>(layer)))
      return false;
    for (std::size_t next = tensor.layer + 1; next < network_.layers.size(); ++next) {
      if (engine_.base().joints().is_read_later(next)) return false;
      if (std::holds_alternative<BatchNorm>(network_.layers[next])) return true;
      if (!passes_shifts_on(network_.layers[next])) return false;
    }
    return false;
  }

  void judge_inputs() {
    const Tensor d_inputs = backprop_inputs(engine_.base());
    Slopes slopes(d_inputs.size());
    engine_.values(0, quotient(options_.step), slopes.sums(), pool_);
    std::vector<float> errors(exact() ? 0 : d_inputs.size());
    if (!exact()) {
      Slopes finer(d_inputs.size());
      engine_.values(0, quotient(options_.step / 2), finer.sums(), pool_);
      estimate_error(slopes, finer, 0, errors);
    }
    report_.tensors.push_back(judge("inputs", d_inputs.shape(),
                                    {d_inputs.values(), slopes.lower, slopes.upper,
                                     magnitudes_.inputs.values(), errors, slopes.crossed},
                                    options_, report_.errors));
  }

  // Parameters that move the loss smoothly, at random; the same may be drawn twice.
  std::vector<SampledParameter> draw(std::span<const float> d_theta) const {
    std::vector<std::uint32_t> candidates;
    for (std::size_t p = 0; p < theta_.size(); ++p)
      if (slopes_.crossed[p] == 0 && slopes_.middle(p) != 0)
        candidates.push_back(static_cast<std::uint32_t>(p));
    if (candidates.empty()) return {};
    std::vector<std::uint32_t> drawn(std::min(options_.sample, candidates.size()));
    choice(drawn, static_cast<std::uint32_t>(candidates.size()),
           {.seed = options_.seed, .stream = kSampleStream});
    std::vector<SampledParameter> sample;
    for (const std::uint32_t i : drawn) {
      const std::size_t p = candidates[i];
      sample.push_back({p, static_cast<double>(d_theta[p]), slopes_.middle(p)});
    }
    return sample;
  }

  void check_sample(std::span<const float> d_theta) {
    const std::vector<SampledParameter> sample = draw(d_theta);
    if (sample.empty()) {
      report_.sample.skipped = options_.sample == 0 ? "not asked for" : "every gradient is zero";
      return;
    }
    const auto is_custom = [](const Layer& layer) { return std::holds_alternative<Custom>(layer); };
    if (std::ranges::none_of(network_.layers, is_custom)) {
      report_.sample =
          check_in_double(network_, options_.loss, theta_, batch_, sample, report_.step, pool_);
      return;
    }
    AlignedVector<float> by_rules(theta_.size());
    AlignedVector<float> unused(theta_.size());
    engine_.parameters(quotient(kShortcutStep), {by_rules, unused}, pool_);
    for (std::size_t p = 0; p < by_rules.size(); ++p)
      by_rules[p] = 0.5F * (by_rules[p] + unused[p]);
    report_.sample = check_in_float(network_, options_.loss, theta_, batch_, sample, by_rules,
                                    kShortcutStep, pool_);
  }

  const Network& network_;
  std::span<const float> theta_;
  const Batch& batch_;
  NetworkCheckOptions options_;
  TaskPool pool_;
  ParameterLayout layout_;
  DifferenceEngine engine_;
  Slopes slopes_;
  Magnitudes magnitudes_;
  double passes_done_ = 0;
  AlignedVector<float> backprop_;
  AlignedVector<float> errors_;  // of the numerical gradient; empty where rules are exact
  NetworkCheck report_;
};

}  // namespace

NetworkCheck check(const Network& network, std::span<const float> theta, const Batch& batch,
                   const NetworkCheckOptions& options) {
  return Check(network, theta, batch, options).run({});
}

NetworkCheck check(const Network& network, std::span<const float> theta, const Batch& batch,
                   std::span<const float> d_theta, const NetworkCheckOptions& options) {
  return Check(network, theta, batch, options).run(d_theta);
}

}  // namespace gradatim
