// The workloads of the figures, a chunk of steps at a time; one JSON object a call.
//   workload_bench train WORKLOAD DATA DATA_DIR THREADS STEPS   wall and CPU seconds of each chunk
//   workload_bench predict DATA DATA_DIR                        microseconds of one sample
// WORKLOAD: two-layer, mlp-512, simple-convnet, or a number of hidden units.
#include <gradatim/gradatim.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace gd = gradatim;

namespace {

constexpr std::size_t kChunks = 12;  // the first two warm up

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of all threads of the process.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

class ChunkClock final : public gd::TrainObserver {
 public:
  explicit ChunkClock(std::size_t chunk) : chunk_(chunk) {}
  bool on_step(const gd::StepRecord& record) override {
    if (record.step % chunk_ == 0) {
      wall_.push_back(wall_seconds());
      cpu_.push_back(cpu_seconds());
    }
    return true;
  }
  nlohmann::json result() const {
    return {{"steps", chunk_}, {"wall", differences(wall_)}, {"cpu", differences(cpu_)}};
  }

 private:
  static std::vector<double> differences(const std::vector<double>& times) {
    std::vector<double> chunks;
    for (std::size_t i = 2; i < times.size(); ++i) chunks.push_back(times[i] - times[i - 1]);
    return chunks;
  }
  std::size_t chunk_;
  std::vector<double> wall_, cpu_;
};

struct Workload {
  gd::Network network;
  gd::TrainOptions options;
};

Workload workload(const std::string& name) {
  const auto dense = [](std::size_t units) { return gd::Dense{units}; };
  const auto narrow = [](std::size_t units) { return gd::Dense{units, gd::Gaussian{}}; };
  if (name == "two-layer") return {{{784}, {narrow(50), gd::Sigmoid{}, narrow(10)}}, {}};
  if (name == "mlp-512")
    return {{{784}, {dense(512), gd::Relu{}, dense(512), gd::Relu{}, dense(10)}},
            {.optimizer = gd::Adam{}, .batch = 128}};
  if (name == "simple-convnet")
    return {{{1, 28, 28},
             {gd::Conv2d{.filters = 30, .kernel = 5}, gd::Relu{}, gd::MaxPool2d{}, gd::Flatten{},
              dense(100), gd::Relu{}, dense(10)}},
            {.optimizer = gd::Adam{}, .batch = 100}};
  return {{{784}, {dense(std::stoul(name)), gd::Relu{}, dense(10)}}, {}};
}

// An epoch ends within some chunks, and its evaluation is not what is timed: of 100 samples it
// takes a step's time.
void evaluate_hardly(gd::Dataset& data, gd::TrainOptions& options) {
  std::vector<std::uint32_t> few(100);
  std::iota(few.begin(), few.end(), 0U);
  data.test = gd::select(data.test, few);
  options.evaluation.train_samples = few.size();
}

nlohmann::json bench_train(const std::string& name, gd::Dataset data, std::size_t threads,
                           std::size_t steps) {
  Workload work = workload(name);
  evaluate_hardly(data, work.options);
  work.options.threads = threads;
  work.options.steps = steps / kChunks * kChunks;
  ChunkClock clock(steps / kChunks);
  gd::train(work.network, data, work.options, &clock);
  return clock.result();
}

// One sample a call, each another one, from floats and from bytes.
nlohmann::json bench_predict(const gd::Dataset& data) {
  constexpr std::size_t kCalls = 2000;
  const gd::Network network = workload("two-layer").network;
  const gd::Parameters parameters = gd::initialize(network, 1);
  const gd::Predictor predictor(network);
  const auto images = data.test.images.view();
  gd::Tensor floats({kCalls, 784});
  gd::kernels::bytes_to_float(images.slice(0, kCalls).values(), gd::kByteScale, floats.values());
  gd::Tensor output({1, 10});
  const auto best_microseconds = [&](auto call) {
    double best = 1e9;
    for (int round = 0; round < 50; ++round) {
      const double start = wall_seconds();
      for (std::size_t i = 0; i < kCalls; ++i) call(i);
      best = std::min(best, (wall_seconds() - start) / kCalls * 1e6);
    }
    return best;
  };
  const double from_floats = best_microseconds([&](std::size_t i) {
    predictor.predict(parameters.theta(), floats.view().slice(i, 1), output.view());
  });
  const double from_bytes = best_microseconds([&](std::size_t i) {
    predictor.predict(parameters.theta(), gd::ByteInputs{images.slice(i, 1)}, output.view());
  });
  return {{"floats", from_floats}, {"bytes", from_bytes}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 6 && arguments[0] == "train")
      std::cout << bench_train(arguments[1],
                               gd::load_dataset(arguments[2], {.chosen = arguments[3]}),
                               std::stoul(arguments[4]), std::stoul(arguments[5]))
                << "\n";
    else if (arguments.size() == 3 && arguments[0] == "predict")
      std::cout << bench_predict(gd::load_dataset(arguments[1], {.chosen = arguments[2]})) << "\n";
    else
      throw gd::InvalidArgument(
          "usage: workload_bench train WORKLOAD DATA DIR THREADS STEPS | predict DATA DIR");
  } catch (const std::exception& error) {
    std::cerr << "workload_bench: " << error.what() << "\n";
    return 2;
  }
}
