#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gradatim/nn/losses.hpp"
#include "gradatim/nn/operation.hpp"
#include "nn/joints.hpp"
#include "nn/layers.hpp"
#include "nn/problems.hpp"

/// Wrong backward passes: layers that compute the right thing and differentiate it wrongly.
namespace gradatim::test {

/// What backward is given, and the right dx to spoil.
struct BackwardCall {
  std::span<const float> theta;
  ConstTensorView x, y, dy;
  TensorView<float> dx;
};
/// What the gradient of the parameters is given, and the right one to spoil.
struct ParameterCall {
  ConstTensorView x, dy;
  std::span<float> d_theta;
};

struct Mutation {
  std::string name;
  std::function<void(const BackwardCall&)> backward{};
  std::function<void(const Operation& right, const ParameterCall&)> parameters{};
};

/// A batch rule whose backward pass has the mutation. It keeps what the last rows were, for
/// mutations of the parameters' gradient: for batches of one task.
class MutatedRule final : public BatchRule {
 public:
  MutatedRule(const Operation& right, const Mutation& mutation)
      : right_(right), rule_(*right.over_batch()), mutation_(mutation) {}

  std::size_t sums() const override { return rule_.sums(); }
  std::size_t statistics() const override { return rule_.statistics(); }
  std::size_t slopes() const override { return rule_.slopes(); }
  std::size_t least_rows() const override { return rule_.least_rows(); }
  void add_sums(ConstTensorView x, std::span<double> sums) const override {
    rule_.add_sums(x, sums);
  }
  void find_statistics(std::size_t rows, std::span<const double> sums,
                       std::span<float> statistics) const override {
    rule_.find_statistics(rows, sums, statistics);
  }
  void forward_rows(std::span<const float> theta, std::span<const float> statistics,
                    ConstTensorView x, TensorView<float> y) const override {
    rule_.forward_rows(theta, statistics, x, y);
  }
  void add_backward_sums(std::span<const float> statistics, ConstTensorView x, ConstTensorView dy,
                         std::span<double> sums) const override {
    x_ = Tensor(x.shape(), {x.values().begin(), x.values().end()});
    dy_ = Tensor(dy.shape(), {dy.values().begin(), dy.values().end()});
    rule_.add_backward_sums(statistics, x, dy, sums);
  }
  void find_slopes(std::span<const float> theta, std::size_t rows,
                   std::span<const float> statistics, std::span<const double> sums,
                   std::span<float> slopes) const override {
    rule_.find_slopes(theta, rows, statistics, sums, slopes);
  }
  void backward_rows(std::span<const float> slopes, ConstTensorView x, ConstTensorView dy,
                     TensorView<float> dx) const override {
    const Tensor before(dy.shape(), {dy.values().begin(), dy.values().end()});
    rule_.backward_rows(slopes, x, dy, dx);
    if (mutation_.backward) mutation_.backward({{}, x, {}, before, dx});
  }
  void sums_gradient(std::span<const float> statistics, std::span<const double> sums,
                     std::span<float> d_theta) const override {
    rule_.sums_gradient(statistics, sums, d_theta);
    if (mutation_.parameters) mutation_.parameters(right_, {x_, dy_, d_theta});
  }
  void move_running(std::size_t rows, std::span<const float> statistics,
                    std::span<float> theta) const override {
    rule_.move_running(rows, statistics, theta);
  }

 private:
  const Operation& right_;
  const BatchRule& rule_;
  const Mutation& mutation_;
  mutable Tensor x_, dy_;
};

/// An operation that is right but for one mutation.
class MutatedOperation final : public Operation {
 public:
  MutatedOperation(std::unique_ptr<const Operation> right, Mutation mutation)
      : right_(std::move(right)), mutation_(std::move(mutation)) {
    if (right_->over_batch() != nullptr) rule_.emplace(*right_, mutation_);
  }

