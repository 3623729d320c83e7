#include "gradatim/nn/numerical_gradient.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/changes.hpp"
#include "gradatim/core/error.hpp"
#include "nn/layers.hpp"
#include "nn/numerical/base_point.hpp"
#include "nn/numerical/stencil.hpp"
#include "nn/numerical/sweep.hpp"
#include "nn/numerical/workers.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kUnitsOfATask = 128;
constexpr std::size_t kParametersOfATask = 256;
constexpr std::size_t kInputsOfATask = 256;

// Some units of a Dense layer for some samples, which are summed by themselves; or some parameters
// of another layer for all samples.
struct Task {
  bool dense;
  std::size_t layer;
  std::size_t group;  // of samples
  std::size_t first, count;
};

struct Worker {
  explicit Worker(const BasePoint& base) : sweep(base) {}
  UnitSweep sweep;
  DistinctValues distinct;
  AlignedVector<float> table;
  AlignedVector<float> rows;
  std::vector<float> losses;
};

}  // namespace

struct NumericalProgram::Plan {
  Plan(const Network& network, const NumericalOptions& options_value, std::size_t max_rows);

  void plan_tasks();
  void run(const Task& task, Worker& worker);
  void run_dense(const Task& task, Worker& worker);
  void add_sample(std::size_t sample, const UnitRange& units, TensorView<float> sums,
                  Worker& worker);
  void run_parameters(const Task& task, Worker& worker, std::span<float> d_theta);
  void sum_groups(std::size_t layer, std::span<float> d_theta) const;
  void inputs_of_sample(std::size_t sample, std::size_t first, std::span<float> d_x,
                        Worker& worker);
  TensorView<float> group_sums(std::size_t layer, std::size_t group);
  std::size_t samples_of_a_group() const { return task_count(base.rows(), groups); }

  template <class Body>
  void parallel(TaskPool& pool, std::size_t count, Body body) {
    pool.parallel_for(count, [&](std::size_t i) {
      workers.with([&] { return std::make_unique<Worker>(base); },
                   [&](Worker& worker) { body(i, worker); });
    });
  }

  NumericalOptions options;
  BasePoint base;
  std::size_t groups;  // of samples
  std::vector<Task> tasks;
  std::vector<AlignedVector<float>> sums;  // a group: its share of d_theta
  Stencil stencil;
  Workers<Worker> workers;
  std::vector<std::string> evaluated_again;
};

NumericalProgram::Plan::Plan(const Network& network, const NumericalOptions& options_value,
                             std::size_t max_rows)
    : options(options_value), base(network, options.loss, max_rows), groups(1) {
  stencil = make_stencil(options.method, options.step, 1);  // refuses a bad step at once
  std::size_t work = 0;
  for (std::size_t i = 0; i < base.layers(); ++i) {
    work += base.width(i) * base.width(i + 1) * 64;
    if (!base.operation(i).has_change_rule()) evaluated_again.push_back(layer_label(network, i));
  }
  groups = tasks_for(max_rows, 1, work);
  sums.assign(groups, AlignedVector<float>(base.parameter_count()));
  plan_tasks();
}

void NumericalProgram::Plan::plan_tasks() {
  for (std::size_t layer = 0; layer < base.layers(); ++layer) {
    const bool dense = base.dense(layer) != nullptr;
    const std::size_t items = dense
                                  ? base.width(layer + 1)
                                  : base.parameter_offset(layer + 1) - base.parameter_offset(layer);
    const std::size_t step = dense ? kUnitsOfATask : kParametersOfATask;
    for (std::size_t group = 0; group < (dense ? groups : 1); ++group)
      for (std::size_t first = 0; first < items; first += step)
        tasks.push_back({dense, layer, group, first, std::min(step, items - first)});
  }
}

// (inputs + 1, units): the weights, and the bias behind them as in theta.
TensorView<float> NumericalProgram::Plan::group_sums(std::size_t layer, std::size_t group) {
  const std::size_t offset = base.parameter_offset(layer);
  return {std::span(sums[group]).subspan(offset, base.parameter_offset(layer + 1) - offset),
          {base.width(layer) + 1, base.width(layer + 1)}};
}

void NumericalProgram::Plan::run_dense(const Task& task, Worker& worker) {
  const TensorView<float> part = group_sums(task.layer, task.group);
  for (std::size_t i = 0; i < part.rows(); ++i)
    std::ranges::fill(part.row(i).subspan(task.first, task.count), 0.0F);
  const std::size_t share = samples_of_a_group();
  const std::size_t end = std::min(base.rows(), (task.group + 1) * share);
  for (std::size_t n = task.group * share; n < end; ++n)
    add_sample(n, {task.layer, task.first, task.count}, part, worker);
}

void NumericalProgram::Plan::add_sample(std::size_t sample, const UnitRange& units,
                                        TensorView<float> part, Worker& worker) {
  worker.distinct.find(base.x(units.layer, sample).values(), units.layer == 0);
  const auto values = worker.distinct.values();
  worker.table.resize(values.size() * units.count);
  const TensorView<float> table(worker.table, {values.size(), units.count});
  worker.sweep.run(sample, units, values, stencil.offsets, false,
                   [&](std::size_t first, ConstTensorView changes, const Crossings&) {
                     const std::size_t count = changes.rows() / stencil.offsets.size();
                     kernels::apply_stencil(stencil.weights, changes, table.slice(first, count));
                   });
  kernels::add_rows(worker.distinct.pairs(), table, units.first, part);
}

