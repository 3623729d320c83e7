// Training steps of the chapter's network, random mini-batch included, and the GEMM peak of the
// machine; one JSON object a call.
//   step_bench train DATA DATA_DIR THREADS STEPS REPEATS   seconds of each repeat of STEPS steps
//   step_bench peak                                        GFLOP/s of sgemm 1024³ on one core
#include <gradatim/gradatim.hpp>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

namespace gd = gradatim;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

nlohmann::json bench_train(const std::string& name, const std::string& folder, std::size_t threads,
                           std::size_t steps, std::size_t repeats) {
  const gd::Dataset data = gd::load_dataset(name, {.chosen = folder});
  const gd::Network network({784}, {gd::Dense{50}, gd::Sigmoid{}, gd::Dense{10}});
  std::vector<double> seconds;
  double accuracy = 0;
  for (std::size_t repeat = 0; repeat <= repeats; ++repeat) {
    const auto run = gd::train(network, data, {.steps = steps, .threads = threads});
    if (repeat > 0) seconds.push_back(run.seconds);  // the first warms up
    accuracy = run.test_accuracy;
  }
  return {{"steps", steps}, {"seconds", seconds}, {"test_accuracy", accuracy}};
}

nlohmann::json bench_peak() {
  constexpr std::size_t kSize = 1024;
  gd::Tensor a({kSize, kSize});
  gd::Tensor b({kSize, kSize});
  gd::Tensor c({kSize, kSize});
  gd::fill_uniform(a.values(), {.seed = 1});
  gd::fill_uniform(b.values(), {.seed = 2});
  double best = 1e9;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    gd::kernels::gemm(gd::kernels::Transpose::no, gd::kernels::Transpose::no, a, b, c);
    best = std::min(best, seconds_since(start));
  }
  return {{"gflops", 2.0 * kSize * kSize * kSize / best / 1e9},
          {"instruction_set", gd::kernels::instruction_set()}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 6 && arguments[0] == "train")
      std::cout << bench_train(arguments[1], arguments[2], std::stoul(arguments[3]),
                               std::stoul(arguments[4]), std::stoul(arguments[5]))
                << "\n";
    else if (arguments.size() == 1 && arguments[0] == "peak")
      std::cout << bench_peak() << "\n";
    else
      throw gd::InvalidArgument("usage: step_bench train DATA DIR THREADS STEPS REPEATS | peak");
  } catch (const std::exception& error) {
    std::cerr << "step_bench: " << error.what() << "\n";
    return 2;
  }
}
