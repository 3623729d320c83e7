// Products by tiles of sums that stay in registers, over panels of b that stay in a cache.
#include "core/kernels/tiled_gemm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/tiled_gemm.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/tiles-inl.h"
#include "core/kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr std::size_t kDepth = 512;  // of a panel, 128 KiB in the second-level cache
constexpr std::size_t kRows = 168;   // of a beside it
constexpr std::size_t kTurned = 64;  // of a panel at a time, transposed and used at once
constexpr std::size_t kAhead = 8;    // rows of b that are fetched before they are packed
constexpr std::size_t kLine = 16;    // floats of a cache line

// Rows of a and the part of their sums that is added at a time.
struct Block {
  std::size_t row, rows, first, depth;
};

// Some columns of b in a block's depth, the last of V vectors of them perhaps in part beyond the
// end.
struct Panel {
  const float* b;
  std::size_t columns;
  float* packed;  // rows of V vectors
};

// As AddProducts. Rows of b are read where they are, and noted in the panel unless that is null: in
// the shadow of the products, packing costs nothing.
template <std::size_t R, std::size_t V>
HWY_INLINE void AddProductsPacking(const TileRows& a, const Panel& panel, std::size_t b_stride,
                                   std::size_t depth, hn::Vec<TileTag> (&sum)[R][V]) {
  const TileTag d;
  const std::size_t lanes = hn::Lanes(d);
  const auto last = LastColumns<V>(panel.columns);
  const float* HWY_RESTRICT b = panel.b;
  float* HWY_RESTRICT packed = panel.packed;
  TileColumn column(a);
  for (std::size_t l = 0; l < depth; ++l, column.Advance(a.step), b += b_stride) {
    for (std::size_t v = 0; v < V; ++v) hwy::Prefetch(b + kAhead * b_stride + v * lanes);
    hn::Vec<TileTag> row[V];
    LoadRow(b, row, last);
    if (packed != nullptr) {
      for (std::size_t v = 0; v < V; ++v) hn::Store(row[v], d, packed + v * lanes);
      packed += V * lanes;
    }
    AddToRows(column, row, sum);
  }
}

// Lines of the next panel to fetch from memory: all of a row, then of the next.
struct Ahead {
  const float* at;
  std::size_t row_step;
};

// Lines of a row of V vectors, the last of them perhaps in part.
template <std::size_t V>
constexpr std::size_t kRowLines = (V * hn::MaxLanes(TileTag()) + kLine - 1) / kLine;

// As AddProducts of a packed panel, fetching a line at each step of the depth.
template <std::size_t R, std::size_t V>
HWY_INLINE void AddProductsFetching(const TileRows& a, const float* HWY_RESTRICT packed,
                                    std::size_t depth, Ahead ahead, hn::Vec<TileTag> (&sum)[R][V]) {
  TileColumn column(a);
  for (std::size_t l = 0; l < depth; ++l, column.Advance(a.step)) {
    hwy::Prefetch(ahead.at + l % kRowLines<V> * kLine);
    if (l % kRowLines<V> == kRowLines<V> - 1) ahead.at += ahead.row_step;
    hn::Vec<TileTag> row[V];
    LoadRow(packed, row);
    packed += V * hn::Lanes(TileTag());
    AddToRows(column, row, sum);
  }
}

// The same of a transposed b, whose columns lie b_stride apart, turned into the panel on the way.
template <std::size_t R, std::size_t V>
HWY_INLINE void AddProductsTurning(const TileRows& a, const Panel& panel, std::size_t b_stride,
                                   std::size_t depth, hn::Vec<TileTag> (&sum)[R][V]) {
  const std::size_t width = V * hn::Lanes(TileTag());
  for (std::size_t l = 0; l < depth; l += kTurned) {
    const std::size_t count = std::min(kTurned, depth - l);
    float* to = panel.packed + l * width;
    if (panel.columns < width) std::fill_n(to, count * width, 0.0F);
    Transpose(panel.columns, count, {panel.b + l, static_cast<std::ptrdiff_t>(b_stride)},
              {to, static_cast<std::ptrdiff_t>(width)});
    AddProducts({a.data + l * a.step, a.row_step, a.step}, to, width, count, sum);
  }
}

