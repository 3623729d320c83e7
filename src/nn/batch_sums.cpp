// The rounds of a step, and what they add up over the batch between them.
#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "nn/layers.hpp"
#include "nn/plan.hpp"

namespace gradatim {
namespace {

std::span<double> part_of(std::vector<double>& partial, std::size_t row_task, std::size_t sums) {
  const auto part = std::span(partial).subspan(row_task * sums, sums);
  std::ranges::fill(part, 0.0);
  return part;
}

// Those of the tasks, in their order.
void add_parts(BatchSums& all) {
  std::ranges::fill(all.sums, 0.0);
  for (std::size_t i = 0; i < all.partial.size(); ++i)
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

void Program::Plan::add_forward_sums(std::size_t layer, std::size_t row_task) {
  BatchSums& all = batch_sums[layer];
  const RowRange range = row_range(row_task);
  const auto part = part_of(all.partial, row_task, all.sums.size());
  if (range.count != 0) all.rule->add_sums(input(layer, range), part);
}

void Program::Plan::add_backward_sums(std::size_t layer, std::size_t row_task) {
  BatchSums& all = batch_sums[layer];
  const RowRange range = row_range(row_task);
  const auto part = part_of(all.partial, row_task, all.sums.size());
  if (range.count != 0)
    all.rule->add_backward_sums(all.statistics, input(layer, range),
                                d_output(layer, range, row_task), part);
}

void Program::Plan::find_statistics(std::size_t layer) {
  BatchSums& all = batch_sums[layer];
  add_parts(all);
  all.rule->find_statistics(rows, all.sums, all.statistics);
}

// From all rows on the calling thread, in the parts that tasks would take.
void Program::Plan::find_statistics_alone(std::size_t layer) {
  if (batch_sums[layer].rule == nullptr) return;
  for (std::size_t task = 0; task < row_tasks; ++task) add_forward_sums(layer, task);
  find_statistics(layer);
}

void Program::Plan::find_slopes(std::size_t layer, std::span<const float> theta) {
  BatchSums& all = batch_sums[layer];
  add_parts(all);
  all.rule->find_slopes(parameters(theta, layer), rows, all.statistics, all.sums, all.slopes);
}

void Program::Plan::forward(std::span<const float> theta, TaskPool& pool) {
  for (std::size_t i = 0; i < forward_stages.size(); ++i) {
    pool.parallel_for(row_tasks, [&](std::size_t task) { forward_stage(i, theta, task); });
    if (i < barriers.size()) find_statistics(barriers[i]);
  }
}

// The last stage forward and the first back are one round.
void Program::Plan::forward_and_backward(std::span<const float> theta, TaskPool& pool) {
  const std::size_t last = barriers.size();
  for (std::size_t i = 0; i < last; ++i) {
    pool.parallel_for(row_tasks, [&](std::size_t task) { forward_stage(i, theta, task); });
    find_statistics(barriers[i]);
  }
  pool.parallel_for(row_tasks, [&](std::size_t task) {
    forward_stage(last, theta, task);
    backward_stage(last, theta, task);
  });
  for (std::size_t i = last; i-- > 0;) {
    find_slopes(barriers[i], theta);
    pool.parallel_for(row_tasks, [&](std::size_t task) { backward_stage(i, theta, task); });
  }
}

}  // namespace gradatim
