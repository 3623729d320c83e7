#include <fmt/format.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"

namespace gradatim::kernels {
namespace {

// oneDNN's OpenMP build would start a team of its own inside each of our tasks. The limit is
// per thread and given back, so a host program's OpenMP is left as it was.
class OneOpenMpThread {
 public:
  OneOpenMpThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneOpenMpThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  int before_;
};

struct Operand {
  std::size_t rows;
  std::size_t columns;
  char letter;  // as BLAS spells it
  dnnl_dim_t leading_dimension;
};

Operand operand(Transpose transpose, ConstTensorView x) {
  const std::size_t rows = x.shape()[0];
  const std::size_t columns = x.shape()[1];
  const auto leading = static_cast<dnnl_dim_t>(std::max<std::size_t>(columns, 1));
  if (transpose == Transpose::yes) return {columns, rows, 'T', leading};
  return {rows, columns, 'N', leading};
}

}  // namespace

void gemm(Transpose transpose_a, Transpose transpose_b, ConstTensorView a, ConstTensorView b,
          TensorView<float> c, Update update) {
  if (a.shape().rank() != 2 || b.shape().rank() != 2 || c.shape().rank() != 2)
    throw ShapeError(fmt::format("gemm: expected three matrices, got {}, {} and {}",
                                 a.shape().to_string(), b.shape().to_string(),
                                 c.shape().to_string()));
  const Operand left = operand(transpose_a, a);
  const Operand right = operand(transpose_b, b);
  if (left.columns != right.rows || c.shape() != Shape{left.rows, right.columns})
    throw ShapeError(fmt::format("gemm: ({}, {}) times ({}, {}) does not give {}", left.rows,
                                 left.columns, right.rows, right.columns, c.shape().to_string()));
  if (c.size() == 0) return;
  if (left.columns == 0) {
    if (update == Update::overwrite) std::ranges::fill(c.values(), 0.0F);
    return;
  }
  const OneOpenMpThread guard;
  const float beta = update == Update::accumulate ? 1.0F : 0.0F;
  const dnnl_status_t status =
      dnnl_sgemm(left.letter, right.letter, static_cast<dnnl_dim_t>(left.rows),
                 static_cast<dnnl_dim_t>(right.columns), static_cast<dnnl_dim_t>(left.columns),
                 1.0F, a.data(), left.leading_dimension, b.data(), right.leading_dimension, beta,
                 c.data(), static_cast<dnnl_dim_t>(right.columns));
  if (status != dnnl_success)
    throw Error(fmt::format("gemm: oneDNN reports status {}", static_cast<int>(status)));
}

}  // namespace gradatim::kernels
