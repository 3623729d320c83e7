#include "train/predictions.hpp"

#include <algorithm>

#include "gradatim/nn/fold.hpp"
#include "gradatim/nn/program.hpp"

namespace gradatim::detail {

Tensor predictions(const Network& network, std::span<const float> theta, const Split& split,
                   TaskPool& pool) {
  constexpr std::size_t kRowsPerTask = 2000;
  const Batch all = split.all();
  const FoldedNetwork folded = fold_batch_norm(network, theta);
  const Predictor predictor(folded.network);
  Tensor outputs({split.size(), output_shape(network).size()});
  pool.parallel_for(task_count(split.size(), kRowsPerTask), [&](std::size_t task) {
    const std::size_t first = task * kRowsPerTask;
    const std::size_t count = std::min(kRowsPerTask, split.size() - first);
    const auto rows = outputs.view().slice(first, count);
    if (const auto* images = std::get_if<ByteInputs>(&all.inputs))
      predictor.predict(folded.theta, ByteInputs{images->bytes.slice(first, count), images->scale},
                        rows);
    else
      predictor.predict(folded.theta, std::get<ConstTensorView>(all.inputs).slice(first, count),
                        rows);
  });
  return outputs;
}

}  // namespace gradatim::detail
