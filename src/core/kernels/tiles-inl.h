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
#include <type_traits>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

using TileTag = hn::CappedTag<float, 16>;

// Rows of a tile of V vectors, whose sums leave registers for what they need; at most the seven
// that a TileColumn reaches.
template <std::size_t V>
constexpr std::size_t TileRowsOf() {
#if HWY_TARGET <= HWY_AVX3
  return V < 3 ? 7 : 6;
#else
  return V < 3 ? 6 : 4;
#endif
}
// Four vectors of 16 by 6 rows, and not two by 14: rows a page apart share eight places of a
// first-level cache. Of 16 registers, three vectors by 4 rows leave one for a value of a; without
// fused multiply-adds a product needs one more.
constexpr std::size_t kUsualTile = HWY_TARGET <= HWY_AVX3 ? 4 : HWY_TARGET <= HWY_AVX2 ? 3 : 2;
constexpr std::size_t kWidestPanel = std::max<std::size_t>(3, kUsualTile);  // of ForEachPanel

// a(r, l) = data[r · row_step + l · step]
struct TileRows {
  const float* HWY_RESTRICT data;
  std::size_t row_step, step;
};

// Where one value of each row of a tile lies. Three steps reach seven rows by the processor's own
// addressing, so that no step is loaded again in the loop.
class TileColumn {
 public:
  HWY_INLINE TileColumn(const TileRows& rows)
      : base_(rows.data),
        step_(rows.row_step),
        three_(3 * rows.row_step),
        five_(5 * rows.row_step) {}

  HWY_INLINE void Advance(std::size_t step) { base_ += step; }
  template <std::size_t R>
  HWY_INLINE const float* Row() const {
    static_assert(R < 7);
    if constexpr (R == 0) return base_;
    if constexpr (R == 3 || R == 6) return base_ + R / 3 * three_;
    if constexpr (R == 5) return base_ + five_;
    return base_ + R * step_;  // 1, 2 or 4
  }

 private:
  const float* HWY_RESTRICT base_;
  std::size_t step_, three_, five_;
};

// What follows walks through a tile by recursion, one sum a call: a loop's index would keep GCC
// from leaving the sums in registers before and behind the loop over the depth.

// sum(r, v) += value · row(v)
template <std::size_t kRow, std::size_t kVector = 0, std::size_t R, std::size_t V>
HWY_INLINE void AddToRow(hn::Vec<TileTag> value, const hn::Vec<TileTag> (&row)[V],
                         hn::Vec<TileTag> (&sum)[R][V]) {
  sum[kRow][kVector] = hn::MulAdd(value, row[kVector], sum[kRow][kVector]);
  if constexpr (kVector + 1 < V) AddToRow<kRow, kVector + 1>(value, row, sum);
}

// sum(r, v) += column(r) · row(v), for the rows from kFirst on.
template <std::size_t kFirst = 0, std::size_t R, std::size_t V>
HWY_INLINE void AddToRows(const TileColumn& column, const hn::Vec<TileTag> (&row)[V],
                          hn::Vec<TileTag> (&sum)[R][V]) {
  AddToRow<kFirst>(hn::Set(TileTag(), *column.template Row<kFirst>()), row, sum);
  if constexpr (kFirst + 1 < R) AddToRows<kFirst + 1>(column, row, sum);
}

// Of the last vector of a row, instead of a mask of those of its columns that are there.
struct WholeVector {};

// Those of the last of V vectors that lie within the first `columns` columns.
template <std::size_t V>
HWY_INLINE hn::Mask<TileTag> LastColumns(std::size_t columns) {
  const std::size_t lanes = hn::Lanes(TileTag());
  return hn::FirstN(TileTag(), std::min(lanes, columns - (V - 1) * lanes));
}

// row(v) = vector v of what begins at `from`, the last of them whole or zero beyond its columns.
template <std::size_t kVector = 0, class Last = WholeVector, std::size_t V>
HWY_INLINE void LoadRow(const float* HWY_RESTRICT from, hn::Vec<TileTag> (&row)[V],
                        Last last = {}) {
  const TileTag d;
  if constexpr (kVector + 1 < V || std::is_same_v<Last, WholeVector>)
    row[kVector] = hn::LoadU(d, from + kVector * hn::Lanes(d));
  else
    row[kVector] = LoadMasked(last, d, from + kVector * hn::Lanes(d));
  if constexpr (kVector + 1 < V) LoadRow<kVector + 1>(from, row, last);
}

