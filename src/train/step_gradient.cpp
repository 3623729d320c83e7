#include "train/step_gradient.hpp"

#include <algorithm>
#include <cmath>

#include "train/class_weights.hpp"

namespace gradatim {
namespace {

MiniBatchPlan plan_of(const Split& split, const TrainOptions& options, std::size_t classes) {
  return {.step = {.samples = split.size(),
                   .batch = samples_per_step(options),
                   .sampling = options.sampling,
                   .seed = options.seed},
          .most_rows = options.batch,
          .augmentation = options.augmentation,
          .class_weights = weights_of_classes(options.class_weights, split.labels, classes)};
}

// The tensors that no gradient moves.
void copy_statistics(const ParameterLayout& layout, std::span<const float> from,
                     std::span<float> to) {
  for (const ParameterTensor& tensor : layout.tensors)
    if (!tensor.trained)
      std::ranges::copy(from.subspan(tensor.offset, tensor.shape.size()),
                        to.subspan(tensor.offset).begin());
}

}  // namespace

StepGradient::StepGradient(const Network& network, const Split& split, const TrainOptions& options)
    : program_(network, options.loss, options.batch),
      batches_(split, plan_of(split, options, output_shape(network).size()),
               program_.zeros_that_pay()),
      gradient_(program_.layout().size),
      part_gradient_(options.accumulation > 1 ? program_.layout().size : 0),
      statistics_(program_.has_statistics() ? part_gradient_.size() : 0) {
  if (options.gradient != GradientMethod::backprop)
    method_ = make_gradient_program(options.gradient, network, options.loss, options.batch);
}

double StepGradient::of_part(std::size_t part, std::span<float> theta, std::span<float> gradient,
                             TaskPool& pool) {
  const Batch batch = batches_.batch(step_, part, pool);
  const Aside next = batches_.prepare_next();
  const double loss = method_ != nullptr ? method_->gradient(theta, batch, gradient, pool)
                                         : program_.gradient(theta, batch, gradient, pool, next);
  if (method_ != nullptr) pool.parallel_for(next.tasks, next.run);
  if (!std::isfinite(loss) || !program_.has_statistics()) return loss;
  if (method_ != nullptr) program_.loss(theta, batch, pool);
  program_.update_statistics(theta);
  return loss;
}

double StepGradient::at(std::size_t step, std::span<float> theta, TaskPool& pool) {
  step_ = step;
  const std::size_t parts = batches_.parts(step);
  if (parts == 1) return of_part(0, theta, gradient_, pool);
  std::ranges::fill(gradient_, 0.0F);
  if (program_.has_statistics()) copy_statistics(layout(), theta, statistics_);
  double loss = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    const double share = batches_.share(step, part);
    loss += share * of_part(part, theta, part_gradient_, pool);
    add_part(share, pool);
  }
  if (program_.has_statistics() && !std::isfinite(loss))
    copy_statistics(layout(), statistics_, theta);
  return loss;
}

void StepGradient::add_part(double share, TaskPool& pool) {
  constexpr std::size_t kPerTask = std::size_t{1} << 16;
  const auto factor = static_cast<float>(share);
  pool.parallel_for(task_count(gradient_.size(), kPerTask), [&](std::size_t task) {
    const std::size_t end = std::min(gradient_.size(), (task + 1) * kPerTask);
    for (std::size_t i = task * kPerTask; i < end; ++i) gradient_[i] += factor * part_gradient_[i];
  });
}

std::string StepGradient::first_non_finite(std::span<const float> theta, TaskPool& pool) {
  for (std::size_t part = 0; part < batches_.parts(step_); ++part)
    if (const auto place = program_.first_non_finite(theta, batches_.batch(step_, part, pool)))
      return *place;
  return "the loss";
}

}  // namespace gradatim
