// Products with byte matrices that are mostly zero, as images are. Where a dense product costs one
// multiply-add a weight and sample, these cost one a weight and non-zero byte: bit masks of the
// non-zero bytes, 64 at a time, drive the loops (bench/METHOD.md has the measurements).
#include "gradatim/core/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/bytes.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "core/kernels/bytes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr std::size_t kRowBlock = 34;  // rows whose sums stay in the first-level cache

// NonZeroMask of the first `count` bytes of a row that has `before` in front of them.
HWY_INLINE std::uint64_t NonZeroMask(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count,
                                     std::size_t before) {
  if (count == kMaskBits) return NonZeroMask(bytes);
  const std::size_t missing = kMaskBits - count;
  if (before >= missing) return NonZeroMask(bytes - missing) >> missing;
  alignas(kAlignment) std::uint8_t padded[kMaskBits] = {};
  std::memcpy(padded, bytes, count);
  return NonZeroMask(padded);
}

// The sums of one panel of up to kRowBlock rows over one part of the inputs; 64 rows of w at a time
// stay in the first-level cache.
template <std::size_t V>
HWY_NOINLINE void SumPart(TensorView<const std::uint8_t> bytes, const BytePart& part,
                          ConstTensorView w, std::size_t column, RowPanel<V>* HWY_RESTRICT sums) {
  const std::size_t inputs = bytes.shape()[1];
  const std::size_t stride = w.shape()[1];
  for (std::size_t r = 0; r < bytes.rows(); ++r) sums[r].Clear();
  for (std::size_t i = part.first; i < part.last; i += kMaskBits) {
    const std::size_t count = std::min(kMaskBits, part.last - i);
    std::uint64_t masks[kRowBlock];
    for (std::size_t r = 0; r < bytes.rows(); ++r)
      masks[r] = NonZeroMask(bytes.data() + r * inputs + i, count, i);
    for (std::size_t r = 0; r < bytes.rows(); ++r) {
      if (masks[r] == 0) continue;
      RowPanel<V> sum = sums[r];
      sum.Add(masks[r], bytes.data() + r * inputs + i, w.data() + i * stride + column, stride);
      sums[r] = sum;
    }
  }
}

template <std::size_t V>
void ByteAffinePanel(TensorView<const std::uint8_t> bytes, float scale, ConstTensorView w,
                     std::span<const float> bias, std::size_t column, TensorView<float> y) {
  const std::size_t inputs = bytes.shape()[1];
  const std::size_t units = y.shape()[1];
  RowPanel<V> sums[kByteProducts][kRowBlock];
  for (std::size_t part = 0; part < kByteProducts; ++part)
    SumPart(bytes, byte_part(inputs, part), w, column, sums[part]);
  for (std::size_t r = 0; r < bytes.rows(); ++r) {
    sums[0][r].Add(sums[1][r]);
    sums[0][r].Write(scale, units - column, bias.data() + column, y.data() + r * units + column);
  }
}

void PackRows(ConstTensorView x, TensorView<float> packed) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t columns = x.shape()[1];
  const std::size_t stride = packed.shape()[1];
  const std::size_t whole = columns / lanes * lanes;
  const auto tail = hn::FirstN(d, columns - whole);
  for (std::size_t i = 0; i < x.rows(); ++i) {
    const float* HWY_RESTRICT from = x.data() + i * columns;
    float* HWY_RESTRICT to = packed.data() + i * stride;
    std::size_t j = 0;
    for (; j < whole; j += lanes) hn::StoreU(hn::LoadU(d, from + j), d, to + j);
    if (j < columns) {
      hn::StoreU(LoadMasked(tail, d, from + j), d, to + j);
      j += lanes;
    }
    for (; j < stride; j += lanes) hn::StoreU(hn::Zero(d), d, to + j);
  }
}

void ByteAffine(TensorView<const std::uint8_t> bytes, float scale, ConstTensorView w,
                std::span<const float> bias, TensorView<float> y) {
  for (std::size_t r = 0; r < bytes.rows(); r += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, bytes.rows() - r);
    ForEachRowPanel(y.shape()[1], [&]<std::size_t V>(std::size_t column) HWY_ATTR {
      ByteAffinePanel<V>(bytes.slice(r, count), scale, w, bias, column, y.slice(r, count));
    });
  }
}

