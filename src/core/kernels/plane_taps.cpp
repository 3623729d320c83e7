#include "core/kernels/plane_taps.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/plane_taps.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <algorithm>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

using TapTag = hn::CappedTag<float, 16>;

constexpr std::size_t kVectors = 8;   // of y at a time
constexpr std::size_t kSums = 9;      // taps whose gradients are summed at a time
constexpr std::size_t kBlock = 4096;  // values that a sum runs over before it is added

template <std::size_t V>
void AddTapsTo(const Taps& taps, const float* HWY_RESTRICT w, const float* HWY_RESTRICT x,
               float* HWY_RESTRICT y) {
  const TapTag d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<TapTag> sum[V];
  for (std::size_t i = 0; i < V; ++i) sum[i] = hn::LoadU(d, y + i * lanes);
  for (std::size_t u = 0; u < taps.lines; ++u) {
    const float* from = x + static_cast<std::ptrdiff_t>(u) * taps.line_step;
    for (std::size_t v = 0; v < taps.columns; ++v, from += taps.step) {
      const auto weight = hn::Set(d, w[u * taps.w_line_step + v * taps.w_step]);
      for (std::size_t i = 0; i < V; ++i)
        sum[i] = hn::MulAdd(weight, hn::LoadU(d, from + i * lanes), sum[i]);
    }
  }
  for (std::size_t i = 0; i < V; ++i) hn::StoreU(sum[i], d, y + i * lanes);
}

void AddTaps(const Taps& taps, const float* w, const float* x, std::size_t count, float* y) {
  const std::size_t lanes = hn::Lanes(TapTag());
  for (std::size_t t = 0; t < count;) {
    const std::size_t vectors = std::min(kVectors, (count - t) / lanes);
    WithCount<kVectors>(vectors,
                        [&]<std::size_t V>() HWY_ATTR { AddTapsTo<V>(taps, w, x + t, y + t); });
    t += vectors * lanes;
  }
}

// The gradient of K weights from tap `first` on, counted along the lines.
template <std::size_t K>
void AddGradientOf(const Taps& taps, std::size_t first, const float* x,
                   const float* HWY_RESTRICT dy, std::size_t count, float* dw) {
  const TapTag d;
  const float* at[K];
  hn::Vec<TapTag> sum[K];
  for (std::size_t k = 0; k < K; ++k) {
    const std::size_t u = (first + k) / taps.columns;
    const std::size_t v = (first + k) % taps.columns;
    at[k] = x + static_cast<std::ptrdiff_t>(u) * taps.line_step +
            static_cast<std::ptrdiff_t>(v) * taps.step;
    sum[k] = hn::Zero(d);
  }
  for (std::size_t t = 0; t < count; t += hn::Lanes(d)) {
    const auto value = hn::LoadU(d, dy + t);
    for (std::size_t k = 0; k < K; ++k) sum[k] = hn::MulAdd(value, hn::LoadU(d, at[k] + t), sum[k]);
  }
  for (std::size_t k = 0; k < K; ++k) {
    const std::size_t u = (first + k) / taps.columns;
    const std::size_t v = (first + k) % taps.columns;
    dw[u * taps.w_line_step + v * taps.w_step] += hn::GetLane(hn::SumOfLanes(d, sum[k]));
  }
}

void AddTapsGradient(const Taps& taps, const float* x, const float* dy, std::size_t count,
                     float* dw) {
  const std::size_t all = taps.lines * taps.columns;
  for (std::size_t t = 0; t < count; t += kBlock)
    for (std::size_t first = 0, left = (all + kSums - 1) / kSums; left > 0; --left) {
      const std::size_t now = (all - first + left - 1) / left;
      WithCount<kSums>(now, [&]<std::size_t K>() HWY_ATTR {
        AddGradientOf<K>(taps, first, x + t, dy + t, std::min(kBlock, count - t), dw);
      });
      first += now;
    }
}

