#include <gradatim/gradatim.hpp>

#include <cstdio>

namespace gd = gradatim;

int main() {
  const gd::Dataset data = gd::load_dataset("fashion-mnist");
  const gd::Network network({784}, {gd::Dense{50}, gd::Sigmoid{}, gd::Dense{10}});
  const gd::TrainResult run = gd::train(network, data,
                                        {.loss = gd::SoftmaxCrossEntropy{},
                                         .optimizer = gd::Sgd{.learning_rate = 0.1F},
                                         .batch = 100,
                                         .steps = 10'000,
                                         .seed = 1});
  const gd::Samples first = data.test.batch(0, 1);
  const gd::Tensor scores = gd::predict(network, run.parameters.theta(), first.inputs);
  const std::string& guess = data.class_names[gd::kernels::argmax(scores.values())];
  std::printf("test accuracy %.4f; the first test image is: %s\n", run.test.accuracy,
              guess.c_str());
}
