#include "train/predictions.hpp"

#include <algorithm>

#include "gradatim/nn/program.hpp"

namespace gradatim::detail {

Tensor predictions(const Network& network, std::span<const float> theta, const Split& split,
                   TaskPool& pool) {
  constexpr std::size_t kRowsPerTask = 2000;
  split.check();
  const Predictor predictor(network);
  Tensor outputs({split.size(), output_shape(network).size()});
  const auto images = split.images.view();
  pool.parallel_for(task_count(split.size(), kRowsPerTask), [&](std::size_t task) {
    const std::size_t first = task * kRowsPerTask;
    const std::size_t count = std::min(kRowsPerTask, split.size() - first);
    predictor.predict(theta, ByteInputs{images.slice(first, count), kByteScale},
                      outputs.view().slice(first, count));
  });
  return outputs;
}

}  // namespace gradatim::detail
