#include "gradatim/train/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/losses.hpp"
#include "gradatim/nn/parameters.hpp"
#include "train/predictions.hpp"

namespace gradatim {
namespace {

void check_fit(const Network& network, const Split& split, std::size_t outputs) {
  if (split.size() == 0) throw InvalidArgument("evaluate: there are no samples");
  split.check();
  const Shape sample = split.sample();
  if (sample.size() != network.input.size())
    throw ShapeError(
        fmt::format("evaluate: the network expects inputs of shape {}, a sample has shape {}",
                    network.input.to_string(), sample.to_string()));
  if (split.labels.empty()) return;
  const std::int32_t largest = *std::max_element(split.labels.begin(), split.labels.end());
  if (static_cast<std::size_t>(largest) >= outputs)
    throw InvalidArgument(
        fmt::format("evaluate: label {} for a network of {} outputs", largest, outputs));
}

void score_classes(ConstTensorView outputs, std::span<const std::int32_t> labels,
                   Evaluation& evaluation) {
  evaluation.confusion = BasicTensor<std::uint64_t>({outputs.row_size(), outputs.row_size()});
  std::size_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::size_t guess = kernels::argmax(outputs.row(i));
    const auto label = static_cast<std::size_t>(labels[i]);
    ++evaluation.confusion.view()(label, guess);
    correct += guess == label ? 1 : 0;
  }
  evaluation.scores.accuracy = static_cast<double>(correct) / static_cast<double>(labels.size());
}

// Of the answers to one label. Where there is no yes and none is given, F1 is 1.
Scores score_label(ConstTensorView outputs, ConstTensorView targets, std::size_t k) {
  std::size_t right = 0;
  std::size_t both = 0;
  std::size_t either = 0;  // twice where it is both
  for (std::size_t i = 0; i < outputs.rows(); ++i) {
    const bool guess = outputs(i, k) > 0;
    const bool target = targets(i, k) > 0.5F;
    right += guess == target ? 1 : 0;
    both += guess && target ? 1 : 0;
    either += (guess ? 1U : 0U) + (target ? 1U : 0U);
  }
  Scores scores;
  scores.accuracy = static_cast<double>(right) / static_cast<double>(outputs.rows());
  scores.f1 = either == 0 ? 1.0 : 2 * static_cast<double>(both) / static_cast<double>(either);
  return scores;
}

// Of the values of one output. R² of targets that do not vary is NaN.
Scores score_value(ConstTensorView outputs, ConstTensorView targets, std::size_t k) {
  const auto samples = static_cast<double>(outputs.rows());
  double mean = 0;
  for (std::size_t i = 0; i < targets.rows(); ++i) mean += targets(i, k) / samples;
  double squares = 0;
  double absolute = 0;
  double deviations = 0;
  for (std::size_t i = 0; i < outputs.rows(); ++i) {
    const double target = targets(i, k);
    const double error = outputs(i, k) - target;
    squares += error * error;
    absolute += std::abs(error);
    deviations += (target - mean) * (target - mean);
  }
  Scores scores;
  scores.mse = squares / samples;
  scores.mae = absolute / samples;
  scores.r2 = deviations > 0 ? 1 - squares / deviations : Scores::kNothing;
  return scores;
}

// The mean over the outputs of each of these scores.
void average_outputs(std::initializer_list<double Scores::*> values, Evaluation& evaluation) {
  for (double Scores::*value : values) {
    double sum = 0;
    for (const Scores& output : evaluation.outputs) sum += output.*value;
    evaluation.scores.*value = sum / static_cast<double>(evaluation.outputs.size());
  }
}

void score_labels(ConstTensorView outputs, ConstTensorView targets, Evaluation& evaluation) {
  for (std::size_t k = 0; k < outputs.row_size(); ++k)
    evaluation.outputs.push_back(score_label(outputs, targets, k));
  average_outputs({&Scores::accuracy, &Scores::f1}, evaluation);
}

void score_values(ConstTensorView outputs, ConstTensorView targets, std::span<const Column> columns,
                  Evaluation& evaluation) {
  for (std::size_t k = 0; k < outputs.row_size(); ++k) {
    Scores& scores = evaluation.outputs.emplace_back(score_value(outputs, targets, k));
    if (columns.empty()) continue;
    const double deviation = columns[k].deviation;
    scores.mae *= deviation;
    scores.mse *= deviation * deviation;
  }
  average_outputs({&Scores::r2, &Scores::mae, &Scores::mse}, evaluation);
}

}  // namespace

Evaluation evaluate(const Network& network, const Loss& loss, std::span<const float> theta,
                    const Split& split, TaskPool& pool, std::span<const Column> columns) {
  const Shape output = output_shape(network);
  check_fit(network, split, output.size());
  const Targets targets = split.all().targets;
  check_targets(loss, split.size(), output, targets);
  if (!columns.empty() && columns.size() != output.size())
    throw ShapeError(fmt::format("evaluate: expected {} columns of targets, got {}", output.size(),
                                 columns.size()));
  Tensor outputs = detail::predictions(network, theta, split, pool);
  Evaluation evaluation{.samples = split.size(), .kind = target_kind(loss, split)};
  switch (evaluation.kind) {
    case TargetKind::classes:
      score_classes(outputs, split.labels, evaluation);
      break;
    case TargetKind::labels:
      score_labels(outputs, split.targets, evaluation);
      break;
    case TargetKind::values:
      score_values(outputs, split.targets, columns, evaluation);
      break;
  }
  // The gradient, which nobody wants here, takes the place of the outputs.
  evaluation.scores.loss = loss_and_gradient(loss, outputs.view(), targets, 1, outputs.view()) /
                           static_cast<double>(split.size());
  return evaluation;
}

std::vector<ClassScore> class_scores(const Evaluation& evaluation) {
  const auto table = evaluation.confusion.view();
  std::vector<ClassScore> scores(table.rows());
  for (std::size_t c = 0; c < scores.size(); ++c) {
    std::uint64_t predicted = 0;
    for (std::size_t other = 0; other < scores.size(); ++other) {
      scores[c].samples += table(c, other);
      predicted += table(other, c);
    }
    const auto right = static_cast<double>(table(c, c));
    scores[c].recall = right / static_cast<double>(scores[c].samples);
    scores[c].precision = right / static_cast<double>(predicted);
  }
  return scores;
}

}  // namespace gradatim
