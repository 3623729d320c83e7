// What the products with bytes share: masks of the bytes that are not zero, and panels of the sums
// of one row. Included once per instruction set by the kernel files.
#if defined(GRADATIM_CORE_KERNELS_BYTES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADATIM_CORE_KERNELS_BYTES_INL_H
#undef GRADATIM_CORE_KERNELS_BYTES_INL_H
#else
#define GRADATIM_CORE_KERNELS_BYTES_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr std::size_t kMaskBits = 64;  // bytes a mask covers

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

  static HWY_INLINE void AddProduct(std::size_t byte, const float* HWY_RESTRICT row,
                                    FloatVector (&to)[V]) {
    const FloatTag d;
    const auto value = hn::Set(d, kByteValue[byte]);
    for (std::size_t v = 0; v < V; ++v)
      to[v] = hn::MulAdd(value, hn::LoadU(d, row + v * hn::Lanes(d)), to[v]);
  }

  // += sum over the set bits i of bytes[i] · rows[i · stride, ...]. Where the vectors are few,
  // every second product goes to a sum of its own, so that consecutive ones do not wait for each
  // other.
  HWY_INLINE void Add(std::uint64_t mask, const std::uint8_t* HWY_RESTRICT bytes,
                      const float* HWY_RESTRICT rows, std::size_t stride) {
    const auto add_first = [&](FloatVector(&to)[V]) HWY_ATTR {
      const auto i = static_cast<std::size_t>(std::countr_zero(mask));
      AddProduct(bytes[i], rows + i * stride, to);
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

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled include guard
