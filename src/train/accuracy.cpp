#include "gradatim/core/kernels.hpp"
#include "gradatim/train/train.hpp"
#include "train/predictions.hpp"

namespace gradatim {

double accuracy(const Network& network, std::span<const float> theta, const Split& split,
                TaskPool& pool) {
  if (split.size() == 0) return 0;
  const Tensor outputs = detail::predictions(network, theta, split, pool);
  std::size_t correct = 0;
  for (std::size_t i = 0; i < split.size(); ++i)
    if (kernels::argmax(outputs.view().row(i)) == static_cast<std::size_t>(split.labels[i]))
      ++correct;
  return static_cast<double>(correct) / static_cast<double>(split.size());
}

}  // namespace gradatim
