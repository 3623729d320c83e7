#include "core/kernels/channel_blocks.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/channel_blocks.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void UnpackOneByOne(const float* blocked, std::size_t block, std::size_t channel, std::size_t area,
                    std::size_t first, float* planes) {
  const float* from = blocked + channel / block * area * block + channel % block;
  for (std::size_t p = first; p < area; ++p) planes[channel * area + p] = from[p * block];
}

#if HWY_TARGET == HWY_SCALAR
void Unpack(const float* blocked, std::size_t block, std::size_t channels, std::size_t area,
            float* planes) {
  for (std::size_t c = 0; c < channels; ++c) UnpackOneByOne(blocked, block, c, area, 0, planes);
}
#else
// 4 pixels of 4 channels, transposed in registers.
HWY_INLINE void UnpackTile(const float* from, std::size_t block, std::size_t area, float* to) {
  const hn::Full128<float> d;
  const auto a = hn::LoadU(d, from);
  const auto b = hn::LoadU(d, from + block);
  const auto e = hn::LoadU(d, from + 2 * block);
  const auto f = hn::LoadU(d, from + 3 * block);
  const auto low = hn::InterleaveLower(d, a, b);
  const auto high = hn::InterleaveUpper(d, a, b);
  const auto low2 = hn::InterleaveLower(d, e, f);
  const auto high2 = hn::InterleaveUpper(d, e, f);
  hn::StoreU(hn::ConcatLowerLower(d, low2, low), d, to);
  hn::StoreU(hn::ConcatUpperUpper(d, low2, low), d, to + area);
  hn::StoreU(hn::ConcatLowerLower(d, high2, high), d, to + 2 * area);
  hn::StoreU(hn::ConcatUpperUpper(d, high2, high), d, to + 3 * area);
}

void Unpack(const float* blocked, std::size_t block, std::size_t channels, std::size_t area,
            float* planes) {
  const std::size_t whole = channels / 4 * 4;
  const std::size_t tiled = area / 4 * 4;
  for (std::size_t c = 0; c < whole; c += 4) {
    const float* from = blocked + c / block * area * block + c % block;
    for (std::size_t p = 0; p < tiled; p += 4)
      UnpackTile(from + p * block, block, area, planes + c * area + p);
  }
  for (std::size_t c = 0; c < channels; ++c)
    UnpackOneByOne(blocked, block, c, area, c < whole ? tiled : 0, planes);
}
#endif

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(Unpack);
}  // namespace

void unpack_channels(const float* blocked, std::size_t block, std::size_t channels,
                     std::size_t area, float* planes) {
  HWY_DYNAMIC_DISPATCH(Unpack)(blocked, block, channels, area, planes);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