// sum(r, v) += sum over l in [0, depth), in order, of a(r, l) · (vector v of row l of b), fused
// where the processor can; the rows of b are b_stride apart.
template <std::size_t R, std::size_t V>
HWY_INLINE void AddProducts(const TileRows& a, const float* HWY_RESTRICT b, std::size_t b_stride,
                            std::size_t depth, hn::Vec<TileTag> (&sum)[R][V]) {
  TileColumn column(a);
  for (std::size_t l = 0; l < depth; ++l, column.Advance(a.step), b += b_stride) {
    hn::Vec<TileTag> row[V];
    LoadRow(b, row);
    AddToRows(column, row, sum);
  }
}

// sum(r, v) = values(v)
template <std::size_t kIndex = 0, std::size_t R, std::size_t V>
HWY_INLINE void Fill(const hn::Vec<TileTag> (&values)[V], hn::Vec<TileTag> (&sum)[R][V]) {
  sum[kIndex / V][kIndex % V] = values[kIndex % V];
  if constexpr (kIndex + 1 < R * V) Fill<kIndex + 1>(values, sum);
}

template <std::size_t kIndex = 0, std::size_t R, std::size_t V>
HWY_INLINE void Clear(hn::Vec<TileTag> (&sum)[R][V]) {
  sum[kIndex / V][kIndex % V] = hn::Zero(TileTag());
  if constexpr (kIndex + 1 < R * V) Clear<kIndex + 1>(sum);
}

// sum(r, v) = c(r, v), whose rows are `stride` apart; the last vector of each as LoadRow has it.
template <std::size_t kRow = 0, class Last, std::size_t R, std::size_t V>
HWY_INLINE void LoadTile(const float* c, std::size_t stride, Last last,
                         hn::Vec<TileTag> (&sum)[R][V]) {
  LoadRow(c, sum[kRow], last);
  if constexpr (kRow + 1 < R) LoadTile<kRow + 1>(c + stride, stride, last, sum);
}

// c(r, v) = sum(r, v), or += if kAccumulate; the rows of c are `stride` apart, and the columns that
// `last` leaves out of the last vector are left alone.
template <bool kAccumulate, std::size_t kIndex = 0, class Last = WholeVector, std::size_t R,
          std::size_t V>
HWY_INLINE void StoreTile(const hn::Vec<TileTag> (&sum)[R][V], float* c, std::size_t stride,
                          Last last = {}) {
  const TileTag d;
  constexpr bool kWhole = kIndex % V + 1 < V || std::is_same_v<Last, WholeVector>;
  float* to = c + kIndex % V * hn::Lanes(d);
  auto value = sum[kIndex / V][kIndex % V];
  if constexpr (kWhole) {
    if constexpr (kAccumulate) value = hn::Add(hn::LoadU(d, to), value);
    hn::StoreU(value, d, to);
  } else {
    if constexpr (kAccumulate) value = hn::Add(LoadMasked(last, d, to), value);
    hn::BlendedStore(value, last, d, to);
  }
  if constexpr (kIndex + 1 < R * V)
    StoreTile<kAccumulate, kIndex + 1>(sum, kIndex % V + 1 < V ? c : c + stride, stride, last);
}

// Calls work.operator()<R>(first) for R rows from `first` on until `rows` are done, in tiles of V
// vectors as even as they can be.
template <std::size_t V, class Work>
HWY_INLINE void ForEachTile(std::size_t rows, const Work& work) {
  constexpr std::size_t kMost = TileRowsOf<V>();
  const std::size_t tiles = (rows + kMost - 1) / kMost;
  for (std::size_t first = 0, left = tiles; left > 0; --left) {
    const std::size_t count = (rows - first + left - 1) / left;
    WithCount<kMost>(count, [&]<std::size_t R>() HWY_ATTR { work.template operator()<R>(first); });
    first += count;
  }
}

// Calls work.operator()<V>(column) for V vectors that cover the columns, a multiple of a vector: as
// many as a tile has at a time, and never one where two and three do as well, which keeps the
// processor waiting for loads.
template <class Work>
HWY_INLINE void ForEachPanel(std::size_t columns, const Work& work) {
  const std::size_t lanes = hn::Lanes(TileTag());
  std::size_t column = 0;
  const auto vectors_left = [&] { return (columns - column) / lanes; };
  while (vectors_left() == kUsualTile || vectors_left() > kUsualTile + 1) {
    work.template operator()<kUsualTile>(column);
    column += kUsualTile * lanes;
  }
  if (kUsualTile > 2 && vectors_left() == kUsualTile + 1) {
    work.template operator()<kUsualTile - 1>(column);
    column += (kUsualTile - 1) * lanes;
  }
  if (vectors_left() == 3) return work.template operator()<3>(column);
  if (vectors_left() == 2) return work.template operator()<2>(column);
  if (vectors_left() == 1) work.template operator()<1>(column);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
