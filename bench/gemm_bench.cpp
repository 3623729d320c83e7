// Our products beside oneDNN's sgemm on one thread, by the CPU clock, the least of rounds in turns.
//   gemm_bench         one JSON object a shape: GFLOP/s, and how many times ours is faster
//   gemm_bench peak    GFLOP/s of oneDNN's sgemm 1024³: what a core of this machine can do today
#include <gradatim/core/error.hpp>
#include <gradatim/core/kernels.hpp>
#include <gradatim/core/random.hpp>
#include <gradatim/core/tensor.hpp>

#include <dnnl.h>
#include <omp.h>
#include <algorithm>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gd = gradatim;

namespace {

using gd::kernels::Transpose;

struct Product {
  const char* of;
  std::size_t m, n, k;
  Transpose a = Transpose::no, b = Transpose::no;
};

constexpr Transpose kYes = Transpose::yes;

// Of a task's rows or of a whole batch, as layers have them; and large ones.
const Product kProducts[] = {
    {"y = x W", 48, 512, 784},
    {"y = x W", 64, 512, 512},
    {"y = x W", 128, 512, 784},
    {"y = x W", 25, 100, 4320},
    {"y = x W", 25, 50, 784},
    {"y = x W", 64, 10, 512},
    {"y = x W", 64, 1, 512},
    {"y = x W", 1, 512, 784},
    {"y = x W", 4, 512, 512},
    {"y = x W", 1000, 512, 784},
    {"dx = dy W'", 48, 784, 512, Transpose::no, kYes},
    {"dx = dy W'", 64, 512, 512, Transpose::no, kYes},
    {"dx = dy W'", 25, 4320, 100, Transpose::no, kYes},
    {"dx = dy W'", 1, 784, 512, Transpose::no, kYes},
    {"dx = dy W'", 3, 784, 512, Transpose::no, kYes},
    {"dx = dy W'", 1000, 784, 512, Transpose::no, kYes},
    {"dW = x' dy", 112, 512, 128, kYes},
    {"dW = x' dy", 784, 512, 128, kYes},
    {"dW = x' dy", 1080, 100, 100, kYes},
    {"dW = x' dy", 784, 50, 100, kYes},
    {"dW = x' dy", 512, 1, 64, kYes},
    {"square", 1024, 1024, 1024},
    {"square", 300, 300, 300, kYes, kYes},
};

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

template <class F>
double seconds_a_call(F call) {
  const auto seconds_of = [&](std::size_t calls) {
    const double start = cpu_seconds();
    for (std::size_t i = 0; i < calls; ++i) call();
    return cpu_seconds() - start;
  };
  std::size_t calls = 1;
  double seconds = seconds_of(calls);
  for (; seconds < 0.005; seconds = seconds_of(calls)) calls *= 2;
  return seconds / static_cast<double>(calls);
}

gd::Tensor operand(std::size_t rows, std::size_t columns, Transpose transposed) {
  gd::Tensor x(transposed == kYes ? gd::Shape{columns, rows} : gd::Shape{rows, columns});
  gd::fill_uniform(x.values(), {.seed = 1}, -1, 1);
  return x;
}

void sgemm(const Product& p, const gd::Tensor& a, const gd::Tensor& b, gd::Tensor& c) {
  const auto size = [](std::size_t n) { return static_cast<dnnl_dim_t>(n); };
  const auto letter = [](Transpose transpose) { return transpose == kYes ? 'T' : 'N'; };
  const dnnl_status_t status =
      dnnl_sgemm(letter(p.a), letter(p.b), size(p.m), size(p.n), size(p.k), 1, a.data(),
                 size(a.shape()[1]), b.data(), size(b.shape()[1]), 0, c.data(), size(p.n));
  if (status != dnnl_success) throw gd::Error("oneDNN's sgemm failed");
}

nlohmann::json measure(const Product& p) {
  const gd::Tensor a = operand(p.m, p.k, p.a);
  const gd::Tensor b = operand(p.k, p.n, p.b);
  gd::Tensor c({p.m, p.n});
  double ours = 1e9;
  double theirs = 1e9;
  for (int round = 0; round < 15; ++round) {
    ours = std::min(ours, seconds_a_call([&] { gd::kernels::gemm(p.a, p.b, a, b, c); }));
    theirs = std::min(theirs, seconds_a_call([&] { sgemm(p, a, b, c); }));
  }
  const double gflop = 2e-9 * static_cast<double>(p.m * p.n * p.k);
  return {{"product", p.of},
          {"m", p.m},
          {"k", p.k},
          {"n", p.n},
          {"gradatim", gflop / ours},
          {"oneDNN", gflop / theirs},
          {"ratio", theirs / ours}};
}

nlohmann::json peak() {
  const Product square{"square", 1024, 1024, 1024};
  const gd::Tensor a = operand(square.m, square.k, square.a);
  const gd::Tensor b = operand(square.k, square.n, square.b);
  gd::Tensor c({square.m, square.n});
  double best = 1e9;
  for (int repeat = 0; repeat < 20; ++repeat)
    best = std::min(best, seconds_a_call([&] { sgemm(square, a, b, c); }));
  return {{"gflops", 2e-9 * 1024 * 1024 * 1024 / best},
          {"instruction_set", gd::kernels::instruction_set()}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  omp_set_num_threads(1);
  try {
    if (arguments.empty())
      for (const Product& product : kProducts) std::cout << measure(product) << std::endl;
    else if (arguments == std::vector<std::string>{"peak"})
      std::cout << peak() << "\n";
    else
      throw gd::InvalidArgument("usage: gemm_bench [peak]");
  } catch (const std::exception& error) {
    std::cerr << "gemm_bench: " << error.what() << "\n";
    return 2;
  }
}
