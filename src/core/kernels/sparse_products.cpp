// Products whose left matrix is mostly zeros, as what relu or dropout leaves: bit masks of what is
// not zero, 64 values at a time, drive the loops. Sums are added in the order of tiled_gemm, so
// that finite values are the same (bench/METHOD.md has the measurements).
#include "gradatim/core/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/sparse_products.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>
#include <bit>

#include "core/kernels/tiles-inl.h"
#include "core/kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr std::size_t kMaskBits = 64;  // values that a mask covers
constexpr std::size_t kSumRows = 64;   // rows of x at a time
constexpr std::size_t kInputs = 16;    // columns of x that are transposed at a time
// Vectors of a row that are held in registers: enough sums to keep the processor busy, and so few
// that 64 rows of the right matrix, 28 KiB, fit a first-level cache, if without the sums.
constexpr std::size_t kPanel = 7;
constexpr std::size_t kMaxLanes = hn::MaxLanes(TileTag());

// Bit i is set where x[i] is not zero, as NaN is not (Ne would say that it is, on AVX), for count
// <= 64 values.
HWY_INLINE std::uint64_t NonzeroMask(const float* HWY_RESTRICT x, std::size_t count) {
  const TileTag d;
  const std::size_t lanes = hn::Lanes(d);
  const std::uint64_t vector_bits = (std::uint64_t{1} << lanes) - 1;
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < count; i += lanes) {
    const bool whole = i + lanes <= count;
    const auto values =
        whole ? hn::LoadU(d, x + i) : LoadMasked(hn::FirstN(d, count - i), d, x + i);
    std::uint64_t bits = 0;
    hn::StoreMaskBits(d, hn::Eq(values, hn::Zero(d)), reinterpret_cast<std::uint8_t*>(&bits));
    mask |= (~bits & vector_bits) << i;
  }
  return mask;
}

// sum(v) += sum over the set bits i, in order, of x[i] · (vector v of row i of b), whose rows are
// V vectors.
template <std::size_t V>
HWY_INLINE void AddNonzero(std::uint64_t mask, const float* HWY_RESTRICT x,
                           const float* HWY_RESTRICT b, hn::Vec<TileTag> (&sum)[1][V]) {
  const TileTag d;
  for (; mask != 0; mask &= mask - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(mask));
    hn::Vec<TileTag> row[V];
    LoadRow(b + i * V * hn::Lanes(d), row);
    AddToRow<0>(hn::Set(d, x[i]), row, sum);
  }
}

// Some columns of a matrix of `stride` columns, the last of V vectors of them perhaps in part.
struct Columns {
  std::size_t first, count, stride;
};

// Rows of those columns of b as rows of V whole vectors, zeros behind them.
template <std::size_t V>
HWY_INLINE void PackPanel(const float* HWY_RESTRICT b, std::size_t rows, const Columns& columns,
                          float* HWY_RESTRICT packed) {
  const auto last = LastColumns<V>(columns.count);
  hn::Vec<TileTag> row[1][V];
  for (std::size_t i = 0; i < rows; ++i) {
    LoadRow(b + i * columns.stride + columns.first, row[0], last);
    StoreTile<false>(row, packed + i * V * hn::Lanes(TileTag()), 0);
  }
}

// Calls work.operator()<V>(columns) for panels of up to kPanel vectors, as even as they can be.
template <class Work>
HWY_INLINE void ForEachColumns(std::size_t columns, const Work& work) {
  const std::size_t lanes = hn::Lanes(TileTag());
  const std::size_t vectors = (columns + lanes - 1) / lanes;
  std::size_t panels = (vectors + kPanel - 1) / kPanel;
  for (std::size_t first = 0; panels > 0; --panels) {
    const std::size_t count = ((columns - first + lanes - 1) / lanes + panels - 1) / panels;
    const Columns part{first, std::min(count * lanes, columns - first), columns};
    WithCount<kPanel>(count, [&]<std::size_t V>() HWY_ATTR { work.template operator()<V>(part); });
    first += count * lanes;
  }
}