  Shape output() const override { return right_->output(); }
  std::vector<ParameterSpec> parameters() const override { return right_->parameters(); }
  void forward(std::span<const float> theta, ConstTensorView x,
               TensorView<float> y) const override {
    right_->forward(theta, x, y);
  }
  void backward(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                ConstTensorView dy, TensorView<float> dx) const override {
    right_->backward(theta, x, y, dy, dx);
    if (mutation_.backward) mutation_.backward({theta, x, y, dy, dx});
  }
  void parameter_gradient(std::size_t, ConstTensorView x, ConstTensorView dy,
                          std::span<float> d_theta) const override {
    right_->gradient(x, dy, d_theta);
    if (mutation_.parameters) mutation_.parameters(*right_, {x, dy, d_theta});
  }
  std::size_t gradient_tasks(std::size_t) const override {
    return right_->parameters().empty() ? 0 : 1;
  }

  bool has_change_rule() const override { return true; }
  bool elementwise() const override { return right_->elementwise(); }
  void change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
              ConstTensorView dx, TensorView<float> dy) const override {
    right_->change(theta, x, y, dx, dy);
  }
  float parameter_change(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                         std::size_t parameter, float step, TensorView<float> dy) const override {
    return right_->parameter_change(theta, x, y, parameter, step, dy);
  }
  bool has_branches() const override { return right_->has_branches(); }
  void crossings(ConstTensorView x, ConstTensorView dx,
                 TensorView<std::uint8_t> crossed) const override {
    right_->crossings(x, dx, crossed);
  }
  const BatchRule* over_batch() const override { return rule_ ? &*rule_ : nullptr; }
  std::size_t adds_input_back() const override { return right_->adds_input_back(); }
  float drop_rate() const override { return right_->drop_rate(); }
  void parameter_magnitude(ConstTensorView x, ConstTensorView magnitude_y,
                           std::span<float> magnitude_theta) const override {
    right_->parameter_magnitude(x, magnitude_y, magnitude_theta);
  }
  std::size_t terms_per_value() const override { return right_->terms_per_value(); }
  std::size_t terms_per_row() const override { return right_->terms_per_row(); }
  void magnitude(std::span<const float> theta, ConstTensorView x, ConstTensorView y,
                 ConstTensorView magnitude_y, TensorView<float> magnitude_x) const override {
    right_->magnitude(theta, x, y, magnitude_y, magnitude_x);
  }

 private:
  std::unique_ptr<const Operation> right_;
  Mutation mutation_;
  std::optional<MutatedRule> rule_{};
};

class MutatedLayer final : public CustomLayer {
 public:
  MutatedLayer(Layer right, Mutation mutation)
      : right_(std::move(right)), mutation_(std::move(mutation)), kind_("wrong_") {
    kind_ += gradatim::kind(right_);
  }
  std::string_view kind() const override { return kind_; }
  std::unique_ptr<const Operation> make_operation(const Shape& input,
                                                  const std::string& label) const override {
    auto right = std::visit(
        [&](const auto& layer) { return gradatim::make_operation(layer, input, label); }, right_);
    return std::make_unique<MutatedOperation>(std::move(right), mutation_);
  }

 private:
  Layer right_;
  Mutation mutation_;
  std::string kind_;
};

inline Network with_mutation(Network network, std::size_t layer, const Mutation& mutation) {
  network.layers[layer] = Custom{std::make_shared<MutatedLayer>(network.layers[layer], mutation)};
  return network;
}

inline void scale(std::span<float> values, float factor) {
  for (float& value : values) value *= factor;
}
inline void rotate_rows(TensorView<float> x) {
  std::ranges::rotate(x.values(), x.values().begin() + static_cast<std::ptrdiff_t>(x.row_size()));
}
inline void rotate_columns(TensorView<float> x) {
  for (std::size_t n = 0; n < x.rows(); ++n) std::ranges::rotate(x.row(n), x.row(n).begin() + 1);
}

/// The index of the largest magnitude.
inline std::size_t largest(std::span<const float> values) {
  const auto smaller = [](float a, float b) { return std::abs(a) < std::abs(b); };
  return static_cast<std::size_t>(std::ranges::max_element(values, smaller) - values.begin());
}
inline void forget_a_value(const BackwardCall& c) {
  const std::size_t column = largest(c.dx.values()) % c.dx.row_size();
  for (std::size_t n = 0; n < c.dx.rows(); ++n) c.dx(n, column) = 0;
}

