// The products of a training step of the chapter's network, on real batches.
//   step_bench DATA DATA_DIR [UNITS ROWS]   microseconds of each, one JSON object
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

// The products with bytes by the matrix unit, in the parts that a step cuts them into.
void add_matrix_unit(const std::vector<gd::ByteTensor>& batches, const gd::Tensor& w,
                     const gd::Tensor& dy, nlohmann::json& times) {
  namespace amx = gd::kernels::amx;
  constexpr std::size_t kTask = 128;  // columns, or inputs
  const std::size_t rows = dy.shape()[0];
  const std::size_t inputs = w.shape()[0];
  const std::size_t units = w.shape()[1];
  const std::size_t columns = gd::kernels::packed_columns(units);
  gd::Tensor products({rows, columns});
  gd::Tensor dw({inputs, units});
  amx::Packed packed_dy(rows, units);
  times["amx_pack"] = microseconds([&](std::size_t) {
    for (std::size_t panel = 0; panel < packed_dy.packed_rows.size(); ++panel)
      amx::pack(dy, panel, packed_dy);
  });
  times["amx_byte_products"] = microseconds([&](std::size_t i) {
    for (std::size_t part = 0; part < gd::kernels::kByteProducts; ++part) {
      const auto [first, last] = gd::kernels::byte_part(inputs, part);
      for (std::size_t j = 0; j < columns; j += kTask)
        amx::byte_products(batches[i].view(), {first, last, j, std::min(columns, j + kTask)}, w,
                           products);
    }
  });
  times["amx_byte_gemm_transposed"] = microseconds([&](std::size_t i) {
    for (std::size_t j = 0; j < inputs; j += kTask)
      amx::byte_gemm_transposed(batches[i].view(), gd::kByteScale, packed_dy, j,
                                dw.view().slice(j, std::min(kTask, inputs - j)));
  });
}

struct Sizes {
  std::size_t units = 50;
  std::size_t rows = 100;
};

nlohmann::json bench_kernels(const std::string& name, const std::string& folder,
                             const Sizes& sizes) {
  using gd::kernels::Transpose;
  const auto [units, rows] = sizes;
  const gd::Dataset data = gd::load_dataset(name, {.chosen = folder});
  const std::size_t inputs = data.train.sample().size();
  gd::BatchSampler sampler({.samples = data.train.size(), .batch = rows, .seed = 1});
  std::vector<gd::ByteTensor> batches(100, gd::ByteTensor({rows, inputs}));
  std::vector<std::int32_t> labels(rows);
  double zeros = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    gd::gather(data.train, sampler.indices(i), batches[i].view(), labels);
    zeros += static_cast<double>(gd::kernels::count_zeros(batches[i].values()));
  }
  const std::size_t packed_units = gd::kernels::packed_columns(units);
  gd::Tensor x({rows, inputs});
  gd::Tensor w({inputs, units});
  gd::Tensor packed_w({inputs, packed_units});
  const gd::Tensor bias({units});
  gd::Tensor y({rows, units});
  gd::Tensor dy({rows, units});
  gd::Tensor packed_dy({rows, packed_units});
  gd::fill_normal(w.values(), {.seed = 1});
  gd::fill_normal(dy.values(), {.seed = 2});
  gd::kernels::pack_rows(dy, packed_dy);
  gd::ByteTensor gathered({rows, inputs});
  nlohmann::json times = {
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
  if (gd::kernels::amx::available()) add_matrix_unit(batches, w, dy, times);
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() != 2 && arguments.size() != 4)
      throw gd::InvalidArgument("usage: step_bench DATA DIR [UNITS ROWS]");
    Sizes sizes;
    if (arguments.size() == 4) sizes = {std::stoul(arguments[2]), std::stoul(arguments[3])};
    std::cout << bench_kernels(arguments[0], arguments[1], sizes) << "\n";
  } catch (const std::exception& error) {
    std::cerr << "step_bench: " << error.what() << "\n";
    return 2;
  }
}
