// The workloads of the figures with dlib; one JSON object a call.
//   workloads_dlib WORKLOAD IMAGES_IDX LABELS_IDX STEPS   wall and CPU seconds of each chunk
// One thread, or what OPENBLAS_NUM_THREADS says. The files are plain IDX, not gzipped. bench/run
// compiles this; no build of gradatim does.
#include <dlib/dnn.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int kChunks = 12;  // the first two warm up
using Image = dlib::matrix<unsigned char>;
using TwoLayer =
    dlib::loss_multiclass_log<dlib::fc<10, dlib::sig<dlib::fc<50, dlib::input<Image>>>>>;
using SimpleConvnet = dlib::loss_multiclass_log<dlib::fc<
    10, dlib::relu<dlib::fc<
            100, dlib::max_pool<2, 2, 2, 2,
                                dlib::relu<dlib::con<30, 5, 5, 1, 1, dlib::input<Image>>>>>>>>;

std::string read(const std::string& path, std::size_t header) {
  std::ifstream file(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), {});
  if (all.size() <= header) throw std::runtime_error("cannot read " + path);
  return all.substr(header);
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void print(const std::vector<double>& values, const char* name) {
  std::cout << '"' << name << "\": [";
  for (std::size_t i = 0; i < values.size(); ++i) std::cout << (i > 0 ? ", " : "") << values[i];
  std::cout << ']';
}

template <class Net, class Solver>
void train(const Solver& solver, double rate, const std::vector<Image>& images,
           const std::string& labels, int steps) {
  Net net;
  std::vector<Solver> solvers(Net::num_computational_layers, solver);
  std::mt19937 random(1);
  std::uniform_int_distribution<std::size_t> any(0, images.size() - 1);
  std::vector<Image> batch(100);
  std::vector<unsigned long> targets(100);
  dlib::resizable_tensor inputs;
  std::vector<double> wall, cpu;
  for (int c = 0; c < kChunks; ++c) {
    const double wall_start = wall_seconds();
    const std::clock_t cpu_start = std::clock();
    for (int i = 0; i < steps / kChunks; ++i) {
      for (std::size_t n = 0; n < batch.size(); ++n) {
        const std::size_t chosen = any(random);
        batch[n] = images[chosen];
        targets[n] = static_cast<unsigned char>(labels[chosen]);
      }
      net.to_tensor(batch.begin(), batch.end(), inputs);
      net.compute_parameter_gradients(inputs, targets.begin());
      net.update_parameters(dlib::make_sstack(solvers), rate);
    }
    if (c < 2) continue;
    wall.push_back(wall_seconds() - wall_start);
    cpu.push_back(static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC);
  }
  std::cout << "{\"steps\": " << steps / kChunks << ", ";
  print(wall, "wall");
  std::cout << ", ";
  print(cpu, "cpu");
  std::cout << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() != 4) throw std::runtime_error("usage: WORKLOAD IMAGES LABELS STEPS");
    const std::string pixels = read(arguments[1], 16);
    const std::string labels = read(arguments[2], 8);
    std::vector<Image> images(labels.size(), Image(28, 28));
    for (std::size_t n = 0; n < images.size(); ++n)
      std::copy_n(pixels.data() + 784 * n, 784, images[n].begin());
    const int steps = std::stoi(arguments[3]);
    if (arguments[0] == "two-layer")
      train<TwoLayer>(dlib::sgd(0, 0), 0.1, images, labels, steps);
    else
      train<SimpleConvnet>(dlib::adam(0, 0.9F, 0.999F), 0.001, images, labels, steps);
  } catch (const std::exception& error) {
    std::cerr << "workloads_dlib: " << error.what() << "\n";
    return 2;
  }
}
