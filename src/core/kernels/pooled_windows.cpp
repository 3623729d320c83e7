#include "core/kernels/pooled_windows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/pooled_windows.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

void PoolLines(const LinePairs& lines, const float* x, bool relu, float* y, std::uint8_t* places) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> d32;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const std::size_t line = 2 * lines.width * lines.filters;
  for (std::size_t j = 0; j < lines.pairs * lines.width; ++j, x += lines.filters) {
    if (j != 0 && j % lines.width == 0) x += line;
    for (std::size_t f = 0; f < lines.filters; f += hn::Lanes(d), x += hn::Lanes(d)) {
      const auto a = hn::LoadU(d, x);
      const auto b = hn::LoadU(d, x + lines.filters);
      const auto c = hn::LoadU(d, x + line);
      const auto e = hn::LoadU(d, x + line + lines.filters);
      auto top = MaxOrNan(MaxOrNan(a, b), MaxOrNan(c, e));
      if (places != nullptr) {
        auto place =
            hn::IfThenElse(hn::RebindMask(d32, hn::Eq(c, top)), hn::Set(d32, 2), hn::Set(d32, 3));
        place = hn::IfThenElse(hn::RebindMask(d32, hn::Eq(b, top)), hn::Set(d32, 1), place);
        place = hn::IfThenZeroElse(hn::RebindMask(d32, hn::Eq(a, top)), place);
        hn::StoreU(hn::DemoteTo(d8, place), d8, places);
        places += hn::Lanes(d);
      }
      if (relu) top = hn::IfThenZeroElse(hn::Le(top, hn::Zero(d)), top);
      hn::StoreU(top, d, y);
      y += hn::Lanes(d);
    }
  }
}

void SpreadPooled(const ImageOfFilters& image, const float* pooled, const std::uint8_t* places,
                  float* dy) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> d32;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const std::size_t line = image.width * image.filters;
  for (std::size_t i = 0; i < image.height / 2; ++i)
    for (std::size_t j = 0; j < image.width / 2; ++j) {
      float* corner = dy + 2 * i * line + 2 * j * image.filters;
      for (std::size_t f = 0; f < image.filters; f += hn::Lanes(d)) {
        const auto value = hn::LoadU(d, pooled + f);
        const auto place = hn::PromoteTo(d32, hn::LoadU(d8, places + f));
        const auto store = [&](std::int32_t n, float* to) HWY_ATTR {
          const auto here = hn::RebindMask(d, hn::Eq(place, hn::Set(d32, n)));
          hn::StoreU(hn::IfThenElseZero(here, value), d, to + f);
        };
        store(0, corner);
        store(1, corner + image.filters);
        store(2, corner + line);
        store(3, corner + line + image.filters);
      }
      pooled += image.filters;
      places += image.filters;
    }
}

std::size_t KeepNonzero(std::span<const float> dy, std::span<const float> y,
                        const SparseGradient& kept) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> d32;
  const std::size_t lanes = hn::Lanes(d);
  const auto step = hn::Set(d32, static_cast<std::uint32_t>(lanes));
  auto position = hn::Iota(d32, 0);
  std::size_t count = 0;
  for (std::size_t i = 0; i < dy.size(); i += lanes, position = hn::Add(position, step)) {
    const auto inside = hn::FirstN(d, std::min(lanes, dy.size() - i));
    auto value = LoadMasked(inside, d, dy.data() + i);
    if (!y.empty()) {
      const auto out = LoadMasked(inside, d, y.data() + i);
      value = hn::IfThenElseZero(hn::Gt(out, hn::Zero(d)), value);
    }
    const auto wanted = hn::Not(hn::Eq(value, hn::Zero(d)));  // NaN too
    // In registers first: a compressing store is slow on Zen 4.
    hn::StoreU(hn::Compress(value, wanted), d, kept.values.data() + count);
    hn::StoreU(hn::Compress(position, hn::RebindMask(d32, wanted)), d32,
               kept.positions.data() + count);
    count += hn::CountTrue(d, wanted);
  }
  return count;
}

