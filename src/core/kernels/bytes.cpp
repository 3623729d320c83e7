// Products with byte matrices that are mostly zero, as images are. Where a dense product costs one
// multiply-add a weight and sample, these cost one a weight and non-zero byte: bit masks of the
// non-zero bytes, 64 at a time, drive the loops (bench/METHOD.md has the measurements).
#include "gradatim/core/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/bytes.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr std::size_t kMaskBits = 64;  // bytes a mask covers
constexpr std::size_t kRowBlock = 32;  // rows whose sums stay in the first-level cache

constexpr std::array<float, 256> kByteValue = [] {
  std::array<float, 256> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return values;
}();

// Bit i is set where bytes[i] is not zero, for 64 bytes.
HWY_INLINE std::uint64_t NonZeroMask(const std::uint8_t* HWY_RESTRICT bytes) {
  const hn::ScalableTag<std::uint8_t> d;
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < kMaskBits; i += hn::Lanes(d)) {
    std::uint64_t bits = 0;
    hn::StoreMaskBits(d, hn::Ne(hn::LoadU(d, bytes + i), hn::Zero(d)),
                      reinterpret_cast<std::uint8_t*>(&bits));
    mask |= bits << i;
  }
  return mask;
}

// The same for the first `count` of them.
HWY_INLINE std::uint64_t NonZeroMask(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count) {
  if (count == kMaskBits) return NonZeroMask(bytes);
  alignas(kAlignment) std::uint8_t padded[kMaskBits] = {};
  std::memcpy(padded, bytes, count);
  return NonZeroMask(padded);
}

// Vectors of one row that are held in registers: 64 columns, so that a narrow layer walks through
// the masks once, or half of the registers there are.
constexpr std::size_t kPanelVectors = std::clamp<std::size_t>(64 / hn::MaxLanes(FloatTag()), 4, 8);

// V neighbouring vectors of a sum.
template <std::size_t V>
struct RowPanel {
  FloatVector sum[V];

  HWY_INLINE void Clear() {
    for (FloatVector& vector : sum) vector = hn::Zero(FloatTag());
  }

  // += sum over the set bits i of bytes[i] · rows[i · stride, ...]. Where the vectors are few,
  // every second product goes to a sum of its own, so that consecutive ones do not wait for each
  // other.
  HWY_INLINE void Add(std::uint64_t mask, const std::uint8_t* HWY_RESTRICT bytes,
                      const float* HWY_RESTRICT rows, std::size_t stride) {
    const auto add_first = [&](FloatVector(&to)[V]) HWY_ATTR {
      const auto i = static_cast<std::size_t>(std::countr_zero(mask));
      const FloatTag d;
      const auto value = hn::Set(d, kByteValue[bytes[i]]);
      const float* HWY_RESTRICT row = rows + i * stride;
      for (std::size_t v = 0; v < V; ++v)
        to[v] = hn::MulAdd(value, hn::LoadU(d, row + v * hn::Lanes(d)), to[v]);
    };
    if constexpr (V > 4) {
      for (; mask != 0; mask &= mask - 1) add_first(sum);
    } else {
      FloatVector odd[V];
      for (FloatVector& vector : odd) vector = hn::Zero(FloatTag());
      for (int pairs = std::popcount(mask) / 2; pairs > 0; --pairs) {
        add_first(sum);
        mask &= mask - 1;
        add_first(odd);
        mask &= mask - 1;
      }
      if (mask != 0) add_first(sum);
      for (std::size_t v = 0; v < V; ++v) sum[v] = hn::Add(sum[v], odd[v]);
    }
  }

  HWY_INLINE void Add(const RowPanel& other) {
    for (std::size_t v = 0; v < V; ++v) sum[v] = hn::Add(sum[v], other.sum[v]);
  }

  HWY_INLINE void Load(const float* HWY_RESTRICT from) {
    const FloatTag d;
    for (std::size_t v = 0; v < V; ++v) sum[v] = hn::LoadU(d, from + v * hn::Lanes(d));
  }

  HWY_INLINE void Store(float* HWY_RESTRICT to) const {
    const FloatTag d;
    for (std::size_t v = 0; v < V; ++v) hn::StoreU(sum[v], d, to + v * hn::Lanes(d));
  }