// The last vector of a line begins before its end and copies some values twice.
void CopyLines(std::size_t lines, std::size_t width, const float* HWY_RESTRICT from,
               std::size_t from_step, float* HWY_RESTRICT to, std::size_t to_step) {
  const hn::CappedTag<float, 8> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < lines; ++i, from += from_step, to += to_step) {
    if (width < lanes) {
      for (std::size_t j = 0; j < width; ++j) to[j] = from[j];
      continue;
    }
    for (std::size_t j = 0; j + lanes < width; j += lanes)
      hn::StoreU(hn::LoadU(d, from + j), d, to + j);
    hn::StoreU(hn::LoadU(d, from + width - lanes), d, to + width - lanes);
  }
}

// Calls f(k) for pairs [k, k + lanes) of a line until all are met, some of them twice where the
// last vector begins before their end; one(k) for each where there are fewer.
template <class F, class One>
HWY_INLINE void ForEachVectorOfPairs(std::size_t pairs, std::size_t lanes, const F& f,
                                     const One& one) {
  if (pairs < lanes) {
    for (std::size_t k = 0; k < pairs; ++k) one(k);
    return;
  }
  for (std::size_t k = 0; k + lanes < pairs; k += lanes) f(k);
  f(pairs - lanes);
}

using PairTag = hn::CappedTag<float, 4>;

void SplitLine(std::span<const float> line, float* HWY_RESTRICT first, float* HWY_RESTRICT second) {
  const PairTag d;
  const float* HWY_RESTRICT from = line.data();
  ForEachVectorOfPairs(
      line.size() / 2, hn::Lanes(d),
      [&](std::size_t k) HWY_ATTR {
        hn::Vec<PairTag> even;
        hn::Vec<PairTag> odd;
        hn::LoadInterleaved2(d, from + 2 * k, even, odd);
        hn::StoreU(even, d, first + k);
        hn::StoreU(odd, d, second + k);
      },
      [&](std::size_t k) {
        first[k] = from[2 * k];
        second[k] = from[2 * k + 1];
      });
  if (line.size() % 2 != 0) first[line.size() / 2] = line.back();
}

void JoinLine(const float* HWY_RESTRICT first, const float* HWY_RESTRICT second,
              std::span<float> line) {
  const PairTag d;
  float* HWY_RESTRICT to = line.data();
  ForEachVectorOfPairs(
      line.size() / 2, hn::Lanes(d),
      [&](std::size_t k) HWY_ATTR {
        hn::StoreInterleaved2(hn::LoadU(d, first + k), hn::LoadU(d, second + k), d, to + 2 * k);
      },
      [&](std::size_t k) {
        to[2 * k] = first[k];
        to[2 * k + 1] = second[k];
      });
  if (line.size() % 2 != 0) line.back() = first[line.size() / 2];
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(AddTaps);
HWY_EXPORT(AddTapsGradient);
HWY_EXPORT(CopyLines);
HWY_EXPORT(SplitLine);
HWY_EXPORT(JoinLine);
}  // namespace

void add_taps(const Taps& taps, const float* w, const float* x, std::size_t count, float* y) {
  HWY_DYNAMIC_DISPATCH(AddTaps)(taps, w, x, count, y);
}

void add_taps_gradient(const Taps& taps, const float* x, const float* dy, std::size_t count,
                       float* dw) {
  HWY_DYNAMIC_DISPATCH(AddTapsGradient)(taps, x, dy, count, dw);
}

void copy_lines(std::size_t lines, std::size_t width, const float* from, std::size_t from_step,
                float* to, std::size_t to_step) {
  HWY_DYNAMIC_DISPATCH(CopyLines)(lines, width, from, from_step, to, to_step);
}

void split_line(std::span<const float> line, float* first, float* second) {
  HWY_DYNAMIC_DISPATCH(SplitLine)(line, first, second);
}

void join_line(const float* first, const float* second, std::span<float> line) {
  HWY_DYNAMIC_DISPATCH(JoinLine)(first, second, line);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
