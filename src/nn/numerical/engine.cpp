#include "nn/numerical/engine.hpp"

#include <algorithm>

#include "gradatim/core/changes.hpp"
#include "nn/layers.hpp"
#include "nn/numerical/batch_differences.hpp"
#include "nn/numerical/meter.hpp"
#include "nn/numerical/sweep.hpp"
#include "nn/numerical/workers.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kUnitsOfATask = 128;
constexpr std::size_t kParametersOfATask = 64;
constexpr std::size_t kValuesOfATask = 256;
constexpr std::size_t kSumsOfATask = std::size_t{1} << 14;

// Some units of a Dense layer for some samples, which are summed by themselves; or some parameters
// of another layer for all samples.
struct Task {
  bool dense;
  std::size_t layer;
  std::size_t group;  // of samples
  std::size_t first, count;
};

struct Columns {
  std::size_t first, count;
};

// Quotients of (rows, columns) places; the upper ones and the crossings only where asked for.
struct Table {
  AlignedVector<float> value, upper;
  std::vector<std::uint8_t> crossed;

  void resize(std::size_t size) {
    value.resize(size);
    upper.resize(size);
    crossed.resize(size);
  }
};

struct Worker {
  explicit Worker(const BasePoint& base) : sweep(base) {}
  UnitSweep sweep;
  DistinctValues distinct;
  Table table;
  AlignedVector<float> rows;
  std::vector<float> losses, realised;
  std::vector<std::uint8_t> crossed;
};

// What one group of samples contributed.
struct GroupSums {
  AlignedVector<float> value, upper;
  std::vector<std::uint8_t> crossed;
};

}  // namespace

struct DifferenceEngine::Plan {
  Plan(const Network& network, const Loss& loss, std::size_t max_rows, bool with_bounds);

  void plan_tasks();
  void run_dense(const Task& task, Worker& worker);
  void add_sample(std::size_t sample, const Task& task, Worker& worker);
  void combine(ConstTensorView changes, const Crossings& crossed, Table& table, std::size_t first,
               std::size_t count, std::size_t columns) const;
  void run_parameters(const Task& task, Worker& worker);
  void add_parameters(std::size_t sample, std::size_t layer, const Columns& parameters,
                      Worker& worker);
  void sum_groups(std::size_t first, std::size_t last) const;
  void values_of_sample(std::size_t layer, std::size_t sample, const Columns& columns,
                        Worker& worker, const QuotientSums& out) const;
  TensorView<float> dense_part(AlignedVector<float>& all, std::size_t layer) const;
  std::size_t samples_of_a_group() const { return task_count(base.rows(), groups.size()); }

  template <class Body>
  void parallel(TaskPool& pool, std::size_t count, Body body) {
    pool.parallel_for(count, [&](std::size_t i) {
      workers.with([&] { return std::make_unique<Worker>(base); },
                   [&](Worker& worker) { body(i, worker); });
    });
  }

  BasePoint base;
  bool bounds;
  std::vector<Task> tasks;
  std::vector<GroupSums> groups;
  Workers<Worker> workers;
  std::vector<std::string> evaluated_again;

  // Of the current call.
  const DifferenceQuotient* quotient = nullptr;
  QuotientSums sums{};
  bool mark = false;
};

DifferenceEngine::Plan::Plan(const Network& network, const Loss& loss, std::size_t max_rows,
                             bool with_bounds)
    : base(network, loss, max_rows), bounds(with_bounds) {
  std::size_t work = 0;
  for (std::size_t i = 0; i < base.layers(); ++i) {
    work += base.width(i) * base.width(i + 1) * 64;
    if (!base.operation(i).has_change_rule()) evaluated_again.push_back(layer_label(network, i));
  }
  const std::size_t parameters = base.parameter_count();
  const std::size_t share = task_count(max_rows, tasks_for(max_rows, 1, work));
  groups.resize(task_count(max_rows, share));
  for (GroupSums& group : groups) {
    group.value.resize(parameters);
    group.upper.resize(bounds ? parameters : 0);
    group.crossed.resize(bounds ? parameters : 0);
  }
  plan_tasks();
}