// At most `count` rows of x from `first` on.
HWY_INLINE MatrixView RowsOf(MatrixView x, std::size_t first, std::size_t count) {
  x.data += first * x.stride;
  x.rows = std::min(count, x.rows - first);
  return x;
}

// Lines of up to Most floats, of which `last` is the last.
template <std::size_t Most>
HWY_INLINE void FetchToSecondCache(const float* from, std::size_t last) {
  constexpr std::size_t kLine = 16;
  for (std::size_t i = 0; i <= Most; i += kLine) __builtin_prefetch(from + std::min(i, last), 0, 2);
}

// What ProductColumns multiplies by: some columns of b = w, (inputs, units). Rows of b from l on
// are packed as PackPanel does, and fetched before, since they lie far apart.
template <std::size_t V>
struct PanelOfRows {
  const float* w;
  Columns columns;

  HWY_INLINE void Pack(std::size_t l, std::size_t rows, float* HWY_RESTRICT packed) const {
    PackPanel<V>(w + l * columns.stride, rows, columns, packed);
  }
  // The part'th of `parts` parts.
  HWY_INLINE void Fetch(std::size_t l, std::size_t rows, std::size_t part,
                        std::size_t parts) const {
    const std::size_t end = (part + 1) * rows / parts;
    for (std::size_t i = part * rows / parts; i < end; ++i)
      FetchToSecondCache<V * kMaxLanes>(w + (l + i) * columns.stride + columns.first,
                                        columns.count - 1);
  }
};

// The same of b = wᵀ, whose columns are rows of w, (inputs, units).
template <std::size_t V>
struct PanelOfColumns {
  const float* w;
  std::size_t units;
  Columns columns;

  HWY_INLINE void Pack(std::size_t l, std::size_t rows, float* HWY_RESTRICT packed) const {
    const std::size_t width = V * hn::Lanes(TileTag());
    if (columns.count < width) std::fill_n(packed, rows * width, 0.0F);
    Transpose(columns.count, rows,
              {w + columns.first * units + l, static_cast<std::ptrdiff_t>(units)},
              {packed, static_cast<std::ptrdiff_t>(width)});
  }
  HWY_INLINE void Fetch(std::size_t l, std::size_t rows, std::size_t part,
                        std::size_t parts) const {
    const std::size_t end = (part + 1) * columns.count / parts;
    for (std::size_t i = part * columns.count / parts; i < end; ++i)
      FetchToSecondCache<kMaskBits>(w + (columns.first + i) * units + l, rows - 1);
  }
};

// y = bias, or 0 if that is null, + x b in some columns, for up to kSumRows rows of x.
template <std::size_t V, class Panel>
HWY_NOINLINE void ProductColumns(const MatrixView& x, const float* bias, const Panel& b, float* y) {
  const Columns& columns = b.columns;
  const std::size_t width = V * hn::Lanes(TileTag());
  const auto last = LastColumns<V>(columns.count);
  HWY_ALIGN float packed[kMaskBits * V * kMaxLanes];
  HWY_ALIGN float sums[kSumRows * V * kMaxLanes];
  hn::Vec<TileTag> sum[1][V];
  Clear(sum);
  if (bias != nullptr) LoadRow(bias + columns.first, sum[0], last);
  for (std::size_t r = 0; r < x.rows; ++r) StoreTile<false>(sum, sums + r * width, 0);
  for (std::size_t l = 0; l < x.columns; l += kMaskBits) {
    const std::size_t count = std::min(kMaskBits, x.columns - l);
    std::uint64_t masks[kSumRows];  // before they are used: each waits for its loads
    for (std::size_t r = 0; r < x.rows; ++r)
      masks[r] = NonzeroMask(x.data + r * x.stride + l, count);
    b.Pack(l, count, packed);
    const std::size_t next_count = std::min(kMaskBits, x.columns - l - count);
    for (std::size_t r = 0; r < x.rows; ++r) {
      if (next_count != 0) b.Fetch(l + count, next_count, r, x.rows);
      if (masks[r] == 0) continue;
      LoadRow(sums + r * width, sum[0]);
      AddNonzero(masks[r], x.data + r * x.stride + l, packed, sum);
      StoreTile<false>(sum, sums + r * width, 0);
    }
  }
  for (std::size_t r = 0; r < x.rows; ++r) {
    LoadRow(sums + r * width, sum[0]);
    StoreTile<false>(sum, y + r * columns.stride + columns.first, 0, last);
  }
}

