#include "train/fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"

namespace gradatim {
namespace {

void check_at_least_one(std::string_view name, std::size_t value) {
  if (value == 0) throw InvalidArgument(fmt::format("train: {} must be at least 1, got 0", name));
}

void check_options(const TrainOptions& options) {
  check_at_least_one("batch", options.batch);
  check_at_least_one("steps", options.steps);
  check_at_least_one("accumulation", options.accumulation);
  check_at_least_one("checkpoints.keep", options.checkpoints.keep);
  if (options.gradient != GradientMethod::backprop &&
      !std::holds_alternative<EqualClasses>(options.class_weights))
    throw InvalidArgument(fmt::format("train: class_weights need the gradient backprop, not {}",
                                      to_string(options.gradient)));
}

// What a softmax answers with.
void check_distributions(const Dataset& data) {
  const ConstTensorView targets = data.train.targets.view();
  for (std::size_t i = 0; i < targets.rows(); ++i) {
    double sum = 0;
    for (const float target : targets.row(i)) sum += static_cast<double>(target);
    const float least = std::ranges::min(targets.row(i));
    if (least >= 0 && std::abs(sum - 1) <= 1e-3) continue;
    const std::string got = least < 0 ? fmt::format("one of sample {} is {}", i, least)
                                      : fmt::format("those of sample {} add up to {:.6g}", i, sum);
    throw InvalidArgument(
        fmt::format("train: the loss is of one class in several: expected targets of '{}' that are "
                    "not negative and add up to 1, {}; several yes or no answers take the loss "
                    "binary_cross_entropy",
                    data.name, got));
  }
}

void check_trainable(const Network& network) {
  const auto tensors = parameter_layout(network).tensors;
  if (std::ranges::none_of(tensors, &ParameterTensor::trained))
    throw InvalidArgument("train: the network has no parameters that could be trained");
}

void check_targets(const Dataset& data, const Shape& output) {
  const auto end_it = [&](std::string_view expected) {
    throw ShapeError(
        fmt::format("train: expected a network that answers with {}, got outputs of shape {}{}",
                    expected, output.to_string(),
                    output.rank() == 1 ? "" : "; end it with flatten, global_avg_pool or dense"));
  };
  if (data.train.labels.empty()) {
    const Shape targets = data.train.targets.shape().sample();
    if (output.size() != targets.size())
      throw ShapeError(fmt::format("train: '{}' has {} targets, the network {} outputs", data.name,
                                   targets.size(), output.size()));
    if (output != targets) end_it(fmt::format("targets of shape {}", targets.to_string()));
    return;
  }
  if (output.size() != output[0]) end_it("a score for each class");
  if (output.size() < data.class_names.size())
    throw ShapeError(fmt::format("train: '{}' has {} classes, the network {} outputs", data.name,
                                 data.class_names.size(), output.size()));
}

// The samples of the smallest batch that training comes to.
std::size_t smallest_batch(const Split& split, const TrainOptions& options) {
  const bool whole_epoch =
      options.steps >= steps_per_epoch(split.size(), samples_per_step(options));
  if (options.sampling != Sampling::shuffled_epochs || !whole_epoch) return options.batch;
  const std::size_t rest = split.size() % options.batch;
  return rest != 0 ? rest : options.batch;
}

// Some layers take statistics over a batch, which need several samples.
void check_batches(const Network& network, const Split& split, const TrainOptions& options) {
  if (options.sampling == Sampling::shuffled_epochs && options.accumulation > 1 &&
      samples_per_step(options) > split.size())
    throw InvalidArgument(fmt::format(
        "train: a step of {} batches of {} is {} samples, and a shuffled epoch has {}; lower "
        "accumulation or batch",
        options.accumulation, options.batch, samples_per_step(options), split.size()));
  const std::size_t smallest = smallest_batch(split, options);
  const auto operations = make_operations(network);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const BatchRule* const rule = operations[i]->over_batch();
    if (rule == nullptr || smallest >= rule->least_rows()) continue;
    const std::string got = smallest == options.batch
                                ? fmt::format("got batches of {}", smallest)
                                : fmt::format("and {} samples in batches of {} leave one of {}",
                                              split.size(), options.batch, smallest);
    throw InvalidArgument(fmt::format("train: {} needs at least {} samples in a batch, {}",
                                      layer_label(network, i), rule->least_rows(), got));
  }
}

}  // namespace

void check_fit(const Network& network, const Dataset& data, const TrainOptions& options) {
  check_options(options);
  if (data.train.size() == 0)
    throw InvalidArgument(
        fmt::format("train: the data set '{}' has no training samples", data.name));
  const Shape sample = data.train.sample();
  if (network.input.size() != sample.size())
    throw ShapeError(
        fmt::format("train: the network expects inputs of shape {}, a sample of '{}' has shape {}",
                    network.input.to_string(), data.name, sample.to_string()));
  if (is_active(options.augmentation) && !data.train.has_images())
    throw InvalidArgument(
        fmt::format("train: augmentation is of images, '{}' has none", data.name));
  check_trainable(network);
  check_targets(data, output_shape(network));
  const bool of_classes = std::holds_alternative<SoftmaxCrossEntropy>(options.loss) ||
                          std::holds_alternative<CrossEntropy>(options.loss);
  if (of_classes && data.train.labels.empty()) check_distributions(data);
  check_batches(network, data.train, options);
}

}  // namespace gradatim
