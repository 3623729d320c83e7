#include <gradatim/gradatim.hpp>

#include <cstdio>

namespace gd = gradatim;

// One sample, one step: enough to need every module that trains.
int main() {
  const gd::Network network(
      {4}, {gd::Dense{3, gd::Gaussian{}}, gd::Tanh{}, gd::Dense{2, gd::Gaussian{}}});
  gd::Parameters parameters = gd::initialize(network, 1);
  gd::Program program(network, gd::SoftmaxCrossEntropy{}, 1);
  gd::OptimizerState optimizer(gd::Sgd{}, parameters.layout().size);
  gd::TaskPool pool(2);
  gd::Tensor input({1, 4});
  gd::fill_uniform(input.values(), {.seed = 1});
  const std::vector<std::int32_t> label = {1};
  std::vector<float> gradient(parameters.layout().size);
  const gd::Batch batch = {.inputs = input.view(), .targets = {.labels = label}};
  double before = 0;
  for (int step = 0; step < 100; ++step) {
    const double loss = program.gradient(parameters.theta(), batch, gradient, pool);
    if (step == 0) before = loss;
    optimizer.step(parameters.theta(), gradient, pool);
  }
  const double after = program.loss(parameters.theta(), batch, pool);
  std::printf("loss from %.3f to %.3f\n", before, after);
  return after < 0.5 * before ? 0 : 1;
}
