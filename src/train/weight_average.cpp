#include "train/weight_average.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"

namespace gradatim {

AveragedWeights::AveragedWeights(const WeightAverage& options, std::span<const float> theta)
    : decay_(options.decay) {
  if (!(decay_ >= 0 && decay_ < 1))
    throw InvalidArgument(fmt::format("average: decay must be in [0, 1), got {}", decay_));
  if (decay_ > 0) values_.assign(theta.begin(), theta.end());
}

void AveragedWeights::update(std::span<const float> theta, std::size_t step, TaskPool& pool) {
  constexpr std::size_t kPerTask = std::size_t{1} << 16;
  const auto t = static_cast<float>(step);
  const float keep = std::min(decay_, (1 + t) / (10 + t));
  pool.parallel_for(task_count(values_.size(), kPerTask), [&](std::size_t task) {
    const std::size_t end = std::min(values_.size(), (task + 1) * kPerTask);
    for (std::size_t i = task * kPerTask; i < end; ++i)
      values_[i] = keep * values_[i] + (1 - keep) * theta[i];
  });
}

}  // namespace gradatim