using HalfTag = hn::CappedTag<float, 8>;

// V half vectors of columns for a single row of x, whose sums are used once: w is read where it
// lies. As in tiled_gemm, fewer halves meet the end of a cache line.
template <std::size_t V>
HWY_INLINE void SparseRowColumns(const MatrixView& x, const float* HWY_RESTRICT w,
                                 const float* bias, const Columns& columns, float* y) {
  const HalfTag d;
  const std::size_t lanes = hn::Lanes(d);
  const auto inside = hn::FirstN(d, std::min(lanes, columns.count - (V - 1) * lanes));
  const auto load = [&](const float* from, std::size_t v) HWY_ATTR {
    return v + 1 < V ? hn::LoadU(d, from + v * lanes) : LoadMasked(inside, d, from + v * lanes);
  };
  hn::Vec<HalfTag> sum[V];
  for (std::size_t v = 0; v < V; ++v) sum[v] = load(bias + columns.first, v);
  for (std::size_t l = 0; l < x.columns; l += kMaskBits) {
    std::uint64_t mask = NonzeroMask(x.data + l, std::min(kMaskBits, x.columns - l));
    for (; mask != 0; mask &= mask - 1) {
      const std::size_t i = l + static_cast<std::size_t>(std::countr_zero(mask));
      const auto value = hn::Set(d, x.data[i]);
      const float* HWY_RESTRICT row = w + i * columns.stride + columns.first;
      for (std::size_t v = 0; v < V; ++v) sum[v] = hn::MulAdd(value, load(row, v), sum[v]);
    }
  }
  y += columns.first;
  for (std::size_t v = 0; v + 1 < V; ++v) hn::StoreU(sum[v], d, y + v * lanes);
  hn::BlendedStore(sum[V - 1], inside, d, y + (V - 1) * lanes);
}

void SparseRow(const MatrixView& x, const float* w, const float* bias, TensorView<float> y) {
  constexpr std::size_t kHalves = 7;
  const std::size_t lanes = hn::Lanes(HalfTag());
  const std::size_t units = y.shape()[1];
  for (std::size_t first = 0; first < units; first += kHalves * lanes) {
    const Columns columns{first, std::min(kHalves * lanes, units - first), units};
    WithCount<kHalves>((columns.count + lanes - 1) / lanes, [&]<std::size_t V>() HWY_ATTR {
      SparseRowColumns<V>(x, w, bias, columns, y.data());
    });
  }
}

void SparseAffine(const MatrixView& x, const float* w, const float* bias, TensorView<float> y) {
  if (x.rows == 1) return SparseRow(x, w, bias, y);
  const std::size_t units = y.shape()[1];
  for (std::size_t r = 0; r < x.rows; r += kSumRows)
    ForEachColumns(units, [&]<std::size_t V>(const Columns& columns) HWY_ATTR {
      ProductColumns<V>(RowsOf(x, r, kSumRows), bias, PanelOfRows<V>{w, columns},
                        y.data() + r * units);
    });
}

// Columns of wᵀ are rows of w, (inputs, units).
void SparseTimesTransposed(const MatrixView& dy, const float* w, TensorView<float> dx) {
  const std::size_t inputs = dx.shape()[1];
  const std::size_t units = dy.columns;
  for (std::size_t r = 0; r < dy.rows; r += kSumRows)
    ForEachColumns(inputs, [&]<std::size_t V>(const Columns& columns) HWY_ATTR {
      ProductColumns<V>(RowsOf(dy, r, kSumRows), nullptr, PanelOfColumns<V>{w, units, columns},
                        dx.data() + r * inputs);
    });
}

