#include <numeric>
#include <vector>

#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/train/train.hpp"

namespace gradatim {

double accuracy(const Network& network, std::span<const float> theta, const Split& split,
                TaskPool& pool) {
  constexpr std::size_t kRowsPerTask = 2000;
  if (split.size() == 0) return 0;
  const Predictor predictor(network);
  const auto images = split.images.view();
  Tensor outputs({split.size(), output_shape(network).size()});
  std::vector<std::size_t> correct(task_count(split.size(), kRowsPerTask));
  pool.parallel_for(correct.size(), [&](std::size_t task) {
    const std::size_t first = task * kRowsPerTask;
    const std::size_t count = std::min(kRowsPerTask, split.size() - first);
    const auto rows = outputs.view().slice(first, count);
    predictor.predict(theta, ByteInputs{images.slice(first, count), kByteScale}, rows);
    for (std::size_t i = 0; i < count; ++i)
      if (kernels::argmax(rows.row(i)) == static_cast<std::size_t>(split.labels[first + i]))
        ++correct[task];
  });
  return static_cast<double>(std::accumulate(correct.begin(), correct.end(), std::size_t{0})) /
         static_cast<double>(split.size());
}

}  // namespace gradatim