// What a tile fetches of the panel behind this one: the tiles that follow the first a part of its
// rows each. Nothing where its columns do not lie in lines that are far apart.
template <std::size_t V>
HWY_INLINE Ahead NextPanel(const TiledProduct& p, const Block& block, const Panel& panel,
                           std::size_t column, std::size_t tile) {
  const std::size_t width = V * hn::Lanes(TileTag());
  if (p.b_step != 1 || column + width >= p.n || tile > kRowLines<V>) return {nullptr, 0};
  const std::size_t first = (tile - 1) * (block.depth / kRowLines<V>);
  return {panel.b + width + first * p.b_row_step, p.b_row_step};
}

// What the sums of V vectors of columns begin with: the bias, or nothing.
template <std::size_t V>
HWY_INLINE void LoadBias(const TiledProduct& p, std::size_t column, hn::Mask<TileTag> last,
                         hn::Vec<TileTag> (&start)[V]) {
  for (auto& vector : start) vector = hn::Zero(TileTag());
  if (p.bias != nullptr) LoadRow(p.bias + column, start, last);
}

template <std::size_t R, std::size_t V>
HWY_INLINE void FetchForStores(float* c, std::size_t stride) {
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < V; ++v) hwy::Prefetch(c + r * stride + v * hn::Lanes(TileTag()));
}

template <std::size_t V>
void ColumnsOf(const TiledProduct& p, const Block& block, std::size_t column, float* packed) {
  const std::size_t width = V * hn::Lanes(TileTag());
  Panel panel{p.b + block.first * p.b_row_step + column * p.b_step, std::min(width, p.n - column),
              packed};
  const auto last = LastColumns<V>(panel.columns);
  const bool begun = p.accumulate || block.first > 0;
  hn::Vec<TileTag> bias[V];
  LoadBias(p, column, last, bias);
  const float* a = p.a + block.row * p.a_row_step + block.first * p.a_step;
  ForEachTile<V>(block.rows, [&]<std::size_t R>(std::size_t row) HWY_ATTR {
    const TileRows rows{a + row * p.a_row_step, p.a_row_step, p.a_step};
    float* c = p.c + (block.row + row) * p.n + column;
    hn::Vec<TileTag> sum[R][V];
    if (begun) {
      LoadTile(c, p.n, last, sum);
    } else {
      Fill(bias, sum);
      FetchForStores<R, V>(c, p.n);
    }
    if (row != 0) {
      const Ahead ahead = NextPanel<V>(p, block, panel, column, row / R);
      if (ahead.at != nullptr)
        AddProductsFetching(rows, packed, block.depth, ahead, sum);
      else
        AddProducts(rows, packed, width, block.depth, sum);
    } else if (p.b_step != 1) {
      AddProductsTurning(rows, panel, p.b_step, block.depth, sum);
    } else {
      if (R == block.rows) panel.packed = nullptr;  // nobody comes after
      AddProductsPacking(rows, panel, p.b_row_step, block.depth, sum);
    }
    StoreTile<false>(sum, c, p.n, last);
  });
}

using HalfTag = hn::CappedTag<float, 8>;

// V half vectors of columns of a single row of sums: half as wide as the widest, fewer loads meet
// the end of a cache line in the middle, and enough sums keep the processor busy.
template <std::size_t V>
HWY_INLINE void RowColumns(const TiledProduct& p, std::size_t column) {
  const HalfTag d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t last = column + (V - 1) * lanes;
  const auto inside = hn::FirstN(d, std::min(lanes, p.n - last));
  const auto load = [&](const float* from, std::size_t v) HWY_ATTR {
    return v + 1 < V ? hn::LoadU(d, from + v * lanes) : LoadMasked(inside, d, from + v * lanes);
  };
  const float* start = p.accumulate ? p.c : p.bias;
  hn::Vec<HalfTag> sum[V];
  for (std::size_t v = 0; v < V; ++v)
    sum[v] = start != nullptr ? load(start + column, v) : hn::Zero(d);
  for (std::size_t l = 0; l < p.k; ++l) {
    const auto value = hn::Set(d, p.a[l * p.a_step]);
    for (std::size_t v = 0; v < V; ++v)
      sum[v] = hn::MulAdd(value, load(p.b + l * p.b_row_step + column, v), sum[v]);
  }
  for (std::size_t v = 0; v + 1 < V; ++v) hn::StoreU(sum[v], d, p.c + column + v * lanes);
  hn::BlendedStore(sum[V - 1], inside, d, p.c + last);
}

