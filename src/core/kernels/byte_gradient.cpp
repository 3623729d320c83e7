// The gradient of a weight from samples that are bytes and mostly zero: one multiply-add a weight
// and non-zero byte, as in bytes.cpp, of columns instead of rows.
#define HWY_WANT_AVX3_DL  // which compresses 16-bit values in one instruction
#include "gradatim/core/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/byte_gradient.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "core/kernels/bytes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

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

// What is not zero of a column of up to kTileRows bytes, which are followed by zeros up to a whole
// mask. A list is walked through in one loop, whose end is mispredicted once, where masks have one
// each; but it takes an instruction that most sets have not.
#if HWY_TARGET <= HWY_AVX3_DL
class NonZeros {
 public:
  void Find(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count) {
    const hn::ScalableTag<std::uint16_t> d;
    const hn::Rebind<std::uint8_t, decltype(d)> narrow;
    const std::size_t lanes = hn::Lanes(d);
    const auto step = hn::Set(d, static_cast<std::uint16_t>(lanes << kValueBits));
    auto place = hn::ShiftLeft<kValueBits>(hn::Iota(d, 0));
    count_ = 0;
    for (std::size_t i = 0; i < count; i += lanes, place = hn::Add(place, step)) {
      const auto value = hn::PromoteTo(d, hn::LoadU(narrow, bytes + i));
      const auto is_some = hn::Ne(value, hn::Zero(d));
      hn::StoreU(hn::Compress(hn::Or(place, value), is_some), d, list_ + count_);
      count_ += hn::CountTrue(d, is_some);
    }
    // What makes the last one a pair is zero, at a place that there is (an infinity there, which
    // is in the sum already, may so become NaN).
    list_[count_] = static_cast<std::uint16_t>(count_ == 0 ? 0 : list_[count_ - 1] & ~kValue);
  }

  // panel += sum over them of byte · rows[place · stride, ...]
  template <std::size_t V>
  HWY_INLINE void AddTo(RowPanel<V>& panel, const std::uint8_t*, const float* HWY_RESTRICT rows,
                        std::size_t stride) const {
    const auto add = [&](std::size_t entry, FloatVector(&to)[V]) HWY_ATTR {
      RowPanel<V>::AddProduct(entry & kValue, rows + (entry >> kValueBits) * stride, to);
    };
    RowPanel<V> odd;
    odd.Clear();
    for (std::size_t i = 0; i < count_; i += 2) {
      add(list_[i], panel.sum);
      add(list_[i + 1], odd.sum);
    }
    panel.Add(odd);
  }

 private:
  static constexpr int kValueBits = 8;
  static constexpr std::size_t kValue = 0xFF;
  static_assert(kTileRows <= std::size_t{1} << (16 - kValueBits));

  std::size_t count_ = 0;
  std::uint16_t list_[kTileRows + hn::MaxLanes(hn::ScalableTag<std::uint16_t>())];  // place, value
};
#else
class NonZeros {
 public:
  void Find(const std::uint8_t* HWY_RESTRICT bytes, std::size_t count) {
    count_ = count;
    for (std::size_t i = 0; i < count; i += kMaskBits)
      masks_[i / kMaskBits] = NonZeroMask(bytes + i);
  }

  // panel += sum over them of byte · rows[place · stride, ...]
  template <std::size_t V>
  HWY_INLINE void AddTo(RowPanel<V>& panel, const std::uint8_t* HWY_RESTRICT bytes,
                        const float* HWY_RESTRICT rows, std::size_t stride) const {
    for (std::size_t i = 0; i < count_; i += kMaskBits)
      panel.Add(masks_[i / kMaskBits], bytes + i, rows + i * stride, stride);
  }

 private:
  std::size_t count_ = 0;
  std::uint64_t masks_[kTileRows / kMaskBits] = {};
};
#endif

void ByteGemmTransposed(TensorView<const std::uint8_t> bytes, float scale, ConstTensorView dy,
                        std::size_t first, TensorView<float> dw) {
  const std::size_t inputs = bytes.shape()[1];
  const std::size_t units = dw.shape()[1];
  const std::size_t stride = dy.shape()[1];
  alignas(kAlignment) std::uint8_t tile[kTile][kTileRows];
  NonZeros some[kTile];
  for (std::size_t r = 0; r < bytes.rows(); r += kTileRows) {
    const std::size_t rows = std::min(kTileRows, bytes.rows() - r);
    for (std::size_t i = 0; i < dw.rows(); i += kTile) {
      const std::size_t columns = std::min(kTile, dw.rows() - i);
      TransposeTile(bytes.data() + r * inputs + first + i, inputs, rows, columns, tile);
      for (std::size_t c = 0; c < columns; ++c) some[c].Find(tile[c], rows);
      for (std::size_t c = 0; c < columns; ++c) {
        ForEachRowPanel(units, [&]<std::size_t V>(std::size_t column) HWY_ATTR {
          RowPanel<V> panel;
          panel.Clear();
          some[c].AddTo(panel, tile[c], dy.data() + r * stride + column, stride);
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
#include "core/kernels/checks.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(ByteGemmTransposed);
}  // namespace

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
