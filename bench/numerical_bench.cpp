// One full numerical gradient of the chapter's network: its time, and its distance from the
// derivative in double. usage: numerical_bench FOLDER THREADS REPEATS; prints one JSON object.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gradatim/data/catalogue.hpp"
#include "gradatim/diff/tape.hpp"
#include "gradatim/nn/numerical_gradient.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/nn/reference.hpp"

namespace gd = gradatim;

namespace {

constexpr std::size_t kBatch = 100;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Reverse mode in double, sample by sample.
std::vector<double> derivative(const gd::Network& network, std::span<const float> theta,
                               const gd::Batch& batch) {
  const gd::reference::Evaluation evaluation(network, gd::SoftmaxCrossEntropy{});
  const gd::reference::Samples samples = evaluation.samples(batch);
  std::vector<double> sum(theta.size());
  for (std::size_t n = 0; n < samples.rows; ++n) {
    gd::Recording<double> recording;
    const auto loss = gd::record(recording, [&](gd::Recording<double>& tape) {
      std::vector<gd::Variable<double>> variables;
      for (const float value : theta) variables.push_back(tape.input(value));
      return evaluation.loss<gd::Variable<double>>(variables, samples.input(n), samples.target(n));
    });
    const auto gradient = recording.gradient(loss);
    for (std::size_t p = 0; p < sum.size(); ++p)
      sum[p] += gradient[p] / static_cast<double>(samples.rows);
  }
  return sum;
}

double relative_distance(std::span<const float> a, std::span<const double> b) {
  double distance = 0;
  double norm = 0;
  for (std::size_t p = 0; p < a.size(); ++p) {
    distance += std::pow(static_cast<double>(a[p]) - b[p], 2);
    norm += b[p] * b[p];
  }
  return std::sqrt(distance / norm);
}

template <class Body>
double median_seconds(int repeats, Body body) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    seconds.push_back(seconds_since(start));
  }
  std::ranges::nth_element(seconds, seconds.begin() + repeats / 2);
  return seconds[static_cast<std::size_t>(repeats) / 2];
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: numerical_bench FOLDER THREADS REPEATS\n";
    return 2;
  }
  const std::string folder = argv[1];
  const std::size_t threads = std::stoul(argv[2]);
  const int repeats = std::max(1, std::atoi(argv[3]));
  const std::string name = folder.find("fashion") != std::string::npos ? "fashion-mnist" : "mnist";
  const gd::Dataset data = gd::load_dataset(name, {.chosen = folder});
  const gd::Network network(
      {784}, {gd::Dense{50, gd::Gaussian{}}, gd::Sigmoid{}, gd::Dense{10, gd::Gaussian{}}});
  const gd::Parameters parameters = gd::initialize(network, 1);
  const auto bytes = data.train.images.view().slice(0, kBatch);
  const gd::Batch batch{.inputs = gd::ByteInputs{bytes, gd::kByteScale},
                        .targets = {.labels = std::span(data.train.labels).first(kBatch)}};

  gd::TaskPool pool(threads);
  gd::NumericalProgram numerical(network, {}, kBatch);
  gd::Program backprop(network, gd::SoftmaxCrossEntropy{}, kBatch);
  std::vector<float> d_theta(parameters.theta().size());
  std::vector<float> d_backprop(d_theta.size());
  const double seconds = median_seconds(
      repeats, [&] { numerical.gradient(parameters.theta(), batch, d_theta, pool); });
  const double backprop_seconds = median_seconds(
      repeats, [&] { backprop.gradient(parameters.theta(), batch, d_backprop, pool); });
  const std::vector<double> exact = derivative(network, parameters.theta(), batch);
  std::cout << nlohmann::json{{"data", name},
                              {"threads", threads},
                              {"seconds", seconds},
                              {"backprop_seconds", backprop_seconds},
                              {"error", relative_distance(d_theta, exact)},
                              {"backprop_error", relative_distance(d_backprop, exact)}}
            << "\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "numerical_bench: " << error.what() << "\n";
  return 1;
}
