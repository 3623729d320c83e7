// The check of every parameter of 784-512-512-10 (relu), batch 10.
// usage: check_bench NAME THREADS; prints one JSON object.
#include <sys/resource.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "gradatim/data/catalogue.hpp"
#include "gradatim/nn/check.hpp"

namespace gd = gradatim;

namespace {

constexpr std::size_t kBatch = 10;

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// The samples alone: the data set they are taken from is given back.
gd::Samples load(const std::string& name) { return gd::load_dataset(name).train.batch(0, kBatch); }

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: check_bench NAME THREADS\n";
    return 2;
  }
  const gd::Samples samples = load(argv[1]);
  const double data_megabytes = peak_megabytes();
  const gd::He he;
  const gd::Network network(
      {784}, {gd::Dense{512, he}, gd::Relu{}, gd::Dense{512, he}, gd::Relu{}, gd::Dense{10, he}});
  const gd::Parameters parameters = gd::initialize(network, 1);
  const gd::NetworkCheck report =
      gd::check(network, parameters, samples, {.threads = std::stoul(argv[2])});
  std::cout << nlohmann::json{{"seconds", report.seconds},
                              {"passes", report.passed()},
                              {"parameters", report.parameters()},
                              {"passed", report.count(&gd::TensorCheck::passed)},
                              {"failed", report.count(&gd::TensorCheck::failed)},
                              {"unresolved", report.count(&gd::TensorCheck::unresolved)},
                              {"skipped", report.skipped()},
                              {"peak_megabytes", peak_megabytes()},
                              {"of_which_before", data_megabytes}}
            << "\n";
  return report.passed() ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "check_bench: " << error.what() << "\n";
  return 1;
}