void RowGemm(const TiledProduct& p) {
  const std::size_t lanes = hn::Lanes(HalfTag());
  std::size_t column = 0;
  for (; column + 6 * lanes < p.n; column += 7 * lanes) RowColumns<7>(p, column);
  for (; column + 3 * lanes < p.n; column += 4 * lanes) RowColumns<4>(p, column);
  for (; column + lanes < p.n; column += 2 * lanes) RowColumns<2>(p, column);
  if (column < p.n) RowColumns<1>(p, column);
}

// One value: what the lanes of four vectors have added in turn, added up.
HWY_INLINE float Dot(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::size_t size) {
  const TileTag d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<TileTag> sum[4];
  for (auto& vector : sum) vector = hn::Zero(d);
  std::size_t l = 0;
  for (; l + 4 * lanes <= size; l += 4 * lanes)
    for (std::size_t v = 0; v < 4; ++v)
      sum[v] = hn::MulAdd(hn::LoadU(d, a + l + v * lanes), hn::LoadU(d, b + l + v * lanes), sum[v]);
  for (std::size_t v = 0; l < size; ++v, l += lanes) {
    const auto inside = hn::FirstN(d, std::min(lanes, size - l));
    sum[v] = hn::MulAdd(LoadMasked(inside, d, a + l), LoadMasked(inside, d, b + l), sum[v]);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))));
}

// A tile of a single column would leave all lanes but one idle.
void ColumnGemm(const TiledProduct& p) {
  for (std::size_t row = 0; row < p.m; ++row) {
    const float start = p.accumulate ? p.c[row] : p.bias != nullptr ? *p.bias : 0.0F;
    p.c[row] = start + Dot(p.a + row * p.a_row_step, p.b, p.k);
  }
}

// c = a b of a transposed a and a single column, as the row cᵀ = bᵀ aᵀ.
TiledProduct AsRow(const TiledProduct& p) {
  return {.m = 1,
          .n = p.m,
          .k = p.k,
          .a = p.b,
          .a_row_step = 0,
          .a_step = p.b_row_step,
          .b = p.a,
          .b_row_step = p.a_step,
          .b_step = 1,
          .c = p.c,
          .accumulate = p.accumulate};
}

void TiledGemm(const TiledProduct& p) {
  if (p.n == 1 && p.a_step == 1 && p.b_row_step == 1) return ColumnGemm(p);
  if (p.n == 1 && p.a_row_step == 1 && p.bias == nullptr) return RowGemm(AsRow(p));
  if (p.m == 1 && p.b_step == 1) return RowGemm(p);
  HWY_ALIGN float packed[kDepth * kWidestPanel * hn::MaxLanes(TileTag())];
  const std::size_t lanes = hn::Lanes(TileTag());
  const std::size_t blocks = (p.m + kRows - 1) / kRows;
  Block block{};
  for (std::size_t left = blocks; left > 0; --left, block.row += block.rows) {
    block.rows = (p.m - block.row + left - 1) / left;
    for (block.first = 0; block.first < p.k; block.first += kDepth) {
      block.depth = std::min(kDepth, p.k - block.first);
      ForEachPanel((p.n + lanes - 1) / lanes * lanes,
                   [&]<std::size_t V>(std::size_t column)
                       HWY_ATTR { ColumnsOf<V>(p, block, column, packed); });
    }
  }
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(TiledGemm);
}  // namespace

void tiled_gemm(const TiledProduct& product) { HWY_DYNAMIC_DISPATCH(TiledGemm)(product); }

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
