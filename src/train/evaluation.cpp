#include "gradatim/train/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>

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
  const Shape sample = split.images.shape().sample();
  if (sample.size() != network.input.size())
    throw ShapeError(
        fmt::format("evaluate: the network expects inputs of shape {}, a sample has shape {}",
                    network.input.to_string(), sample.to_string()));
  const std::int32_t largest = *std::max_element(split.labels.begin(), split.labels.end());
  if (static_cast<std::size_t>(largest) >= outputs)
    throw InvalidArgument(
        fmt::format("evaluate: label {} for a network of {} outputs", largest, outputs));
}

}  // namespace

Evaluation evaluate(const Network& network, const Loss& loss, std::span<const float> theta,
                    const Split& split, TaskPool& pool) {
  const Shape output = output_shape(network);
  check_fit(network, split, output.size());
  const Targets targets{.labels = split.labels};
  check_targets(loss, split.size(), output, targets);
  Tensor outputs = detail::predictions(network, theta, split, pool);
  Evaluation evaluation{.samples = split.size(),
                        .confusion = BasicTensor<std::uint64_t>({output.size(), output.size()})};
  std::size_t correct = 0;
  for (std::size_t i = 0; i < split.size(); ++i) {
    const std::size_t guess = kernels::argmax(outputs.view().row(i));
    const auto label = static_cast<std::size_t>(split.labels[i]);
    ++evaluation.confusion.view()(label, guess);
    correct += guess == label ? 1 : 0;
  }
  const auto samples = static_cast<double>(split.size());
  // The gradient, which nobody wants here, takes the place of the outputs.
  evaluation.loss = loss_and_gradient(loss, outputs.view(), targets, 1, outputs.view()) / samples;
  evaluation.accuracy = static_cast<double>(correct) / samples;
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