  // y[0, count) = scale · sum, plus addend[0, count), which may be y, unless that is null; the last
  // vector alone may reach beyond `count`.
  HWY_INLINE void Write(float scale, std::size_t count, const float* addend, float* y) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    const auto factor = hn::Set(d, scale);
    for (std::size_t v = 0; v < V; ++v) {
      const std::size_t first = v * lanes;
      if (v + 1 < V || first + lanes <= count) {
        const auto start = addend == nullptr ? hn::Zero(d) : hn::LoadU(d, addend + first);
        hn::StoreU(hn::MulAdd(factor, sum[v], start), d, y + first);
      } else {
        const auto inside = hn::FirstN(d, count - first);
        const auto start = addend == nullptr ? hn::Zero(d) : LoadMasked(inside, d, addend + first);
        hn::BlendedStore(hn::MulAdd(factor, sum[v], start), inside, d, y + first);
      }
    }
  }
};

// Calls work.operator()<V>(column) for panels of V vectors that cover the columns.
template <class Work>
HWY_INLINE void ForEachRowPanel(std::size_t columns, const Work& work) {
  const std::size_t lanes = hn::Lanes(FloatTag());
  for (std::size_t column = 0; column < columns;) {
    const std::size_t vectors = std::min(kPanelVectors, (columns - column + lanes - 1) / lanes);
    WithCount<kPanelVectors>(
        vectors, [&]<std::size_t V>() HWY_ATTR { work.template operator()<V>(column); });
    column += vectors * lanes;
  }
}

// The inputs of a part of a product. The second begins with a mask of its own.
struct Part {
  std::size_t first, last;
};
HWY_INLINE Part PartOf(std::size_t inputs, std::size_t part) {
  const std::size_t middle = inputs / 2 / kMaskBits * kMaskBits;
  return part == 0 ? Part{0, middle} : Part{middle, inputs};
}

// The sums of one panel of up to kRowBlock rows over one part of the inputs; 64 rows of w at a time
// stay in the first-level cache.
template <std::size_t V>
HWY_NOINLINE void SumPart(TensorView<const std::uint8_t> bytes, const Part& part, ConstTensorView w,
                          std::size_t column, RowPanel<V>* HWY_RESTRICT sums) {
  const std::size_t inputs = bytes.shape()[1];
  const std::size_t stride = w.shape()[1];
  for (std::size_t r = 0; r < bytes.rows(); ++r) sums[r].Clear();
  for (std::size_t i = part.first; i < part.last; i += kMaskBits) {
    const std::size_t count = std::min(kMaskBits, part.last - i);
    std::uint64_t masks[kRowBlock];
    for (std::size_t r = 0; r < bytes.rows(); ++r)
      masks[r] = NonZeroMask(bytes.data() + r * inputs + i, count);
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
    SumPart(bytes, PartOf(inputs, part), w, column, sums[part]);
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
      SumPart(bytes.slice(r, count), PartOf(bytes.shape()[1], part), w, column, sums);
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

constexpr std::size_t kTile = 16;       // columns of bytes transposed at a time
constexpr std::size_t kTileRows = 256;  // and rows

constexpr std::size_t WholeMasks(std::size_t rows) {
  return (rows + kMaskBits - 1) / kMaskBits * kMaskBits;
}

// out[c][r] = bytes[r · stride + c] for r < rows, c < columns <= 16; zero where r reaches beyond
// rows up to the next whole mask.
HWY_INLINE void TransposeTile(const std::uint8_t* HWY_RESTRICT bytes, std::size_t stride,
                              std::size_t rows, std::size_t columns,
                              std::uint8_t (&out)[kTile][kTileRows]) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t c = 0; c < kTile; ++c)
    for (std::size_t r = 0; r < WholeMasks(rows); ++r)
      out[c][r] = r < rows && c < columns ? bytes[r * stride + c] : 0;
#else
  const hn::FixedTag<std::uint8_t, kTile> d;
  using Bytes = hn::Vec<decltype(d)>;
  alignas(kTile) std::uint8_t partial[kTile] = {};
  std::size_t r = 0;
  for (; r < rows; r += kTile) {
    Bytes a[kTile];
    Bytes b[kTile];
    for (std::size_t i = 0; i < kTile; ++i) {
      const std::uint8_t* row = bytes + (r + i) * stride;
      if (r + i >= rows) {
        a[i] = hn::Zero(d);
      } else if (columns == kTile) {
        a[i] = hn::LoadU(d, row);
      } else {
        std::memcpy(partial, row, columns);
        a[i] = hn::Load(d, partial);
      }
    }
    // Four perfect shuffles of 16 rows are a transposition.
    const auto shuffle = [&](const Bytes* from, Bytes* to) HWY_ATTR {
      for (std::size_t i = 0; i < kTile / 2; ++i) {
        to[2 * i] = hn::InterleaveLower(d, from[i], from[i + kTile / 2]);
        to[2 * i + 1] = hn::InterleaveUpper(d, from[i], from[i + kTile / 2]);
      }
    };
    shuffle(a, b);
    shuffle(b, a);
    shuffle(a, b);
    shuffle(b, a);
    for (std::size_t c = 0; c < kTile; ++c) hn::StoreU(a[c], d, out[c] + r);
  }
  for (; r < WholeMasks(rows); r += kTile)
    for (auto& column : out) hn::StoreU(hn::Zero(d), d, column + r);
#endif
}

