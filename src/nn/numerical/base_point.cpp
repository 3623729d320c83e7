#include "nn/numerical/base_point.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/losses.hpp"
#include "nn/dense.hpp"
#include "nn/layers.hpp"
#include "nn/loss_changes.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kRowsOfATask = 24;

const ByteInputs* byte_inputs(const Batch& batch) { return std::get_if<ByteInputs>(&batch.inputs); }

void forward_batch(const BatchRule& rule, std::span<const float> theta, ConstTensorView x,
                   TensorView<float> y) {
  std::vector<double> sums(rule.sums());
  std::vector<float> statistics(rule.statistics());
  rule.add_sums(x, sums);
  rule.find_statistics(x.rows(), sums, statistics);
  rule.forward_rows(theta, statistics, x, y);
}

const Shape& input_shape(const Batch& batch) {
  const ByteInputs* bytes = byte_inputs(batch);
  return bytes != nullptr ? bytes->bytes.shape() : std::get<ConstTensorView>(batch.inputs).shape();
}

}  // namespace

BasePoint::BasePoint(const Network& network, const Loss& loss, std::size_t max_rows)
    : network_(network),
      loss_(loss),
      max_rows_(max_rows),
      operations_(make_operations(network)),
      joints_(operations_) {
  if (max_rows == 0) throw InvalidArgument("numerical gradient: the batch has no rows");
  std::size_t offset = 0;
  values_.emplace_back(Shape{max_rows, network.input.size()});
  for (const auto& operation : operations_) {
    dense_.push_back(dynamic_cast<const DenseOperation*>(operation.get()));
    offsets_.push_back(offset);
    for (const ParameterSpec& spec : operation->parameters()) offset += spec.shape.size();
    values_.emplace_back(Shape{max_rows, operation->output().size()});
    factors_.emplace_back(operation->drop_rate() > 0 ? values_.back().shape() : Shape{0});
  }
  offsets_.push_back(offset);
  points_ = targets_ = d_outputs_ = Tensor(values_.back().shape());
  if (dense_[0] != nullptr) packed_weight_ = Tensor(dense_[0]->packed_weight());
}

BasePoint::~BasePoint() = default;

bool BasePoint::over_batch() const {
  return std::ranges::any_of(operations_, [](const auto& o) { return o->over_batch() != nullptr; });
}

void BasePoint::load_inputs(const Batch& batch) {
  const Shape& shape = input_shape(batch);
  if (shape.rank() == 0 || shape[0] == 0 || shape[0] > max_rows_ ||
      shape.sample().size() != network_.input.size())
    throw ShapeError(fmt::format("batch: expected inputs of shape {} for up to {} rows, got {}",
                                 network_.input.batched(1).to_string(), max_rows_,
                                 shape.to_string()));
  rows_ = shape[0];
  const auto x = values_[0].values().first(rows_ * network_.input.size());
  if (const ByteInputs* bytes = byte_inputs(batch))
    kernels::bytes_to_float(bytes->bytes.values(), bytes->scale, x);
  else
    std::ranges::copy(std::get<ConstTensorView>(batch.inputs).values(), x.begin());
}

void BasePoint::load_targets(const Targets& targets) {
  check_targets(loss_, rows_, operations_.back()->output(), targets);
  if (!targets.weights.empty())
    throw InvalidArgument(
        "numerical gradient: samples with weights of their own are not supported");
  const auto t = targets_.values().first(rows_ * width(layers()));
  if (targets.labels.empty()) {
    std::ranges::copy(targets.values.values(), t.begin());
    return;
  }
  std::ranges::fill(t, 0.0F);
  for (std::size_t n = 0; n < rows_; ++n)
    targets_.view()(n, static_cast<std::size_t>(targets.labels[n])) = 1.0F;
}

