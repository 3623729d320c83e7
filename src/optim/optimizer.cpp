#include "gradatim/optim/optimizer.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim {
namespace {

// Below this many parameters an update is quicker than handing it out.
constexpr std::size_t kParametersPerTask = std::size_t{1} << 16;

void check_learning_rate(std::string_view optimizer, float learning_rate) {
  if (!std::isfinite(learning_rate) || learning_rate <= 0)
    throw InvalidArgument(fmt::format("{}: learning_rate must be positive and finite, got {}",
                                      optimizer, learning_rate));
}

void validate(const Sgd& sgd) { check_learning_rate("sgd", sgd.learning_rate); }

void validate(const Momentum& momentum) {
  check_learning_rate("momentum", momentum.learning_rate);
  if (!(momentum.momentum >= 0 && momentum.momentum < 1))
    throw InvalidArgument(
        fmt::format("momentum: momentum must be in [0, 1), got {}", momentum.momentum));
}

void update(const Sgd& sgd, std::span<float> theta, std::span<const float> gradient,
            std::span<float>) {
  kernels::sgd(theta, gradient, sgd.learning_rate);
}

void update(const Momentum& momentum, std::span<float> theta, std::span<const float> gradient,
            std::span<float> velocity) {
  kernels::momentum(theta, gradient, velocity, momentum.learning_rate, momentum.momentum);
}

}  // namespace

std::string_view kind(const Optimizer& optimizer) {
  static constexpr std::array<std::string_view, std::variant_size_v<Optimizer>> kKinds{"sgd",
                                                                                       "momentum"};
  return kKinds.at(optimizer.index());
}

OptimizerState::OptimizerState(const Optimizer& optimizer, std::size_t n)
    : optimizer_(optimizer), n_(n) {
  std::visit([](const auto& choice) { validate(choice); }, optimizer_);
  if (std::holds_alternative<Momentum>(optimizer_)) velocity_.resize(n);
}

void OptimizerState::step(std::span<float> theta, std::span<const float> gradient, TaskPool& pool) {
  if (theta.size() != n_ || gradient.size() != n_)
    throw ShapeError(fmt::format("{}: expected {} parameters and gradients, got {} and {}",
                                 kind(optimizer_), n_, theta.size(), gradient.size()));
  pool.parallel_for(task_count(n_, kParametersPerTask), [&](std::size_t task) {
    const std::size_t first = task * kParametersPerTask;
    const std::size_t count = std::min(kParametersPerTask, n_ - first);
    const std::span<float> velocity =
        velocity_.empty() ? std::span<float>() : std::span(velocity_).subspan(first, count);
    std::visit(
        [&](const auto& choice) {
          update(choice, theta.subspan(first, count), gradient.subspan(first, count), velocity);
        },
        optimizer_);
  });
}

}  // namespace gradatim
