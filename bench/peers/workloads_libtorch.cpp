// The workloads of the figures with libtorch's C++ front end; one JSON object a call.
//   workloads_libtorch train WORKLOAD IMAGES_IDX LABELS_IDX THREADS STEPS   seconds of each chunk
//   workloads_libtorch predict                                              microseconds a sample
// The files are plain IDX, not gzipped. bench/run compiles this; no build of gradatim does.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int kChunks = 12;  // the first two warm up

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

torch::Tensor read_bytes(const std::string& path, std::size_t header) {
  std::ifstream file(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), {});
  if (all.size() <= header) throw std::runtime_error("cannot read " + path);
  const auto count = static_cast<std::int64_t>(all.size() - header);
  torch::Tensor bytes = torch::empty({count}, torch::kUInt8);
  std::copy(all.begin() + static_cast<std::ptrdiff_t>(header), all.end(),
            bytes.data_ptr<std::uint8_t>());
  return bytes;
}

torch::nn::Sequential network(const std::string& name) {
  using namespace torch::nn;
  if (name == "two-layer") return Sequential(Linear(784, 50), Sigmoid(), Linear(50, 10));
  if (name == "mlp-512")
    return Sequential(Linear(784, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 10));
  return Sequential(Conv2d(1, 30, 5), ReLU(), MaxPool2d(2), Flatten(), Linear(4320, 100), ReLU(),
                    Linear(100, 10));
}

void print(const std::vector<double>& values, const char* name) {
  std::cout << '"' << name << "\": [";
  for (std::size_t i = 0; i < values.size(); ++i) std::cout << (i > 0 ? ", " : "") << values[i];
  std::cout << ']';
}

void train(const std::string& name, torch::Tensor images, const torch::Tensor& labels, int steps) {
  torch::nn::Sequential net = network(name);
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  if (name == "two-layer")
    optimizer = std::make_unique<torch::optim::SGD>(net->parameters(), 0.1);
  else
    optimizer = std::make_unique<torch::optim::Adam>(net->parameters());
  const std::int64_t batch = name == "mlp-512" ? 128 : 100;
  images = name == "simple-convnet" ? images.reshape({-1, 1, 28, 28}) : images.reshape({-1, 784});
  const int chunk = steps / kChunks;
  std::vector<double> wall, cpu;
  for (int c = 0; c < kChunks; ++c) {
    const double wall_start = wall_seconds(), cpu_start = cpu_seconds();
    for (int i = 0; i < chunk; ++i) {
      const torch::Tensor chosen = torch::randint(images.size(0), {batch}, torch::kLong);
      optimizer->zero_grad();
      const auto outputs = net->forward(images.index_select(0, chosen));
      torch::nn::functional::cross_entropy(outputs, labels.index_select(0, chosen)).backward();
      optimizer->step();
    }
    if (c < 2) continue;
    wall.push_back(wall_seconds() - wall_start);
    cpu.push_back(cpu_seconds() - cpu_start);
  }
  std::cout << "{\"steps\": " << chunk << ", ";
  print(wall, "wall");
  std::cout << ", ";
  print(cpu, "cpu");
  std::cout << "}\n";
}

// One sample of 784-50-10 a call: through the modules, and by the three functions they call.
void predict() {
  torch::InferenceMode guard;
  torch::set_num_threads(1);
  torch::nn::Sequential net = network("two-layer");
  const std::vector<torch::Tensor> p = net->parameters();
  const torch::Tensor x = torch::rand({1, 784});
  const auto best_microseconds = [](const std::function<torch::Tensor()>& call) {
    double best = 1e9;
    for (int round = 0; round < 50; ++round) {
      const double start = wall_seconds();
      for (int i = 0; i < 2000; ++i) call();
      best = std::min(best, (wall_seconds() - start) / 2000 * 1e6);
    }
    return best;
  };
  const double modules = best_microseconds([&] { return net->forward(x); });
  const double functions = best_microseconds(
      [&] { return torch::linear(torch::linear(x, p[0], p[1]).sigmoid_(), p[2], p[3]); });
  std::cout << "{\"modules\": " << modules << ", \"functions\": " << functions << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 1 && arguments[0] == "predict") {
      predict();
      return 0;
    }
    if (arguments.size() != 6 || arguments[0] != "train")
      throw std::runtime_error("usage: train WORKLOAD IMAGES LABELS THREADS STEPS | predict");
    torch::set_num_threads(std::stoi(arguments[4]));
    torch::manual_seed(1);
    train(arguments[1], read_bytes(arguments[2], 16).to(torch::kFloat32).div_(255),
          read_bytes(arguments[3], 8).to(torch::kInt64), std::stoi(arguments[5]));
  } catch (const std::exception& error) {
    std::cerr << "workloads_libtorch: " << error.what() << "\n";
    return 2;
  }
}
