#include "gradatim/train/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/program.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kRows = 1000;

void check_fit(const Network& network, const Split& split, std::size_t outputs) {
  if (split.size() == 0) throw InvalidArgument("evaluate: there are no samples");
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
  const std::size_t outputs = output_shape(network).size();
  check_fit(network, split, outputs);
  const Predictor predictor(network);
  Program program(network, loss, std::min(kRows, split.size()));
  Evaluation evaluation{.samples = split.size(),
                        .confusion = BasicTensor<std::uint64_t>({outputs, outputs})};
  Tensor predicted({std::min(kRows, split.size()), outputs});
  std::size_t correct = 0;
  for (std::size_t first = 0; first < split.size(); first += kRows) {
    const std::size_t count = std::min(kRows, split.size() - first);
    const auto labels = std::span(split.labels).subspan(first, count);
    const Samples samples = split.batch(first, count);
    evaluation.loss += program.loss(theta, samples, pool) * static_cast<double>(count);
    const auto rows = predicted.view().slice(0, count);
    predictor.predict(theta, samples.inputs.view(), rows);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t guess = kernels::argmax(rows.row(i));
      const auto label = static_cast<std::size_t>(labels[i]);
      ++evaluation.confusion.view()(label, guess);
      correct += guess == label ? 1 : 0;
    }
  }
  evaluation.loss /= static_cast<double>(split.size());
  evaluation.accuracy = static_cast<double>(correct) / static_cast<double>(split.size());
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