void BasePoint::load_factors(const Batch& batch) {
  joints_.check_key(network_, batch.key);
  const StepKey key = batch.key.value_or(StepKey{});
  for (std::size_t i = 0; i < layers(); ++i) {
    if (!joints_.drops(i)) continue;
    const auto factors = factors_[i].view().slice(0, rows_);
    std::ranges::fill(factors.values(), 1.0F);
    joints_.drop(i, key, 0, factors);
  }
}

void BasePoint::take_factors(std::size_t layer, TensorView<float> dy) const {
  if (joints_.drops(layer))
    kernels::multiply(dy.values(), factors_[layer].view().slice(0, rows_).values(), dy.values());
}

void BasePoint::join(std::size_t layer, std::size_t first, std::size_t count) {
  const auto y = values_[layer + 1].view().slice(first, count);
  if (const auto added = joints_.added_to(layer))
    kernels::add_to(values_[*added].view().slice(first, count).values(), y.values());
  if (joints_.drops(layer))
    kernels::multiply(y.values(), factors_[layer].view().slice(first, count).values(), y.values());
}

// Takes the rows [first, first + count) through all layers and returns the sum of their losses.
double BasePoint::forward(const Batch& batch, std::size_t first, std::size_t count) {
  const ByteInputs* bytes = byte_inputs(batch);
  for (std::size_t i = 0; i < layers(); ++i) {
    const auto y = values_[i + 1].view().slice(first, count);
    if (i == 0 && bytes != nullptr && dense_[0] != nullptr)
      dense_[0]->forward_bytes(parameters(0),
                               bytes->bytes.reshaped({rows_, width(0)}).slice(first, count),
                               bytes->scale, packed_weight_, y);
    else if (const BatchRule* rule = operations_[i]->over_batch())
      forward_batch(*rule, parameters(i), values_[i].view().slice(first, count), y);
    else
      operations_[i]->forward(parameters(i), values_[i].view().slice(first, count), y);
    join(i, first, count);
  }
  const ConstTensorView outputs = values_.back().view().slice(first, count);
  gradatim::loss_point(loss_, outputs, points_.view().slice(first, count));
  return loss_and_gradient(loss_, outputs, {.values = targets_.view().slice(first, count)}, 1.0F,
                           d_outputs_.view().slice(first, count));
}

void BasePoint::evaluate(std::span<const float> theta, const Batch& batch, TaskPool& pool) {
  if (theta.size() != parameter_count())
    throw ShapeError(fmt::format("numerical gradient: the network has {} parameters, got {}",
                                 parameter_count(), theta.size()));
  theta_ = theta;
  load_inputs(batch);
  load_targets(batch.targets);
  load_factors(batch);
  for (std::size_t i = 0; i < layers(); ++i)
    if (const BatchRule* rule = operations_[i]->over_batch())
      check_batch_rows(*rule, network_, i, rows_);
  if (byte_inputs(batch) != nullptr && dense_[0] != nullptr)
    dense_[0]->pack_weight(parameters(0), packed_weight_);
  std::size_t work = 0;
  for (const auto& operation : operations_) work += operation->operations_per_row();
  const std::size_t tasks = over_batch() ? 1 : tasks_for(rows_, kRowsOfATask, work);
  const std::size_t share = (rows_ + tasks - 1) / tasks;
  std::vector<double> losses(tasks);
  pool.parallel_for(tasks, [&](std::size_t task) {
    const std::size_t first = std::min(rows_, task * share);
    const std::size_t count = std::min(share, rows_ - first);
    if (count != 0) losses[task] = forward(batch, first, count);
  });
  loss_value_ = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(rows_);
}

Tensor loss_gradient(const BasePoint& base) {
  const ConstTensorView outputs = base.x(base.layers());
  Tensor targets(outputs.shape());
  for (std::size_t n = 0; n < base.rows(); ++n)
    std::ranges::copy(base.targets(n), targets.view().row(n).begin());
  Tensor d(outputs.shape());
  loss_and_gradient(base.loss_function(), outputs, {.values = targets.view()},
                    1.0F / static_cast<float>(base.rows()), d);
  return d;
}

}  // namespace gradatim
