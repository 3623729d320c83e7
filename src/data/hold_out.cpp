#include "gradatim/data/hold_out.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"

namespace gradatim {
namespace {

constexpr std::uint32_t kHoldOutStream = 0x686F6C64;  // "hold"

template <class T>
BasicTensor<T> select_rows(const BasicTensor<T>& all, std::span<const std::uint32_t> indices) {
  if (all.size() == 0) return {};
  BasicTensor<T> rows(all.shape().sample().batched(indices.size()));
  for (std::size_t i = 0; i < indices.size(); ++i)
    std::ranges::copy(all.view().row(indices[i]), rows.view().row(i).begin());
  return rows;
}

std::size_t count_of(const HoldOut& part, std::size_t samples, std::string_view key) {
  if (!(part.fraction >= 0 && part.fraction < 1) || (part.fraction > 0 && part.count > 0))
    throw InvalidArgument(fmt::format("{}: expected a fraction in [0, 1) or a count, got {} and {}",
                                      key, part.fraction, part.count));
  const std::size_t count = part.count != 0 ? part.count : held_out(part.fraction, samples);
  if (count == 0 && part.fraction > 0 && samples > 0)
    throw InvalidArgument(
        fmt::format("{}: {} of {} samples are none; leave it out, or hold out more", key,
                    part.fraction, samples));
  if (count != 0 && count >= samples)
    throw InvalidArgument(
        fmt::format("{}: {} of {} training samples leave none to train on", key, count, samples));
  return count;
}

}  // namespace

std::size_t held_out(float fraction, std::size_t samples) {
  return static_cast<std::size_t>(
      std::lround(static_cast<double>(fraction) * static_cast<double>(samples)));
}

Split select(const Split& split, std::span<const std::uint32_t> indices) {
  split.check();
  for (const std::uint32_t index : indices)
    if (index >= split.size())
      throw InvalidArgument(
          fmt::format("select: expected indices in [0, {}), got {}", split.size(), index));
  Split selected{.images = select_rows(split.images, indices),
                 .features = select_rows(split.features, indices),
                 .targets = select_rows(split.targets, indices)};
  if (!split.labels.empty())
    for (const std::uint32_t index : indices) selected.labels.push_back(split.labels[index]);
  return selected;
}

Dataset hold_out(Dataset data, const HoldOut& part, std::uint64_t seed, std::string_view key) {
  const std::size_t samples = data.train.size();
  const std::size_t count = count_of(part, samples, key);
  if (count == 0) return data;
  if (data.validation.size() != 0)
    throw InvalidArgument(fmt::format("{}: the data have validation samples already", key));
  std::vector<std::uint32_t> order =
      permutation(static_cast<std::uint32_t>(samples), {.seed = seed, .stream = kHoldOutStream});
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(count);
  std::sort(order.begin(), middle);
  std::sort(middle, order.end());
  data.validation = select(data.train, {order.begin(), middle});
  data.train = select(data.train, {middle, order.end()});
  return data;
}

}  // namespace gradatim
