#include "gradatim/core/joining.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/joining.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

void Accumulate(std::span<const float> x, std::span<float> y) {
  map(x, y, y, [](auto, auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
}

void Multiply(std::span<const float> x, std::span<const float> factors, std::span<float> y) {
  map(x, factors, y, [](auto, auto a, auto b) HWY_ATTR { return hn::Mul(a, b); });
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>

#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(Accumulate);
HWY_EXPORT(Multiply);
}  // namespace

void add_to(std::span<const float> x, std::span<float> y) {
  check_sizes("add_to", x.size(), {y.size()});
  HWY_DYNAMIC_DISPATCH(Accumulate)(x, y);
}

void multiply(std::span<const float> x, std::span<const float> factors, std::span<float> y) {
  check_sizes("multiply", x.size(), {factors.size(), y.size()});
  HWY_DYNAMIC_DISPATCH(Multiply)(x, factors, y);
}

DropoutPlan::DropoutPlan(float rate)
    : least_kept(static_cast<std::uint32_t>(std::lround(static_cast<double>(rate) * 0x1p32))),
      scale(1.0F / (1.0F - rate)) {}

void dropout(const DropoutPlan& plan, const RandomKey& key, std::size_t first_row,
             TensorView<float> x) {
  check_matrix("dropout", x.shape());
  const std::size_t blocks = (x.row_size() + 3) / 4;
  for (std::size_t i = 0; i < x.rows(); ++i) {
    const auto row = x.row(i);
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto words = philox(key, static_cast<std::uint32_t>((first_row + i) * blocks + b));
      const auto part = row.subspan(4 * b, std::min<std::size_t>(4, row.size() - 4 * b));
      for (std::size_t j = 0; j < part.size(); ++j)
        part[j] = words[j] < plan.least_kept ? 0.0F : plan.scale * part[j];
    }
  }
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