// Parameters of any layer: each moves the outputs of its layer as that layer says.
void NumericalProgram::Plan::run_parameters(const Task& task, Worker& worker,
                                            std::span<float> d_theta) {
  const Operation& operation = base.operation(task.layer);
  const std::size_t nodes = stencil.offsets.size();
  worker.rows.resize(nodes * base.width(task.layer + 1));
  worker.losses.resize(nodes);
  std::vector<float> scale(nodes);
  const TensorView<float> rows(worker.rows, {nodes, base.width(task.layer + 1)});
  for (std::size_t p = task.first; p < task.first + task.count; ++p) {
    double sum = 0;
    for (std::size_t n = 0; n < base.rows(); ++n) {
      for (std::size_t s = 0; s < nodes; ++s)
        scale[s] = stencil.offsets[s] /
                   operation.parameter_change(base.parameters(task.layer), base.x(task.layer, n),
                                              base.y(task.layer, n), p, stencil.offsets[s],
                                              rows.slice(s, 1));
      worker.sweep.push().rows(n, task.layer + 1, rows, worker.losses, {});
      for (std::size_t s = 0; s < nodes; ++s)
        sum += static_cast<double>(stencil.weights[s] * scale[s]) *
               static_cast<double>(worker.losses[s]);
    }
    d_theta[base.parameter_offset(task.layer) + p] = static_cast<float>(sum);
  }
}

void NumericalProgram::Plan::sum_groups(std::size_t layer, std::span<float> d_theta) const {
  const std::size_t used = task_count(base.rows(), samples_of_a_group());
  for (std::size_t p = base.parameter_offset(layer); p < base.parameter_offset(layer + 1); ++p) {
    float sum = sums[0][p];
    for (std::size_t group = 1; group < used; ++group) sum += sums[group][p];
    d_theta[p] = sum;
  }
}

void NumericalProgram::Plan::inputs_of_sample(std::size_t sample, std::size_t first,
                                              std::span<float> d_x, Worker& worker) {
  const Shape shape = {stencil.offsets.size(), d_x.size()};
  worker.rows.resize(shape.size());
  const TensorView<float> changes(worker.rows, shape);
  for (std::size_t s = 0; s < shape[0]; ++s) std::ranges::fill(changes.row(s), stencil.offsets[s]);
  worker.sweep.push().units(sample, 0, first, changes, {});
  kernels::apply_stencil(stencil.weights, changes, {d_x, {1, d_x.size()}});
}

NumericalProgram::NumericalProgram(const Network& network, const NumericalOptions& options,
                                   std::size_t max_rows)
    : plan_(std::make_unique<Plan>(network, options, max_rows)) {}
NumericalProgram::~NumericalProgram() = default;
NumericalProgram::NumericalProgram(NumericalProgram&&) noexcept = default;
NumericalProgram& NumericalProgram::operator=(NumericalProgram&&) noexcept = default;

double NumericalProgram::gradient(std::span<const float> theta, const Batch& batch,
                                  std::span<float> d_theta, TaskPool& pool) {
  Plan& plan = *plan_;
  if (d_theta.size() != plan.base.parameter_count())
    throw ShapeError(fmt::format("numerical gradient: the network has {} parameters, got {}",
                                 plan.base.parameter_count(), d_theta.size()));
  plan.base.evaluate(theta, batch, pool);
  plan.stencil = make_stencil(plan.options.method, plan.options.step, plan.base.rows());
  plan.parallel(pool, plan.tasks.size(), [&](std::size_t i, Worker& worker) {
    const Task& task = plan.tasks[i];
    if (task.dense)
      plan.run_dense(task, worker);
    else
      plan.run_parameters(task, worker, d_theta);
  });
  for (std::size_t layer = 0; layer < plan.base.layers(); ++layer)
    if (plan.base.dense(layer) != nullptr) plan.sum_groups(layer, d_theta);
  return plan.base.loss();
}

void NumericalProgram::input_gradient(TensorView<float> d_inputs, TaskPool& pool) {
  Plan& plan = *plan_;
  const Shape expected = {plan.base.rows(), plan.base.width(0)};
  if (d_inputs.shape() != expected)
    throw ShapeError(fmt::format("numerical gradient by the inputs: expected shape {}, got {}",
                                 expected.to_string(), d_inputs.shape().to_string()));
  const std::size_t parts = task_count(expected[1], kInputsOfATask);
  plan.parallel(pool, expected[0] * parts, [&](std::size_t i, Worker& worker) {
    const std::size_t first = i % parts * kInputsOfATask;
    const std::size_t count = std::min(kInputsOfATask, expected[1] - first);
    plan.inputs_of_sample(i / parts, first, d_inputs.row(i / parts).subspan(first, count), worker);
  });
}

const std::vector<std::string>& NumericalProgram::evaluated_again() const {
  return plan_->evaluated_again;
}

NumericalGradient numerical_gradient(const Network& network, std::span<const float> theta,
                                     const Batch& batch, const NumericalOptions& options) {
  NumericalProgram program(network, options, batch.rows());
  TaskPool pool(options.threads);
  NumericalGradient result;
  result.d_theta.resize(theta.size());
  result.loss = program.gradient(theta, batch, result.d_theta, pool);
  if (options.inputs) {
    result.d_inputs = Tensor({batch.rows(), network.input.size()});
    program.input_gradient(result.d_inputs, pool);
  }
  result.evaluated_again = program.evaluated_again();
  return result;
}

}  // namespace gradatim