void ByteGemmTransposed(TensorView<const std::uint8_t> bytes, float scale, ConstTensorView dy,
                        std::size_t first, TensorView<float> dw) {
  const std::size_t inputs = bytes.shape()[1];
  const std::size_t units = dw.shape()[1];
  const std::size_t stride = dy.shape()[1];
  alignas(kAlignment) std::uint8_t tile[kTile][kTileRows];
  std::uint64_t masks[kTile][kTileRows / kMaskBits];
  for (std::size_t r = 0; r < bytes.rows(); r += kTileRows) {
    const std::size_t rows = std::min(kTileRows, bytes.rows() - r);
    for (std::size_t i = 0; i < dw.rows(); i += kTile) {
      const std::size_t columns = std::min(kTile, dw.rows() - i);
      TransposeTile(bytes.data() + r * inputs + first + i, inputs, rows, columns, tile);
      for (std::size_t c = 0; c < columns; ++c)
        for (std::size_t b = 0; b < rows; b += kMaskBits)
          masks[c][b / kMaskBits] = NonZeroMask(tile[c] + b);
      for (std::size_t c = 0; c < columns; ++c) {
        ForEachRowPanel(units, [&]<std::size_t V>(std::size_t column) HWY_ATTR {
          RowPanel<V> panel;
          panel.Clear();
          for (std::size_t b = 0; b < rows; b += kMaskBits)
            panel.Add(masks[c][b / kMaskBits], tile[c] + b, dy.data() + (r + b) * stride + column,
                      stride);
          float* to = dw.data() + (i + c) * units + column;
          panel.Write(scale, units - column, r != 0 ? to : nullptr, to);
        });
      }
    }
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
HWY_EXPORT(PackRows);
HWY_EXPORT(ByteAffine);
HWY_EXPORT(ByteProducts);
HWY_EXPORT(AffineOfProducts);
HWY_EXPORT(ByteGemmTransposed);
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

void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale,
                          ConstTensorView packed_dy, std::size_t first, TensorView<float> dw) {
  check_matrix("byte_gemm_transposed", bytes.shape());
  check_matrix("byte_gemm_transposed", dw.shape());
  check_shape("byte_gemm_transposed gradient", {bytes.rows(), packed_columns(dw.shape()[1])},
              packed_dy.shape());
  if (first > bytes.shape()[1] || dw.rows() > bytes.shape()[1] - first)
    detail::throw_row_range({bytes.shape()[1], dw.shape()[1]}, first, dw.rows());
  if (bytes.rows() == 0) std::ranges::fill(dw.values(), 0.0F);
  HWY_DYNAMIC_DISPATCH(ByteGemmTransposed)(bytes, scale, packed_dy, first, dw);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
