#include "gradatim/data/batches.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"

namespace gradatim {
namespace {

constexpr std::uint32_t kDrawStream = 0x62746368;     // "btch"
constexpr std::uint32_t kShuffleStream = 0x73686666;  // "shff"

void check(const BatchPlan& plan) {
  if (plan.samples == 0 || plan.samples > UINT32_MAX)
    throw InvalidArgument(
        fmt::format("batches: expected from 1 to {} samples, got {}", UINT32_MAX, plan.samples));
  if (plan.batch == 0) throw InvalidArgument("batches: expected a batch of at least 1, got 0");
  if (plan.sampling == Sampling::shuffled_epochs && plan.batch > plan.samples)
    throw InvalidArgument(fmt::format(
        "batches: expected a batch of at most the {} samples of a shuffled epoch, got {}",
        plan.samples, plan.batch));
}

}  // namespace

BatchSampler::BatchSampler(const BatchPlan& plan) : plan_(plan) {
  check(plan);
  const bool shuffled = plan.sampling == Sampling::shuffled_epochs;
  order_.resize(shuffled ? plan.samples : plan.batch);
  if (shuffled) permutation(order_, {.seed = plan.seed, .stream = kShuffleStream, .step = epoch_});
}

std::size_t BatchSampler::steps_per_epoch() const {
  return plan_.samples / plan_.batch + (plan_.samples % plan_.batch != 0 ? 1 : 0);
}

std::size_t BatchSampler::count(std::uint64_t step) const {
  if (plan_.sampling == Sampling::with_replacement) return plan_.batch;
  return std::min(plan_.batch, plan_.samples - step % steps_per_epoch() * plan_.batch);
}

std::span<const std::uint32_t> BatchSampler::indices(std::uint64_t step) {
  if (plan_.sampling == Sampling::with_replacement) {
    choice(order_, static_cast<std::uint32_t>(plan_.samples),
           {.seed = plan_.seed, .stream = kDrawStream, .step = step});
    return order_;
  }
  const std::uint64_t epoch = step / steps_per_epoch();
  if (epoch != epoch_) {
    permutation(order_, {.seed = plan_.seed, .stream = kShuffleStream, .step = epoch});
    epoch_ = epoch;
  }
  return std::span(order_).subspan(step % steps_per_epoch() * plan_.batch, count(step));
}

}  // namespace gradatim
