// Tiles of a product that stay in registers while a sum runs: what products of few rows and
// convolutions have in common. Included once per instruction set by the kernel files, as Highway's
// own -inl headers are.
#if defined(GRADATIM_CORE_KERNELS_TILES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADATIM_CORE_KERNELS_TILES_INL_H
#undef GRADATIM_CORE_KERNELS_TILES_INL_H
#else
#define GRADATIM_CORE_KERNELS_TILES_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

using TileTag = hn::CappedTag<float, 16>;

// Rows of a tile of V vectors, whose sums leave registers for what they need.
template <std::size_t V>
constexpr std::size_t TileRowsOf() {
#if HWY_TARGET <= HWY_AVX3
  return V < 3 ? 14 : 9;
#else
  return V < 3 ? 6 : 4;
#endif
}

// a(r, l) = data[r · row_step + l · step]
struct TileRows {
  const float* HWY_RESTRICT data;
  std::size_t row_step, step;
};

// Where one value of each row of a tile lies. Two bases and three steps reach fourteen rows by the
// processor's own addressing, so that no step is loaded again in the loop.
class TileColumn {
 public:
  HWY_INLINE TileColumn(const TileRows& rows)
      : low_(rows.data),
        high_(rows.data + kReach * rows.row_step),
        step_(rows.row_step),
        three_(3 * rows.row_step),
        five_(5 * rows.row_step) {}

  HWY_INLINE void Advance(std::size_t step) {
    low_ += step;
    high_ += step;
  }
  template <std::size_t R>
  HWY_INLINE const float* Row() const {
    const float* base = R < kReach ? low_ : high_;
    constexpr std::size_t kRow = R % kReach;
    if constexpr (kRow == 0) return base;
    if constexpr (kRow == 3 || kRow == 6) return base + kRow / 3 * three_;
    if constexpr (kRow == 5) return base + five_;
    return base + kRow * step_;  // 1, 2 or 4
  }

 private:
  static constexpr std::size_t kReach = 7;
  const float* HWY_RESTRICT low_;
  const float* HWY_RESTRICT high_;
  std::size_t step_, three_, five_;
};

// sum(r, v) += column(r) · row(v), for the rows from kFirst on.
template <std::size_t kFirst = 0, std::size_t R, std::size_t V>
HWY_INLINE void AddToRows(const TileColumn& column, const hn::Vec<TileTag> (&row)[V],
                          hn::Vec<TileTag> (&sum)[R][V]) {
  const auto value = hn::Set(TileTag(), *column.template Row<kFirst>());
  for (std::size_t v = 0; v < V; ++v) sum[kFirst][v] = hn::MulAdd(value, row[v], sum[kFirst][v]);
  if constexpr (kFirst + 1 < R) AddToRows<kFirst + 1>(column, row, sum);
}

// sum(r, v) += sum over l in [0, depth), in order, of a(r, l) · (vector v of row l of b), one fused
// multiply-add each; the rows of b are b_stride apart.
template <std::size_t R, std::size_t V>
HWY_INLINE void AddProducts(const TileRows& a, const float* HWY_RESTRICT b, std::size_t b_stride,
                            std::size_t depth, hn::Vec<TileTag> (&sum)[R][V]) {
  const TileTag d;
  const std::size_t lanes = hn::Lanes(d);
  TileColumn column(a);
  for (std::size_t l = 0; l < depth; ++l, column.Advance(a.step), b += b_stride) {
    hn::Vec<TileTag> row[V];
    for (std::size_t v = 0; v < V; ++v) row[v] = hn::LoadU(d, b + v * lanes);
    AddToRows(column, row, sum);
  }
}

template <std::size_t R, std::size_t V>
HWY_INLINE void Clear(hn::Vec<TileTag> (&sum)[R][V]) {
  for (auto& of_row : sum)
    for (auto& vector : of_row) vector = hn::Zero(TileTag());
}

// c(r, v) += sum(r, v); the rows of c are `stride` apart.
template <std::size_t R, std::size_t V>
HWY_INLINE void AddTo(const hn::Vec<TileTag> (&sum)[R][V], float* c, std::size_t stride) {
  const TileTag d;
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < V; ++v) {
      float* to = c + r * stride + v * hn::Lanes(d);
      hn::StoreU(hn::Add(hn::LoadU(d, to), sum[r][v]), d, to);
    }
}

// The first `columns` columns of c(r, v) = sum(r, v), or += if kAccumulate; the first vector of them
// is not empty.
template <bool kAccumulate, std::size_t R, std::size_t V>
HWY_INLINE void StoreColumns(const hn::Vec<TileTag> (&sum)[R][V], float* c, std::size_t stride,
                             std::size_t columns) {
  const TileTag d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t v = 0; v < V && v * lanes < columns; ++v) {
    const auto inside = hn::FirstN(d, std::min(lanes, columns - v * lanes));
    for (std::size_t r = 0; r < R; ++r) {
      float* to = c + r * stride + v * lanes;
      auto value = sum[r][v];
      if constexpr (kAccumulate) value = hn::Add(value, LoadMasked(inside, d, to));
      hn::BlendedStore(value, inside, d, to);
    }
  }
}

// Calls work.operator()<R>() for R = rows in [1, kMost].
template <std::size_t kMost, class Work>
HWY_INLINE void WithRows(std::size_t rows, const Work& work) {
  if (rows == kMost) return work.template operator()<kMost>();
  if constexpr (kMost > 1) WithRows<kMost - 1>(rows, work);
}

// Calls work.operator()<R>(first) for R rows from `first` on until `rows` are done, in tiles of V
// vectors as even as they can be.
template <std::size_t V, class Work>
HWY_INLINE void ForEachTile(std::size_t rows, const Work& work) {
  constexpr std::size_t kMost = TileRowsOf<V>();
  const std::size_t tiles = (rows + kMost - 1) / kMost;
  for (std::size_t first = 0, left = tiles; left > 0; --left) {
    const std::size_t count = (rows - first + left - 1) / left;
    WithRows<kMost>(count, [&]<std::size_t R>() HWY_ATTR { work.template operator()<R>(first); });
    first += count;
  }
}

// Calls work.operator()<V>(column) for V vectors that cover the columns, a multiple of a vector: two
// at a time, and three where one would be left, which keeps the processor waiting for loads.
template <class Work>
HWY_INLINE void ForEachPanel(std::size_t columns, const Work& work) {
  const std::size_t lanes = hn::Lanes(TileTag());
  std::size_t column = 0;
  for (; column + 4 * lanes <= columns; column += 2 * lanes) work.template operator()<2>(column);
  const std::size_t left = (columns - column) / lanes;
  if (left == 3) return work.template operator()<3>(column);
  if (left == 2) return work.template operator()<2>(column);
  if (left == 1) work.template operator()<1>(column);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
