// usage: write_cases FOLDER: what our kernels make of every layer and loss, for torch_oracle.py.
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include "gradatim/nn/losses.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"
#include "nn/layer_cases.hpp"
#include "support/numbers.hpp"
#include "support/torch_cases.hpp"

namespace gradatim {
namespace {

using test::LayerCase;
using Writer = test::TorchCaseWriter;
using test::uniform_tensor;

template <class T>
std::string options_of(const T& choice) {
  if constexpr (std::is_same_v<T, LeakyRelu>) return fmt::format(R"("slope": {})", choice.slope);
  if constexpr (std::is_same_v<T, LayerNorm> || std::is_same_v<T, BatchNorm> ||
                std::is_same_v<T, CrossEntropy>)
    return fmt::format(R"("epsilon": {})", choice.epsilon);
  if constexpr (std::is_same_v<T, Conv2d>)
    return fmt::format(R"("stride": {}, "padding": {}, "groups": {})", choice.stride,
                       choice.padding, choice.groups);
  if constexpr (std::is_same_v<T, MaxPool2d> || std::is_same_v<T, AvgPool2d>)
    return fmt::format(R"("size": {}, "stride": {}, "padding": {})", choice.size, choice.stride,
                       choice.padding);
  if constexpr (std::is_same_v<T, SoftmaxCrossEntropy>)
    return fmt::format(R"("label_smoothing": {})", choice.label_smoothing);
  if constexpr (std::is_same_v<T, gradatim::Huber>)
    return fmt::format(R"("delta": {})", choice.delta);
  return "";
}

// In training: batch normalisation by the batch's statistics.
void run_forward(const Operation& operation, std::span<const float> theta, const Tensor& x,
                 Tensor& y) {
  const BatchRule* rule = operation.over_batch();
  if (rule == nullptr) return operation.forward(theta, x, y);
  std::vector<double> sums(rule->sums());
  std::vector<float> statistics(rule->statistics());
  rule->add_sums(x, sums);
  rule->find_statistics(x.shape()[0], sums, statistics);
  rule->forward_rows(theta, statistics, x, y);
}

void write_layer(Writer& writer, const LayerCase& c, std::size_t rows) {
  const Network network(c.input, {c.layer});
  const auto operation = std::move(make_operations(network).front());
  Parameters parameters(parameter_layout(network));
  fill_uniform(parameters.theta(), {.seed = 21}, -1, 1);
  const Tensor x = uniform_tensor({rows, c.input.size()}, 22 + rows, -2, 2);
  const Tensor dy = uniform_tensor({rows, operation->output().size()}, 23);
  Tensor y(dy.shape());
  Tensor dx(x.shape());
  std::vector<float> d_theta(parameters.theta().size());
  run_forward(*operation, parameters.theta(), x, y);
  operation->backward(parameters.theta(), x, y, dy, dx);
  operation->gradient(x, dy, d_theta);
  const std::string options =
      std::visit([](const auto& layer) { return options_of(layer); }, c.layer);
  writer.begin("layer", kind(c.layer), options);
  const Shape output = operation->output();
  writer.tensor("x", x.values(), c.input.batched(rows));
  writer.tensor("y", y.values(), output.batched(rows));
  writer.tensor("dy", dy.values(), output.batched(rows));
  writer.tensor("dx", dx.values(), c.input.batched(rows));
  for (const ParameterTensor& tensor : parameters.layout().tensors) {
    if (!tensor.trained) continue;
    const std::string role = tensor.name.substr(tensor.name.find('.') + 1);
    writer.tensor(role, parameters[tensor.name].values(), tensor.shape);
    writer.tensor("d_" + role, std::span(d_theta).subspan(tensor.offset, tensor.shape.size()),
                  tensor.shape);
  }
  writer.end();
}

void write_loss(Writer& writer, const Loss& loss, std::size_t rows, std::size_t n) {
  const bool probabilities = std::holds_alternative<CrossEntropy>(loss);
  const Tensor outputs =
      uniform_tensor({rows, n}, 31, probabilities ? 0.05F : -3.0F, probabilities ? 1.0F : 3.0F);
  Tensor targets = uniform_tensor({rows, n}, 32, 0, 1);
  if (probabilities || std::holds_alternative<SoftmaxCrossEntropy>(loss)) {
    std::ranges::fill(targets.values(), 0.0F);
    for (std::size_t i = 0; i < rows; ++i) targets.view()(i, 3 * i % n) = 1;
  }
  Tensor d(outputs.shape());
  const double sum = loss_and_gradient(loss, outputs, {.values = targets.view()},
                                       1.0F / static_cast<float>(rows), d);
  const Tensor mean({1}, {static_cast<float>(sum / static_cast<double>(rows))});
  writer.begin("loss", kind(loss),
               std::visit([](const auto& choice) { return options_of(choice); }, loss));
  writer.tensor("x", outputs);
  writer.tensor("t", targets);
  writer.tensor("y", mean);
  writer.tensor("dx", d);
  writer.end();
}

// Of one or two values nothing but rounding is left by a norm, in torch as in ours.
bool is_degenerate(const LayerCase& c) {
  return std::holds_alternative<LayerNorm>(c.layer) && c.input.size() <= 2;
}

void write_all(const std::filesystem::path& folder) {
  Writer writer(folder);
  std::vector<LayerCase> cases = test::layer_cases();
  for (const Shape& input : {Shape{1}, Shape{7}, Shape{33}, Shape{1, 4, 5}, Shape{5, 3, 3}})
    cases.push_back({BatchNorm{}, input});
  const LayerCase large[] = {{Dense{100}, {784}},
                             {Conv2d{30, 5}, {1, 28, 28}},
                             {Conv2d{32, 3, 1, 1}, {16, 14, 14}},
                             {Conv2d{32, 5, 1, 2, 32}, {32, 28, 28}},
                             {Conv2d{48, 3, 2, 1, 24}, {24, 14, 14}},
                             {BatchNorm{}, {30, 12, 12}},
                             {LayerNorm{}, {512}},
                             {MaxPool2d{}, {30, 24, 24}}};
  cases.insert(cases.end(), std::begin(large), std::end(large));
  for (const LayerCase& c : cases)
    for (const std::size_t rows : {1U, 5U, 32U}) {
      const bool too_few = std::holds_alternative<BatchNorm>(c.layer) && rows == 1;
      if (!is_degenerate(c) && !too_few) write_layer(writer, c, rows);
    }
  for (const Loss& loss :
       {Loss(SoftmaxCrossEntropy{}), Loss(SoftmaxCrossEntropy{0.1F}), Loss(CrossEntropy{}),
        Loss(SumOfSquaredErrors{}), Loss(BinaryCrossEntropy{}), Loss(MeanSquaredError{}),
        Loss(Huber{}), Loss(Huber{0.5F})})
    for (const std::size_t n : {1U, 2U, 10U, 33U})
      for (const std::size_t rows : {1U, 7U, 100U}) write_loss(writer, loss, rows, n);
}

}  // namespace
}  // namespace gradatim

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  gradatim::write_all(argv[1]);
  return 0;
}