void DifferenceEngine::Plan::plan_tasks() {
  for (std::size_t layer = 0; layer < base.layers(); ++layer) {
    const bool dense = base.dense(layer) != nullptr;
    const std::size_t parameters = base.parameter_offset(layer + 1) - base.parameter_offset(layer);
    const std::size_t items = dense ? base.width(layer + 1) : parameters;
    const std::size_t step = dense ? kUnitsOfATask : kParametersOfATask;
    for (std::size_t group = 0; group < (dense ? groups.size() : 1); ++group)
      for (std::size_t first = 0; first < items; first += step)
        tasks.push_back({dense, layer, group, first, std::min(step, items - first)});
  }
}

// (inputs + 1, units): the weights, and the bias behind them as in theta.
TensorView<float> DifferenceEngine::Plan::dense_part(AlignedVector<float>& all,
                                                     std::size_t layer) const {
  const std::size_t offset = base.parameter_offset(layer);
  return {std::span(all).subspan(offset, base.parameter_offset(layer + 1) - offset),
          {base.width(layer) + 1, base.width(layer + 1)}};
}

void DifferenceEngine::Plan::run_dense(const Task& task, Worker& worker) {
  GroupSums& group = groups[task.group];
  const auto clear = [&](auto& all) {
    const std::size_t units = base.width(task.layer + 1);
    auto at =
        all.begin() + static_cast<std::ptrdiff_t>(base.parameter_offset(task.layer) + task.first);
    for (std::size_t i = 0; i <= base.width(task.layer); ++i)
      std::fill_n(at + static_cast<std::ptrdiff_t>(i * units), task.count, 0);
  };
  clear(group.value);
  if (bounds) clear(group.upper);
  if (mark) clear(group.crossed);
  const std::size_t share = samples_of_a_group();
  const std::size_t end = std::min(base.rows(), (task.group + 1) * share);
  for (std::size_t n = task.group * share; n < end; ++n) add_sample(n, task, worker);
}

void DifferenceEngine::Plan::add_sample(std::size_t sample, const Task& task, Worker& worker) {
  worker.distinct.find(base.x(task.layer, sample).values(), task.layer == 0);
  const auto values = worker.distinct.values();
  Table& table = worker.table;
  table.resize(values.size() * task.count);
  worker.sweep.run(sample, {task.layer, task.first, task.count}, values, quotient->offsets, mark,
                   [&](std::size_t first, ConstTensorView changes, const Crossings& crossed) {
                     combine(changes, crossed, table, first,
                             changes.rows() / quotient->offsets.size(), task.count);
                   });
  GroupSums& group = groups[task.group];
  const Shape shape = {values.size(), task.count};
  const auto pairs = worker.distinct.pairs();
  kernels::add_rows(pairs, {std::span(table.value).first(shape.size()), shape}, task.first,
                    dense_part(group.value, task.layer));
  if (bounds)
    kernels::add_rows(pairs, {std::span(table.upper).first(shape.size()), shape}, task.first,
                      dense_part(group.upper, task.layer));
  if (!mark) return;
  std::uint8_t* const flags = group.crossed.data() + base.parameter_offset(task.layer) + task.first;
  for (const auto& [to, from] : pairs)
    for (std::size_t j = 0; j < task.count; ++j)
      flags[to * base.width(task.layer + 1) + j] |= table.crossed[from * task.count + j];
}

