#pragma once

#include <cstddef>
#include <string_view>
#include <variant>

namespace gradatim {

// ---- Schedules: what the learning rate is multiplied by, a pure function of the step.

struct ConstantSchedule {
  friend bool operator==(const ConstantSchedule&, const ConstantSchedule&) = default;
};
/// factor^floor(step / every)
struct StepSchedule {
  std::size_t every = 1000;
  float factor = 0.1F;
  friend bool operator==(const StepSchedule&, const StepSchedule&) = default;
};
/// factor^(step / every)
struct ExponentialSchedule {
  std::size_t every = 1000;
  float factor = 0.9F;
  friend bool operator==(const ExponentialSchedule&, const ExponentialSchedule&) = default;
};
/// From 1 to `final` along half a cosine (Loshchilov and Hutter, "SGDR", 2017).
struct CosineSchedule {
  float final = 0.0F;
  friend bool operator==(const CosineSchedule&, const CosineSchedule&) = default;
};
/// From `start` to 1 in the share `rise` of all steps, then to `final`, each along half a cosine
/// (Smith and Topin, "Super-convergence", 2018).
struct OneCycle {
  float rise = 0.3F;
  float start = 0.04F;
  float final = 4e-6F;
  friend bool operator==(const OneCycle&, const OneCycle&) = default;
};
using Schedule =
    std::variant<ConstantSchedule, StepSchedule, ExponentialSchedule, CosineSchedule, OneCycle>;

/// "constant", "step", "exponential", "cosine", "one_cycle"
std::string_view kind(const Schedule& schedule);

/// The factor in step 0, 1, ..., steps - 1 of a training. In the first `warmup` steps it rises in a
/// line, (step + 1) / warmup of where the schedule starts; the schedule spans the steps behind
/// them, and rests where it ends for steps beyond. Throws InvalidArgument if an option is out of
/// range: factors in (0, 1], `every` at least 1, rise in [0, 1], start and final in [0, 1].
double learning_rate_factor(const Schedule& schedule, std::size_t step, std::size_t steps,
                            std::size_t warmup = 0);

}  // namespace gradatim
