// The products of a training step of the chapter's network, on real batches.
//   step_bench DATA DATA_DIR   microseconds of each, one JSON object
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

// Microseconds of one call, the least of 15 rounds of 100; call i gets batch i.
template <class F>
double microseconds(F call) {
  double best = 1e9;
  for (int round = 0; round < 15; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < 100; ++i) call(i);
    best = std::min(best, 1e4 * seconds_since(start));
  }
  return best;
}

nlohmann::json bench_kernels(const std::string& name, const std::string& folder) {
  using gd::kernels::Transpose;
  const gd::Dataset data = gd::load_dataset(name, {.chosen = folder});
  gd::BatchSampler sampler({.samples = data.train.size(), .batch = 100, .seed = 1});
  std::vector<gd::ByteTensor> batches(100, gd::ByteTensor({100, 784}));
  std::vector<std::int32_t> labels(100);
  double zeros = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    gd::gather(data.train, sampler.indices(i), batches[i].view(), labels);
    zeros += static_cast<double>(gd::kernels::count_zeros(batches[i].values()));
  }
  gd::Tensor x({100, 784});
  gd::Tensor w({784, 50});
  gd::Tensor packed_w({784, gd::kernels::packed_columns(50)});
  const gd::Tensor bias({50});
  gd::Tensor y({100, 50});
  gd::Tensor dy({100, 50});
  gd::Tensor packed_dy({100, gd::kernels::packed_columns(50)});
  gd::fill_normal(w.values(), {.seed = 1});
  gd::fill_normal(dy.values(), {.seed = 2});
  gd::kernels::pack_rows(dy, packed_dy);
  gd::ByteTensor gathered({100, 784});
  return {
      {"zeros", zeros / static_cast<double>(100 * x.size())},
      {"gather_bytes", microseconds([&](std::size_t i) {
         gd::gather(data.train, sampler.indices(1000 + i), gathered.view(), labels);
       })},
      {"bytes_to_float", microseconds([&](std::size_t i) {
         gd::kernels::bytes_to_float(batches[i].values(), gd::kByteScale, x.values());
       })},
      {"gemm", microseconds(
                   [&](std::size_t) { gd::kernels::gemm(Transpose::no, Transpose::no, x, w, y); })},
      {"gemm_transposed", microseconds([&](std::size_t) {
         gd::kernels::gemm(Transpose::yes, Transpose::no, x, dy, w);
       })},
      {"pack_rows", microseconds([&](std::size_t) { gd::kernels::pack_rows(w, packed_w); })},
      {"byte_affine", microseconds([&](std::size_t i) {
         gd::kernels::byte_affine(batches[i].view(), gd::kByteScale, packed_w, bias.values(), y);
       })},
      {"byte_gemm_transposed", microseconds([&](std::size_t i) {
         gd::kernels::byte_gemm_transposed(batches[i].view(), gd::kByteScale, packed_dy, 0, w);
       })}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() != 2) throw gd::InvalidArgument("usage: step_bench DATA DIR");
    std::cout << bench_kernels(arguments[0], arguments[1]) << "\n";
  } catch (const std::exception& error) {
    std::cerr << "step_bench: " << error.what() << "\n";
    return 2;
  }
}