// R lines of V vectors of every window. Every second value goes to sums of its
// own, so that consecutive ones do not wait for each other.
template <std::size_t R, std::size_t V, class D>
void AddPart(D d, const float* HWY_RESTRICT image, std::size_t stride,
             std::span<const float> values, std::span<const std::uint32_t> offsets, float* sums,
             std::size_t line) {
  constexpr std::size_t kChains = R * V <= 8 ? 2 : 1;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<D> sum[kChains][R * V];
  for (std::size_t n = 0; n < R * V; ++n) {
    sum[0][n] = hn::LoadU(d, sums + n / V * line + n % V * lanes);
    if constexpr (kChains == 2) sum[1][n] = hn::Zero(d);
  }
  const auto add = [&](std::size_t i, hn::Vec<D>(&to)[R * V]) HWY_ATTR {
    const auto value = hn::Set(d, values[i]);
    const float* window = image + offsets[i];
    for (std::size_t n = 0; n < R * V; ++n)
      to[n] = hn::MulAdd(value, hn::LoadU(d, window + n / V * stride + n % V * lanes), to[n]);
  };
  std::size_t i = 0;
  for (; i + kChains <= values.size(); i += kChains)
    for (std::size_t chain = 0; chain < kChains; ++chain) add(i + chain, sum[chain]);
  if (i < values.size()) add(i, sum[0]);
  for (std::size_t n = 0; n < R * V; ++n) {
    if constexpr (kChains == 2) sum[0][n] = hn::Add(sum[0][n], sum[1][n]);
    hn::StoreU(sum[0][n], d, sums + n / V * line + n % V * lanes);
  }
}

template <std::size_t V, class D>
void AddColumns(D d, const float* image, const ChannelsLast& windows, std::span<const float> values,
                std::span<const std::uint32_t> offsets, float* sums, std::size_t line) {
  const auto rows = [&]<std::size_t R>(std::size_t r) HWY_ATTR {
    AddPart<R, V>(d, image + r * windows.stride, windows.stride, values, offsets, sums + r * line,
                  line);
  };
  std::size_t r = 0;
  for (; r + 5 <= windows.size; r += 5) rows.template operator()<5>(r);
  for (; r + 3 <= windows.size; r += 3) rows.template operator()<3>(r);
  for (; r < windows.size; ++r) rows.template operator()<1>(r);
}

template <class D>
void AddWindowsOf(D d, const float* image, const ChannelsLast& windows,
                  std::span<const float> values, std::span<const std::uint32_t> offsets,
                  float* sums) {
  const std::size_t line = window_line(windows.size, windows.channels);
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t width = windows.size * windows.channels;
  std::size_t column = 0;
  for (; column + 2 * lanes < width; column += 3 * lanes)
    AddColumns<3>(d, image + column, windows, values, offsets, sums + column, line);
  for (; column + lanes < width; column += 2 * lanes)
    AddColumns<2>(d, image + column, windows, values, offsets, sums + column, line);
  for (; column < width; column += lanes)
    AddColumns<1>(d, image + column, windows, values, offsets, sums + column, line);
}

void AddWindows(const float* image, const ChannelsLast& windows, std::span<const float> values,
                std::span<const std::uint32_t> offsets, float* sums) {
  // Where vectors are short, both are the same. NOLINTNEXTLINE(bugprone-branch-clone)
  if (windows.size * windows.channels <= 8)
    AddWindowsOf(hn::CappedTag<float, 8>(), image, windows, values, offsets, sums);
  else
    AddWindowsOf(hn::CappedTag<float, 16>(), image, windows, values, offsets, sums);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(PoolLines);
HWY_EXPORT(SpreadPooled);
HWY_EXPORT(KeepNonzero);
HWY_EXPORT(AddWindows);
}  // namespace

void pool_lines(const LinePairs& lines, const float* x, bool relu, float* y, std::uint8_t* places) {
  HWY_DYNAMIC_DISPATCH(PoolLines)(lines, x, relu, y, places);
}

void spread_pooled(const ImageOfFilters& image, const float* pooled, const std::uint8_t* places,
                   float* dy) {
  HWY_DYNAMIC_DISPATCH(SpreadPooled)(image, pooled, places, dy);
}

std::size_t keep_nonzero(std::span<const float> dy, std::span<const float> y,
                         const SparseGradient& kept) {
  return HWY_DYNAMIC_DISPATCH(KeepNonzero)(dy, y, kept);
}

std::size_t window_line(std::size_t size, std::size_t channels) {
  constexpr std::size_t kVector = 16;  // floats, at most
  return (size * channels + kVector - 1) / kVector * kVector;
}

void add_windows(const float* image, const ChannelsLast& windows, std::span<const float> values,
                 std::span<const std::uint32_t> offsets, float* sums) {
  HWY_DYNAMIC_DISPATCH(AddWindows)(image, windows, values, offsets, sums);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