// dw = xᵀ dy, or += that if it is begun, in some columns, for up to kMaskBits rows of x and dy.
template <std::size_t V>
HWY_NOINLINE void GradientColumns(const MatrixView& x, const float* dy, bool begun,
                                  const Columns& columns, float* dw) {
  const auto last = LastColumns<V>(columns.count);
  HWY_ALIGN float packed[kMaskBits * V * kMaxLanes];
  HWY_ALIGN float turned[kInputs * kMaskBits];
  PackPanel<V>(dy, x.rows, columns, packed);
  for (std::size_t i = 0; i < x.columns; i += kInputs) {
    const std::size_t count = std::min(kInputs, x.columns - i);
    Transpose(x.rows, count, {x.data + i, static_cast<std::ptrdiff_t>(x.stride)},
              {turned, static_cast<std::ptrdiff_t>(kMaskBits)});
    std::uint64_t masks[kInputs];
    for (std::size_t c = 0; c < count; ++c) masks[c] = NonzeroMask(turned + c * kMaskBits, x.rows);
    for (std::size_t c = 0; c < count; ++c) {
      float* to = dw + (i + c) * columns.stride + columns.first;
      hn::Vec<TileTag> sum[1][V];
      if (begun)
        LoadRow(to, sum[0], last);
      else
        Clear(sum);
      AddNonzero(masks[c], turned + c * kMaskBits, packed, sum);
      StoreTile<false>(sum, to, 0, last);
    }
  }
}

void SparseTransposedTimes(const MatrixView& x, ConstTensorView dy, float* dw) {
  const std::size_t units = dy.shape()[1];
  for (std::size_t r = 0; r < x.rows; r += kMaskBits) {
    const MatrixView rows = RowsOf(x, r, kMaskBits);
    ForEachColumns(units, [&]<std::size_t V>(const Columns& columns) HWY_ATTR {
      GradientColumns<V>(rows, dy.data() + r * units, r != 0, columns, dw);
    });
  }
}

std::size_t CountNonzero(const MatrixView& x, std::size_t every) {
  int count = 0;
  for (std::size_t r = 0; r < x.rows; r += every)
    for (std::size_t i = 0; i < x.columns; i += kMaskBits)
      count +=
          std::popcount(NonzeroMask(x.data + r * x.stride + i, std::min(kMaskBits, x.columns - i)));
  return static_cast<std::size_t>(count);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(SparseAffine);
HWY_EXPORT(SparseTimesTransposed);
HWY_EXPORT(SparseTransposedTimes);
HWY_EXPORT(CountNonzero);
}  // namespace

double zero_share(const MatrixView& x) {
  constexpr std::size_t kEvery = 8;
  const std::size_t values = (x.rows + kEvery - 1) / kEvery * x.columns;
  if (values == 0) return 0;
  const std::size_t nonzero = HWY_DYNAMIC_DISPATCH(CountNonzero)(x, kEvery);
  return 1 - static_cast<double>(nonzero) / static_cast<double>(values);
}

void sparse_affine(const MatrixView& x, ConstTensorView w, std::span<const float> bias,
                   TensorView<float> y) {
  check_matrix("sparse_affine weight", w.shape());
  check_shape("sparse_affine weight", {x.columns, bias.size()}, w.shape());
  check_shape("sparse_affine", {x.rows, bias.size()}, y.shape());
  HWY_DYNAMIC_DISPATCH(SparseAffine)(x, w.data(), bias.data(), y);
}

void sparse_times_transposed(const MatrixView& dy, ConstTensorView w, TensorView<float> dx) {
  check_matrix("sparse_times_transposed weight", w.shape());
  check_sizes("sparse_times_transposed units", w.shape()[1], {dy.columns});
  check_shape("sparse_times_transposed", {dy.rows, w.rows()}, dx.shape());
  HWY_DYNAMIC_DISPATCH(SparseTimesTransposed)(dy, w.data(), dx);
}

void sparse_transposed_times(const MatrixView& x, ConstTensorView dy, TensorView<float> dw) {
  check_matrix("sparse_transposed_times gradient", dy.shape());
  check_sizes("sparse_transposed_times rows", x.rows, {dy.rows()});
  check_shape("sparse_transposed_times", {x.columns, dy.shape()[1]}, dw.shape());
  if (x.rows == 0) std::ranges::fill(dw.values(), 0.0F);
  HWY_DYNAMIC_DISPATCH(SparseTransposedTimes)(x, dy, dw.data());
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
