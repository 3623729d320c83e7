#include "gradatim/core/changes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/stencils.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

void StencilRow(std::span<const float> weights, const float* changes, std::span<float> out) {
  const FloatTag d;
  for (std::size_t j = 0; j < out.size(); j += hn::Lanes(d)) {
    const auto mask = hn::FirstN(d, std::min(hn::Lanes(d), out.size() - j));
    auto sum = hn::Zero(d);
    for (std::size_t s = 0; s < weights.size(); ++s)
      sum = hn::MulAdd(hn::Set(d, weights[s]), LoadMasked(mask, d, changes + s * out.size() + j),
                       sum);
    hn::BlendedStore(sum, mask, d, out.data() + j);
  }
}

void ApplyStencil(std::span<const float> weights, ConstTensorView changes, TensorView<float> out) {
  const std::size_t n = out.row_size();
  const float* in = changes.data();
  float* to = out.data();
  for (std::size_t i = 0; i < out.rows(); ++i, in += weights.size() * n, to += n)
    StencilRow(weights, in, {to, n});
}

void SlopeBoundsRow(std::span<const float> weights, const float* changes, std::span<float> lower,
                    float* upper) {
  const FloatTag d;
  const std::size_t n = lower.size();
  for (std::size_t j = 0; j < n; j += hn::Lanes(d)) {
    const auto mask = hn::FirstN(d, std::min(hn::Lanes(d), n - j));
    const auto a = hn::Mul(hn::Set(d, weights[0]), LoadMasked(mask, d, changes + j));
    const auto b = hn::Mul(hn::Set(d, weights[1]), LoadMasked(mask, d, changes + n + j));
    hn::BlendedStore(hn::Min(a, b), mask, d, lower.data() + j);
    hn::BlendedStore(hn::Max(a, b), mask, d, upper + j);
  }
}

void AddRows(std::span<const RowPair> pairs, const float* HWY_RESTRICT table, std::size_t n,
             float* HWY_RESTRICT sums, std::size_t stride) {
  const FloatTag d;
  const std::size_t whole = n / hn::Lanes(d) * hn::Lanes(d);
  const auto tail = hn::FirstN(d, n - whole);
  for (const RowPair& pair : pairs) {
    const float* HWY_RESTRICT from = table + pair.from * n;
    float* HWY_RESTRICT to = sums + pair.to * stride;
    for (std::size_t j = 0; j < whole; j += hn::Lanes(d))
      hn::StoreU(hn::Add(hn::LoadU(d, to + j), hn::LoadU(d, from + j)), d, to + j);
    if (whole == n) continue;
    const auto sum = hn::Add(LoadMasked(tail, d, to + whole), LoadMasked(tail, d, from + whole));
    hn::BlendedStore(sum, tail, d, to + whole);
  }
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <fmt/format.h>

#include "core/kernels/checks.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(ApplyStencil);
HWY_EXPORT(SlopeBoundsRow);
HWY_EXPORT(AddRows);
}  // namespace

void apply_stencil(std::span<const float> weights, ConstTensorView changes, TensorView<float> out) {
  check_matrix("apply_stencil", out.shape());
  check_shape("apply_stencil", {out.rows() * weights.size(), out.row_size()}, changes.shape());
  HWY_DYNAMIC_DISPATCH(ApplyStencil)(weights, changes, out);
}

void slope_bounds(std::span<const float> weights, ConstTensorView changes, TensorView<float> lower,
                  TensorView<float> upper) {
  check_matrix("slope_bounds", lower.shape());
  check_sizes("slope_bounds weights", 2, {weights.size()});
  check_shape("slope_bounds", {2 * lower.rows(), lower.row_size()}, changes.shape());
  check_shape("slope_bounds", lower.shape(), upper.shape());
  const std::size_t n = lower.row_size();
  for (std::size_t i = 0; i < lower.rows(); ++i) HWY_DYNAMIC_DISPATCH(SlopeBoundsRow)
  (weights, changes.data() + 2 * i * n, lower.row(i), upper.data() + i * n);
}

void add_rows(std::span<const RowPair> pairs, ConstTensorView table, std::size_t first,
              TensorView<float> sums) {
  check_matrix("add_rows", table.shape());
  check_matrix("add_rows", sums.shape());
  const std::size_t n = table.shape()[1];
  const std::size_t stride = sums.shape()[1];
  if (first > stride || n > stride - first)
    throw ShapeError(
        fmt::format("add_rows: columns [{}, {}) of rows of {}", first, first + n, stride));
  HWY_DYNAMIC_DISPATCH(AddRows)(pairs, table.data(), n, sums.data() + first, stride);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