/// Of dx, whatever the layer.
inline std::vector<Mutation> backward_mutations() {
  return {
      {"missing factor 2", [](const BackwardCall& c) { scale(c.dx.values(), 0.5F); }},
      {"wrong sign", [](const BackwardCall& c) { scale(c.dx.values(), -1.0F); }},
      {"all zeros", [](const BackwardCall& c) { scale(c.dx.values(), 0.0F); }},
      {"wrong index", [](const BackwardCall& c) { rotate_columns(c.dx); }},
      {"stale cache of another sample", [](const BackwardCall& c) { rotate_rows(c.dx); }},
      {"unscaled batch",
       [](const BackwardCall& c) { scale(c.dx.values(), static_cast<float>(c.x.rows())); }},
      {"last sample forgotten",
       [](const BackwardCall& c) { scale(c.dx.row(c.dx.rows() - 1), 0.0F); }},
      {"one value forgotten", forget_a_value},
      {"off by 1e-4", [](const BackwardCall& c) { scale(c.dx.values(), 1.0001F); }},
  };
}

/// Of dx, for layers that keep the shape.
inline std::vector<Mutation> activation_mutations() {
  return {
      {"missing derivative",
       [](const BackwardCall& c) { std::ranges::copy(c.dy.values(), c.dx.values().begin()); }},
      {"derivative of the input instead of the output",
       [](const BackwardCall& c) {
         for (std::size_t i = 0; i < c.x.size(); ++i)
           c.dx.values()[i] = c.dy.values()[i] * c.x.values()[i] * (1 - c.x.values()[i]);
       }},
      {"derivative squared",
       [](const BackwardCall& c) {
         for (std::size_t i = 0; i < c.x.size(); ++i)
           if (c.dy.values()[i] != 0.0F)
             c.dx.values()[i] *= 0.9F * c.dx.values()[i] / c.dy.values()[i];
       }},
  };
}

/// Of Dense, theta = W (inputs, units), b (units).
inline std::vector<Mutation> dense_mutations() {
  const auto weights = [](const ParameterCall& c) {
    return c.d_theta.first(c.x.row_size() * c.dy.row_size());
  };
  const auto bias = [](const ParameterCall& c) { return c.d_theta.last(c.dy.row_size()); };
  return {
      {"transposed weight in dx",
       [](const BackwardCall& c) {
         const std::size_t inputs = c.x.row_size();
         for (std::size_t n = 0; n < c.x.rows(); ++n)
           for (std::size_t i = 0; i < inputs; ++i) {
             c.dx(n, i) = 0;
             for (std::size_t j = 0; j < c.dy.row_size(); ++j)
               c.dx(n, i) += c.dy(n, j) * c.theta[j * inputs + i];
           }
       }},
      {"missing bias sum",
       {},
       [=](const Operation&, const ParameterCall& c) { scale(bias(c), 0.0F); }},
      {"bias of one sample",
       {},
       [=](const Operation&, const ParameterCall& c) {
         std::ranges::copy(c.dy.row(0), bias(c).begin());
       }},
      {"transposed weight gradient",
       {},
       [=](const Operation&, const ParameterCall& c) {
         const std::vector<float> right(weights(c).begin(), weights(c).end());
         const std::size_t inputs = c.x.row_size();
         const std::size_t units = c.dy.row_size();
         for (std::size_t i = 0; i < inputs; ++i)
           for (std::size_t j = 0; j < units; ++j) c.d_theta[j * inputs + i] = right[i * units + j];
       }},
      {"weights forgotten",
       {},
       [=](const Operation&, const ParameterCall& c) { scale(weights(c), 0.0F); }},
      {"wrong sign of the weights",
       {},
       [=](const Operation&, const ParameterCall& c) { scale(weights(c), -1.0F); }},
  };
}

/// Of any layer's parameters.
inline std::vector<Mutation> parameter_mutations() {
  return {
      {"all zeros", {}, [](const Operation&, const ParameterCall& c) { scale(c.d_theta, 0.0F); }},
      {"missing factor 2",
       {},
       [](const Operation&, const ParameterCall& c) { scale(c.d_theta, 0.5F); }},
      {"unscaled batch",
       {},
       [](const Operation&, const ParameterCall& c) {
         scale(c.d_theta, static_cast<float>(c.x.rows()));
       }},
      {"wrong index",
       {},
       [](const Operation&, const ParameterCall& c) {
         std::ranges::rotate(c.d_theta, c.d_theta.begin() + 1);
       }},
      {"stale inputs of another sample",
       {},
       [](const Operation& right, const ParameterCall& c) {
         Tensor stale(c.x.shape(), {c.x.values().begin(), c.x.values().end()});
         rotate_rows(stale);
         right.gradient(stale, c.dy, c.d_theta);
       }},
      {"one entry off by 1e-4",
       {},
       [](const Operation&, const ParameterCall& c) { c.d_theta[largest(c.d_theta)] *= 1.0001F; }},
      {"one entry forgotten",
       {},
       [](const Operation&, const ParameterCall& c) { c.d_theta[largest(c.d_theta)] = 0; }},
  };
}