// The rows [first, first + count) of a table of `columns` from the changes of their offsets.
void DifferenceEngine::Plan::combine(ConstTensorView changes, const Crossings& crossed,
                                     Table& table, std::size_t first, std::size_t count,
                                     std::size_t columns) const {
  const Shape shape = {count, columns};
  const auto part = [&](auto& all) {
    return std::span(all).subspan(first * columns, shape.size());
  };
  if (bounds)
    kernels::slope_bounds(quotient->weights, changes, {part(table.value), shape},
                          {part(table.upper), shape});
  else
    kernels::apply_stencil(quotient->weights, changes, {part(table.value), shape});
  if (!mark) return;
  const std::size_t offsets = quotient->offsets.size();
  const auto flags = part(table.crossed);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < columns; ++j) {
      std::uint8_t any = 0;
      for (std::size_t s = 0; s < offsets; ++s) any |= crossed(i * offsets + s, j);
      flags[i * columns + j] = any;
    }
}

// Parameters of any layer: each moves the outputs of its layer as that layer says.
void DifferenceEngine::Plan::run_parameters(const Task& task, Worker& worker) {
  const std::size_t offset = base.parameter_offset(task.layer) + task.first;
  for (std::size_t i = offset; i < offset + task.count; ++i) {
    sums.value[i] = 0;
    if (bounds) sums.upper[i] = 0;
    if (mark) sums.crossed[i] = 0;
  }
  const std::size_t together = Push::kRows / quotient->offsets.size();
  for (std::size_t n = 0; n < base.rows(); ++n)
    for (std::size_t i = 0; i < task.count; i += together)
      add_parameters(n, task.layer, {task.first + i, std::min(together, task.count - i)}, worker);
}

void DifferenceEngine::Plan::add_parameters(std::size_t sample, std::size_t layer,
                                            const Columns& parameters, Worker& worker) {
  const Operation& operation = base.operation(layer);
  const std::size_t offsets = quotient->offsets.size();
  const Shape shape = {parameters.count * offsets, base.width(layer + 1)};
  worker.rows.resize(shape.size());
  worker.losses.resize(shape[0]);
  worker.realised.resize(shape[0]);
  worker.crossed.assign(mark ? shape[0] : 0, 0);
  const TensorView<float> rows(worker.rows, shape);
  for (std::size_t i = 0; i < shape[0]; ++i)
    worker.realised[i] = operation.parameter_change(
        base.parameters(layer), base.x(layer, sample), base.y(layer, sample),
        parameters.first + i / offsets, quotient->offsets[i % offsets], rows.slice(i, 1));
  worker.sweep.push().rows(sample, layer + 1, rows, worker.losses, worker.crossed);
  for (std::size_t i = 0; i < shape[0]; ++i)
    worker.losses[i] *= quotient->offsets[i % offsets] / worker.realised[i];
  worker.table.resize(parameters.count);
  combine({worker.losses, {shape[0], 1}}, {worker.crossed, {mark ? shape[0] : 0, 1}}, worker.table,
          0, parameters.count, 1);
  for (std::size_t i = 0; i < parameters.count; ++i) {
    const std::size_t p = base.parameter_offset(layer) + parameters.first + i;
    sums.value[p] += worker.table.value[i];
    if (bounds) sums.upper[p] += worker.table.upper[i];
    if (mark) sums.crossed[p] |= worker.table.crossed[i];
  }
}

// The sums at [first, last) of what the groups of samples contributed, in their order.
void DifferenceEngine::Plan::sum_groups(std::size_t first, std::size_t last) const {
  const std::size_t used = task_count(base.rows(), samples_of_a_group());
  for (std::size_t p = first; p < last; ++p) sums.value[p] = groups[0].value[p];
  for (std::size_t g = 1; g < used; ++g)
    for (std::size_t p = first; p < last; ++p) sums.value[p] += groups[g].value[p];
  if (bounds)
    for (std::size_t p = first; p < last; ++p) {
      sums.upper[p] = 0;
      for (std::size_t g = 0; g < used; ++g) sums.upper[p] += groups[g].upper[p];
    }
  if (mark)
    for (std::size_t p = first; p < last; ++p) {
      sums.crossed[p] = 0;
      for (std::size_t g = 0; g < used; ++g) sums.crossed[p] |= groups[g].crossed[p];
    }
}

