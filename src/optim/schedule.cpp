#include "gradatim/optim/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

void check_share(std::string_view schedule, std::string_view option, float value) {
  if (!(value >= 0 && value <= 1))
    throw InvalidArgument(
        fmt::format("schedule {}: {} must be in [0, 1], got {}", schedule, option, value));
}

void check_decay(std::string_view schedule, std::size_t every, float factor) {
  if (every == 0)
    throw InvalidArgument(fmt::format("schedule {}: every must be at least 1, got 0", schedule));
  if (!(factor > 0 && factor <= 1))
    throw InvalidArgument(
        fmt::format("schedule {}: factor must be in (0, 1], got {}", schedule, factor));
}

// From a at 0 to b at 1, flat at both ends.
double half_cosine(double a, double b, double position) {
  return b + (a - b) * 0.5 * (1 + std::cos(std::numbers::pi * position));
}

double position(double step, double steps) {
  return steps <= 0 ? 1.0 : std::clamp(step / steps, 0.0, 1.0);
}

double factor_at(const ConstantSchedule&, std::size_t, std::size_t) { return 1; }

double factor_at(const StepSchedule& schedule, std::size_t step, std::size_t) {
  check_decay("step", schedule.every, schedule.factor);
  const std::size_t drops = step / schedule.every;
  return std::pow(schedule.factor, static_cast<double>(drops));
}

double factor_at(const ExponentialSchedule& schedule, std::size_t step, std::size_t) {
  check_decay("exponential", schedule.every, schedule.factor);
  return std::pow(schedule.factor, static_cast<double>(step) / static_cast<double>(schedule.every));
}

double factor_at(const CosineSchedule& schedule, std::size_t step, std::size_t steps) {
  check_share("cosine", "final", schedule.final);
  return half_cosine(1, schedule.final,
                     position(static_cast<double>(step), static_cast<double>(steps)));
}

double factor_at(const OneCycle& cycle, std::size_t step, std::size_t steps) {
  check_share("one_cycle", "rise", cycle.rise);
  check_share("one_cycle", "start", cycle.start);
  check_share("one_cycle", "final", cycle.final);
  const double peak = static_cast<double>(cycle.rise) * static_cast<double>(steps);
  const auto at = static_cast<double>(step);
  if (at < peak) return half_cosine(cycle.start, 1, position(at, peak));
  return half_cosine(1, cycle.final, position(at - peak, static_cast<double>(steps) - peak));
}

}  // namespace

std::string_view kind(const Schedule& schedule) {
  static constexpr auto kKinds =
      std::to_array<std::string_view>({"constant", "step", "exponential", "cosine", "one_cycle"});
  static_assert(kKinds.size() == std::variant_size_v<Schedule>);
  return kKinds.at(schedule.index());
}

double learning_rate_factor(const Schedule& schedule, std::size_t step, std::size_t steps,
                            std::size_t warmup) {
  // One step at least: it starts there also where a training is all warm-up.
  const std::size_t scheduled = steps > warmup ? steps - warmup : 1;
  const std::size_t at = step > warmup ? step - warmup : 0;
  const double factor =
      std::visit([&](const auto& choice) { return factor_at(choice, at, scheduled); }, schedule);
  if (step >= warmup) return factor;
  return factor * static_cast<double>(step + 1) / static_cast<double>(warmup);
}

}  // namespace gradatim