/// Of the gradient of the loss by the outputs (rows, n).
struct LossMutation {
  std::string name;
  std::function<void(const Problem& problem, ConstTensorView outputs, TensorView<float> d_outputs)>
      spoil;
};

inline std::vector<LossMutation> loss_mutations() {
  return {
      {"missing factor 2",
       [](const Problem&, ConstTensorView, TensorView<float> d) { scale(d.values(), 2.0F); }},
      {"wrong sign",
       [](const Problem&, ConstTensorView, TensorView<float> d) { scale(d.values(), -1.0F); }},
      {"unscaled batch",
       [](const Problem&, ConstTensorView, TensorView<float> d) {
         scale(d.values(), static_cast<float>(d.rows()));
       }},
      {"wrong index",
       [](const Problem&, ConstTensorView, TensorView<float> d) { rotate_columns(d); }},
      {"stale targets of another sample",
       [](const Problem&, ConstTensorView, TensorView<float> d) { rotate_rows(d); }},
      {"outputs instead of their gradient",
       [](const Problem&, ConstTensorView y, TensorView<float> d) {
         std::ranges::copy(y.values(), d.values().begin());
       }},
      {"all zeros",
       [](const Problem&, ConstTensorView, TensorView<float> d) { scale(d.values(), 0.0F); }},
      {"last sample forgotten", [](const Problem&, ConstTensorView,
                                   TensorView<float> d) { scale(d.row(d.rows() - 1), 0.0F); }},
      {"off by 1e-4",
       [](const Problem&, ConstTensorView, TensorView<float> d) { scale(d.values(), 1.0001F); }},
  };
}

/// Backprop by the operations, with the loss spoilt: the gradient of the parameters.
inline std::vector<float> backprop_with(const Problem& problem, const LossMutation& mutation) {
  const auto operations = make_operations(problem.network);
  const Joints joints(operations);
  const auto theta = problem.parameters.theta();
  const std::size_t rows = problem.inputs.view().rows();
  const Batch batch = problem.batch();
  std::vector<Tensor> values{problem.inputs};
  std::vector<std::span<const float>> parts;
  std::size_t offset = 0;
  for (const auto& operation : operations) {
    std::size_t count = 0;
    for (const ParameterSpec& spec : operation->parameters()) count += spec.shape.size();
    parts.push_back(theta.subspan(offset, count));
    offset += count;
    Tensor y({rows, operation->output().size()});
    operation->forward(parts.back(), values.back(), y);
    const std::size_t layer = parts.size() - 1;
    if (const auto added = joints.added_to(layer))
      kernels::add_to(values[*added].values(), y.values());
    if (joints.drops(layer)) joints.drop(layer, *batch.key, 0, y);
    values.push_back(std::move(y));
  }
  Tensor d(values.back().shape());
  loss_and_gradient(problem.loss, values.back(), batch.targets, 1.0F / static_cast<float>(rows), d);
  mutation.spoil(problem, values.back(), d);
  std::vector<float> d_theta(theta.size());
  std::vector<Tensor> d_outputs(operations.size());
  for (std::size_t i = operations.size(); i-- > 0;) {
    offset -= parts[i].size();
    d_outputs[i] = d;
    if (joints.drops(i)) joints.drop(i, *batch.key, 0, d);
    operations[i]->gradient(values[i], d, std::span(d_theta).subspan(offset, parts[i].size()));
    Tensor before(values[i].shape());
    operations[i]->backward(parts[i], values[i], values[i + 1], d, before);
    for (const std::size_t reader : joints.readers(i))
      kernels::add_to(d_outputs[reader].values(), before.values());
    d = std::move(before);
  }
  return d_theta;
}

}  // namespace gradatim::test
