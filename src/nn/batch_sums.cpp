// The rounds of a step, and what they add up over the batch between them.
#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "nn/layers.hpp"
#include "nn/plan.hpp"

namespace gradatim {
namespace {

std::span<double> part_of(BatchSums& all, const RowTask& task) {
  const std::size_t sums = all.sums.size();
  const auto part = std::span(all.partial).subspan(task.index * sums, sums);
  std::ranges::fill(part, 0.0);
  return part;
}

// Those of the tasks, in their order.
void add_parts(BatchSums& all, std::size_t tasks) {
  std::ranges::fill(all.sums, 0.0);
  for (std::size_t i = 0; i < tasks * all.sums.size(); ++i)
    all.sums[i % all.sums.size()] += all.partial[i];
}

}  // namespace

void check_batch_rows(const BatchRule& rule, const Network& network, std::size_t layer,
                      std::size_t rows) {
  if (rows < rule.least_rows())
    throw InvalidArgument(fmt::format("batch: {} needs at least {} rows in training, got {}",
                                      layer_label(network, layer), rule.least_rows(), rows));
}

void Program::Plan::check_rows() const {
  for (const std::size_t layer : barriers)
    check_batch_rows(*batch_sums[layer].rule, network, layer, rows);
}

void Program::Plan::add_forward_sums(std::size_t layer, const RowTask& task) {
  BatchSums& all = batch_sums[layer];
  if (all.rule == nullptr) return;
  const auto part = part_of(all, task);
  if (task.rows.count != 0) all.rule->add_sums(input(layer, task.rows), part);
}

void Program::Plan::add_backward_sums(std::size_t layer, const RowTask& task) {
  BatchSums& all = batch_sums[layer];
  if (all.rule == nullptr) return;
  const auto part = part_of(all, task);
  if (task.rows.count != 0)
    all.rule->add_backward_sums(all.statistics, input(layer, task.rows),
                                d_output(layer, task.rows, task), part);
}

// Of the layer behind a stage.
void Program::Plan::find_statistics(const Stage& stage) {
  BatchSums& all = batch_sums[stage.last];
  if (all.rule == nullptr) return;
  add_parts(all, stage.tasks);
  all.rule->find_statistics(rows, all.sums, all.statistics);
}

// From all rows on the calling thread, in the parts that tasks would take.
void Program::Plan::find_statistics_alone(std::size_t layer) {
  const auto stage = std::ranges::find(forward_stages, layer, &Stage::last);
  if (stage == forward_stages.end()) return;
  for (std::size_t i = 0; i < stage->tasks; ++i) add_forward_sums(layer, row_task(i, stage->tasks));
  find_statistics(*stage);
}

// Of the layer before a stage.
void Program::Plan::find_slopes(const Stage& stage, std::span<const float> theta) {
  const std::size_t layer = stage.first - 1;
  BatchSums& all = batch_sums[layer];
  if (all.rule == nullptr) return;
  add_parts(all, stage.tasks);
  all.rule->find_slopes(parameters(theta, layer), rows, all.statistics, all.sums, all.slopes);
}

template <class F>
void Program::Plan::in_tasks(const Stage& stage, TaskPool& pool, F f) const {
  pool.parallel_for(stage.tasks, [&](std::size_t i) { f(row_task(i, stage.tasks)); });
}

void Program::Plan::forward(std::span<const float> theta, TaskPool& pool) {
  for (const Stage& stage : forward_stages) {
    in_tasks(stage, pool, [&](const RowTask& task) { forward_stage(stage, theta, task); });
    if (stage.last != operations.size()) find_statistics(stage);
  }
}

// The last stage forward and the first back are one round.
void Program::Plan::forward_and_backward(std::span<const float> theta, TaskPool& pool) {
  const std::size_t last = forward_stages.size() - 1;
  for (std::size_t i = 0; i < last; ++i) {
    const Stage& stage = forward_stages[i];
    in_tasks(stage, pool, [&](const RowTask& task) { forward_stage(stage, theta, task); });
    find_statistics(stage);
  }
  in_tasks(forward_stages[last], pool, [&](const RowTask& task) {
    forward_stage(forward_stages[last], theta, task);
    backward_stage(backward_stages[last], theta, task);
  });
  for (std::size_t i = last; i-- > 0;) {
    find_slopes(backward_stages[i + 1], theta);
    const Stage& stage = backward_stages[i];
    in_tasks(stage, pool, [&](const RowTask& task) { backward_stage(stage, theta, task); });
  }
}

}  // namespace gradatim
