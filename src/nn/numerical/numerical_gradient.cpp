#include "gradatim/nn/numerical_gradient.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"
#include "nn/numerical/engine.hpp"

namespace gradatim {

struct NumericalProgram::Plan {
  Plan(const Network& network, const NumericalOptions& options_value, std::size_t max_rows)
      : options(options_value),
        quotient(make_quotient(options.method, options.step, max_rows)),
        engine(network, options.loss, max_rows, /*bounds=*/false) {}

  NumericalOptions options;
  DifferenceQuotient quotient;
  DifferenceEngine engine;
};

NumericalProgram::NumericalProgram(const Network& network, const NumericalOptions& options,
                                   std::size_t max_rows)
    : plan_(std::make_unique<Plan>(network, options, max_rows)) {}
NumericalProgram::~NumericalProgram() = default;
NumericalProgram::NumericalProgram(NumericalProgram&&) noexcept = default;
NumericalProgram& NumericalProgram::operator=(NumericalProgram&&) noexcept = default;

double NumericalProgram::gradient(std::span<const float> theta, const Batch& batch,
                                  std::span<float> d_theta, TaskPool& pool) {
  BasePoint& base = plan_->engine.base();
  if (d_theta.size() != base.parameter_count())
    throw ShapeError(fmt::format("numerical gradient: the network has {} parameters, got {}",
                                 base.parameter_count(), d_theta.size()));
  base.evaluate(theta, batch, pool);
  plan_->quotient = make_quotient(plan_->options.method, plan_->options.step, base.rows());
  plan_->engine.parameters(plan_->quotient, {.value = d_theta}, pool);
  return base.loss();
}

void NumericalProgram::input_gradient(TensorView<float> d_inputs, TaskPool& pool) {
  const BasePoint& base = plan_->engine.base();
  const Shape expected = {base.rows(), base.width(0)};
  if (d_inputs.shape() != expected)
    throw ShapeError(fmt::format("numerical gradient by the inputs: expected shape {}, got {}",
                                 expected.to_string(), d_inputs.shape().to_string()));
  plan_->engine.values(0, plan_->quotient, {.value = d_inputs.values()}, pool);
}

const std::vector<std::string>& NumericalProgram::evaluated_again() const {
  return plan_->engine.evaluated_again();
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
