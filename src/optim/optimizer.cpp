#include "gradatim/optim/optimizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "gradatim/core/error.hpp"
#include "optim/options.hpp"

namespace gradatim {
namespace {

// Below this many parameters an update is quicker than handing it out.
constexpr std::size_t kParametersPerTask = std::size_t{1} << 13;

// How many floats an optimizer remembers for each parameter.
std::size_t state_count(const Optimizer& optimizer) {
  if (std::holds_alternative<Sgd>(optimizer)) return 0;
  if (std::holds_alternative<Adam>(optimizer) || std::holds_alternative<AdamW>(optimizer)) return 2;
  return 1;
}

float learning_rate(const Optimizer& optimizer) {
  return std::visit([](const auto& rule) { return rule.learning_rate; }, optimizer);
}

float l2_rate(const WeightDecay& decay) {
  const auto* l2 = std::get_if<L2Decay>(&decay);
  return l2 != nullptr ? l2->rate : 0.0F;
}

float decoupled_rate(const Descent& descent) {
  const auto* decoupled = std::get_if<DecoupledDecay>(&descent.weight_decay);
  const auto* adamw = std::get_if<AdamW>(&descent.optimizer);
  return (decoupled != nullptr ? decoupled->rate : 0.0F) +
         (adamw != nullptr ? adamw->weight_decay : 0.0F);
}

// What one piece of an update works on.
struct Spans {
  std::span<float> theta;
  std::span<const float> g;
  std::span<float> first;
  std::span<float> second;
  const kernels::Adjustment& adjustment;
  float rate;        // the learning rate of this step
  std::size_t step;  // 1, 2, ...
};

void apply(const Sgd&, const Spans& s) { kernels::sgd(s.theta, s.g, s.rate, s.adjustment); }

void apply(const Momentum& rule, const Spans& s) {
  kernels::momentum(s.theta, s.g, s.first, s.rate, rule.momentum, s.adjustment);
}

void apply(const Nesterov& rule, const Spans& s) {
  kernels::nesterov(s.theta, s.g, s.first, s.rate, rule.momentum, s.adjustment);
}

void apply(const AdaGrad& rule, const Spans& s) {
  kernels::scaled(s.theta, s.g, s.first,
                  {.learning_rate = s.rate, .keep = 1.0F, .add = 1.0F, .epsilon = rule.epsilon},
                  s.adjustment);
}

void apply(const RmsProp& rule, const Spans& s) {
  kernels::scaled(s.theta, s.g, s.first,
                  {.learning_rate = s.rate,
                   .keep = rule.decay,
                   .add = 1.0F - rule.decay,
                   .epsilon = rule.epsilon},
                  s.adjustment);
}

template <class WithBetas>
void apply_adam(const WithBetas& rule, const Spans& s) {
  const auto t = static_cast<double>(s.step);
  const double rest1 = 1.0 - std::pow(static_cast<double>(rule.beta1), t);
  const double rest2 = 1.0 - std::pow(static_cast<double>(rule.beta2), t);
  kernels::adam(s.theta, s.g, s.first, s.second,
                {.rate = static_cast<float>(static_cast<double>(s.rate) / rest1),
                 .beta1 = rule.beta1,
                 .beta2 = rule.beta2,
                 .v_scale = static_cast<float>(1.0 / rest2),
                 .epsilon = rule.epsilon},
                s.adjustment);
}
void apply(const Adam& rule, const Spans& s) { apply_adam(rule, s); }
void apply(const AdamW& rule, const Spans& s) { apply_adam(rule, s); }

void apply(const Lion& rule, const Spans& s) {
  kernels::lion(s.theta, s.g, s.first,
                {.learning_rate = s.rate, .beta1 = rule.beta1, .beta2 = rule.beta2}, s.adjustment);
}

}  // namespace

OptimizerState::OptimizerState(const Optimizer& optimizer, std::size_t n)
    : OptimizerState(Descent{.optimizer = optimizer}, n) {}

OptimizerState::OptimizerState(const Descent& descent, std::size_t n)
    : OptimizerState(descent, n, std::array{ParameterRange{0, n}}) {}

OptimizerState::OptimizerState(const Descent& descent, std::size_t n,
                               std::span<const ParameterRange> decaying)
    : descent_(descent), n_(n), task_squares_(task_count(n, kParametersPerTask)) {
  validate(descent);
  const std::size_t states = state_count(descent.optimizer);
  if (states >= 1) first_.resize(n);
  if (states >= 2) second_.resize(n);

  // Cut where a task ends and where decay begins or ends.
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 0; cut < n; cut += kParametersPerTask) cuts.push_back(cut);
  for (const ParameterRange& range : decaying) {
    if (range.first > n || range.count > n - range.first)
      throw InvalidArgument(fmt::format("weight_decay: parameters [{}, {}) of {} do not exist",
                                        range.first, range.first + range.count, n));
    cuts.push_back(range.first);
    cuts.push_back(range.first + range.count);
  }
  cuts.push_back(n);
  std::ranges::sort(cuts);
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    if (cuts[i] == cuts[i + 1]) continue;
    if (cuts[i] % kParametersPerTask == 0) task_pieces_.push_back(pieces_.size());
    const bool decays = std::ranges::any_of(decaying, [&](const ParameterRange& range) {
      return cuts[i] >= range.first && cuts[i] < range.first + range.count;
    });
    pieces_.push_back({{cuts[i], cuts[i + 1] - cuts[i]}, decays});
  }
  task_pieces_.push_back(pieces_.size());
}

