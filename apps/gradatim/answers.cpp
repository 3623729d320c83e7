#include "answers.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/fold.hpp"
#include "gradatim/nn/program.hpp"

namespace gradatim::app {

Tensor answers(const std::string& run, const Model& model,
               const std::variant<ConstTensorView, ByteInputs>& inputs) {
  Network network = model.network;
  if (model.kind == TargetKind::classes && !std::holds_alternative<Softmax>(network.layers.back()))
    network.layers.emplace_back(Softmax{});
  const FoldedNetwork folded = fold_batch_norm(network, model.parameters.theta());
  const std::size_t rows = Batch{.inputs = inputs}.rows();
  Tensor outputs({rows, output_shape(network).size()});
  const Predictor predictor(folded.network);
  std::visit([&](const auto& x) { predictor.predict(folded.theta, x, outputs); }, inputs);
  if (!kernels::all_finite(outputs.values())) throw_diverged("predict", run);
  return outputs;
}

void throw_diverged(std::string_view command, const std::string& run) {
  throw DataError(fmt::format(
      "{}: {} answers with values that are not finite; its training has diverged", command, run));
}

}  // namespace gradatim::app