void DifferenceEngine::Plan::values_of_sample(std::size_t layer, std::size_t sample,
                                              const Columns& columns, Worker& worker,
                                              const QuotientSums& out) const {
  const auto [first, count] = columns;
  const Shape shape = {quotient->offsets.size(), count};
  worker.rows.resize(shape.size());
  worker.crossed.assign(mark ? shape.size() : 0, 0);
  const TensorView<float> changes(worker.rows, shape);
  const Crossings crossed(worker.crossed, mark ? shape : Shape{0, count});
  for (std::size_t s = 0; s < shape[0]; ++s)
    std::ranges::fill(changes.row(s), quotient->offsets[s]);
  worker.sweep.push().units(sample, layer, first, changes, crossed);
  worker.table.resize(count);
  combine(changes, crossed, worker.table, 0, 1, count);
  const std::size_t at = sample * base.width(layer) + first;
  std::ranges::copy(std::span(worker.table.value).first(count), out.value.subspan(at).begin());
  if (bounds)
    std::ranges::copy(std::span(worker.table.upper).first(count), out.upper.subspan(at).begin());
  if (mark)
    std::ranges::copy(std::span(worker.table.crossed).first(count),
                      out.crossed.subspan(at).begin());
}

DifferenceEngine::DifferenceEngine(const Network& network, const Loss& loss, std::size_t max_rows,
                                   bool bounds)
    : plan_(std::make_unique<Plan>(network, loss, max_rows, bounds)) {}
DifferenceEngine::~DifferenceEngine() = default;

BasePoint& DifferenceEngine::base() { return plan_->base; }
const BasePoint& DifferenceEngine::base() const { return plan_->base; }

const std::vector<std::string>& DifferenceEngine::evaluated_again() const {
  return plan_->evaluated_again;
}

void DifferenceEngine::parameters(const DifferenceQuotient& quotient, const QuotientSums& sums,
                                  TaskPool& pool,
                                  const std::function<void(double share)>& on_progress) {
  Plan& plan = *plan_;
  if (plan.base.over_batch()) {
    BatchDifferences(plan.base).parameters(quotient, sums, pool, on_progress);
    return;
  }
  plan.quotient = &quotient;
  plan.sums = sums;
  plan.mark = !sums.crossed.empty();
  Meter meter(plan.tasks.size(), on_progress);
  plan.parallel(pool, plan.tasks.size(), [&](std::size_t i, Worker& worker) {
    const Task& task = plan.tasks[i];
    if (task.dense)
      plan.run_dense(task, worker);
    else
      plan.run_parameters(task, worker);
    meter.task_done();
  });
  for (std::size_t layer = 0; layer < plan.base.layers(); ++layer) {
    if (plan.base.dense(layer) == nullptr) continue;
    const std::size_t begin = plan.base.parameter_offset(layer);
    const std::size_t count = plan.base.parameter_offset(layer + 1) - begin;
    pool.parallel_for(task_count(count, kSumsOfATask), [&](std::size_t i) {
      const std::size_t first = i * kSumsOfATask;
      plan.sum_groups(begin + first, begin + std::min(count, first + kSumsOfATask));
    });
  }
}

void DifferenceEngine::values(std::size_t layer, const DifferenceQuotient& quotient,
                              const QuotientSums& sums, TaskPool& pool) {
  Plan& plan = *plan_;
  if (plan.base.over_batch()) {
    BatchDifferences(plan.base).values(layer, quotient, sums, pool);
    return;
  }
  plan.quotient = &quotient;
  plan.mark = !sums.crossed.empty();
  const std::size_t width = plan.base.width(layer);
  const std::size_t parts = task_count(width, kValuesOfATask);
  plan.parallel(pool, plan.base.rows() * parts, [&](std::size_t i, Worker& worker) {
    const std::size_t first = i % parts * kValuesOfATask;
    plan.values_of_sample(layer, i / parts, {first, std::min(kValuesOfATask, width - first)},
                          worker, sums);
  });
}

}  // namespace gradatim