kernels::Adjustment OptimizerState::adjustment(std::span<const float> gradient, float rate,
                                               TaskPool& pool) {
  kernels::Adjustment adjustment{.l2 = l2_rate(descent_.weight_decay),
                                 .shrink = 1.0F - rate * decoupled_rate(descent_)};
  if (const auto* clip = std::get_if<ClipByValue>(&descent_.clipping))
    adjustment.limit = clip->limit;
  if (const auto* clip = std::get_if<ClipByGlobalNorm>(&descent_.clipping)) {
    pool.parallel_for(task_squares_.size(), [&](std::size_t task) {
      const std::size_t first = task * kParametersPerTask;
      const std::size_t count = std::min(kParametersPerTask, n_ - first);
      task_squares_[task] = kernels::sum_of_squares(gradient.subspan(first, count));
    });
    const double norm = std::sqrt(std::accumulate(task_squares_.begin(), task_squares_.end(), 0.0));
    const double limit = clip->limit;
    if (norm > limit) adjustment.scale = static_cast<float>(limit / norm);
  }
  return adjustment;
}

void OptimizerState::update(const Piece& piece, std::span<float> theta,
                            std::span<const float> gradient, const kernels::Adjustment& adjustment,
                            float rate) {
  const auto [first, count] = piece.range;
  kernels::Adjustment own = adjustment;
  if (!piece.decays) {
    own.l2 = 0.0F;
    own.shrink = 1.0F;
  }
  const auto part = [&](AlignedVector<float>& state) {
    return state.empty() ? std::span<float>() : std::span(state).subspan(first, count);
  };
  const Spans spans{theta.subspan(first, count),
                    gradient.subspan(first, count),
                    part(first_),
                    part(second_),
                    own,
                    rate,
                    steps_ + 1};
  std::visit([&](const auto& rule) { apply(rule, spans); }, descent_.optimizer);
}

void OptimizerState::step(std::span<float> theta, std::span<const float> gradient, TaskPool& pool) {
  if (theta.size() != n_ || gradient.size() != n_)
    throw ShapeError(fmt::format("{}: expected {} parameters and gradients, got {} and {}",
                                 kind(descent_.optimizer), n_, theta.size(), gradient.size()));
  const double factor =
      learning_rate_factor(descent_.schedule, steps_, descent_.steps, descent_.warmup);
  const float rate = static_cast<float>(learning_rate(descent_.optimizer) * factor);
  const kernels::Adjustment all = adjustment(gradient, rate, pool);
  pool.parallel_for(task_squares_.size(), [&](std::size_t task) {
    for (std::size_t i = task_pieces_[task]; i < task_pieces_[task + 1]; ++i)
      update(pieces_[i], theta, gradient, all, rate);
  });
  ++steps_;
}

std::vector<std::span<const float>> OptimizerState::memory() const {
  std::vector<std::span<const float>> memory;
  for (const AlignedVector<float>* each : {&first_, &second_})
    if (!each->empty()) memory.emplace_back(*each);
  return memory;
}

void OptimizerState::restore(std::size_t steps, std::span<const std::span<const float>> memory) {
  const std::size_t expected = state_count(descent_.optimizer);
  const bool fits = memory.size() == expected &&
                    std::ranges::all_of(memory, [&](auto values) { return values.size() == n_; });
  if (!fits)
    throw ShapeError(fmt::format("{}: expected a memory of {} times {} floats, got {} times {}",
                                 kind(descent_.optimizer), expected, n_, memory.size(),
                                 memory.empty() ? 0 : memory[0].size()));
  if (expected >= 1) std::ranges::copy(memory[0], first_.begin());
  if (expected >= 2) std::ranges::copy(memory[1], second_.begin());
  steps_ = steps;
}

}  // namespace gradatim