void ByteProducts(TensorView<const std::uint8_t> bytes, std::size_t part, ConstTensorView w,
                  TensorView<float> products) {
  const std::size_t stride = products.shape()[1];
  for (std::size_t r = 0; r < bytes.rows(); r += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, bytes.rows() - r);
    ForEachRowPanel(stride, [&]<std::size_t V>(std::size_t column) HWY_ATTR {
      RowPanel<V> sums[kRowBlock];
      SumPart(bytes.slice(r, count), byte_part(bytes.shape()[1], part), w, column, sums);
      for (std::size_t i = 0; i < count; ++i)
        sums[i].Store(products.data() + (r + i) * stride + column);
    });
  }
}

void AffineOfProducts(ConstTensorView first, ConstTensorView second, float scale,
                      std::span<const float> bias, TensorView<float> y) {
  const std::size_t stride = first.shape()[1];
  const std::size_t units = y.shape()[1];
  ForEachRowPanel(units, [&]<std::size_t V>(std::size_t column) HWY_ATTR {
    for (std::size_t r = 0; r < y.rows(); ++r) {
      RowPanel<V> sum;
      RowPanel<V> other;
      sum.Load(first.data() + r * stride + column);
      other.Load(second.data() + r * stride + column);
      sum.Add(other);
      sum.Write(scale, units - column, bias.data() + column, y.data() + r * units + column);
    }
  });
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <fmt/format.h>

#include "core/kernels/checks.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(PackRows);
HWY_EXPORT(ByteAffine);
HWY_EXPORT(ByteProducts);
HWY_EXPORT(AffineOfProducts);
}  // namespace

void pack_rows(ConstTensorView x, TensorView<float> packed) {
  check_matrix("pack_rows", x.shape());
  check_shape("pack_rows", {x.rows(), packed_columns(x.shape()[1])}, packed.shape());
  HWY_DYNAMIC_DISPATCH(PackRows)(x, packed);
}

void byte_affine(TensorView<const std::uint8_t> bytes, float scale, ConstTensorView packed_w,
                 std::span<const float> bias, TensorView<float> y) {
  check_matrix("byte_affine", bytes.shape());
  check_matrix("byte_affine", y.shape());
  check_shape("byte_affine output", {bytes.rows(), y.shape()[1]}, y.shape());
  check_sizes("byte_affine bias", y.shape()[1], {bias.size()});
  check_shape("byte_affine weight", {bytes.shape()[1], packed_columns(y.shape()[1])},
              packed_w.shape());
  HWY_DYNAMIC_DISPATCH(ByteAffine)(bytes, scale, packed_w, bias, y);
}

void byte_products(TensorView<const std::uint8_t> bytes, std::size_t part, ConstTensorView packed_w,
                   TensorView<float> products) {
  check_matrix("byte_products", bytes.shape());
  check_matrix("byte_products weight", packed_w.shape());
  check_sizes("byte_products weight", bytes.shape()[1], {packed_w.rows()});
  check_shape("byte_products output", {bytes.rows(), packed_w.shape()[1]}, products.shape());
  if (part >= kByteProducts)
    throw InvalidArgument(fmt::format("byte_products: expected part 0 or 1, got {}", part));
  HWY_DYNAMIC_DISPATCH(ByteProducts)(bytes, part, packed_w, products);
}

void affine_of_products(ConstTensorView first, ConstTensorView second, float scale,
                        std::span<const float> bias, TensorView<float> y) {
  check_matrix("affine_of_products", y.shape());
  check_sizes("affine_of_products bias", y.shape()[1], {bias.size()});
  for (const Shape& shape : {first.shape(), second.shape()})
    check_shape("affine_of_products", {y.rows(), packed_columns(y.shape()[1])}, shape);
  HWY_DYNAMIC_DISPATCH(AffineOfProducts)(first, second, scale, bias, y);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
