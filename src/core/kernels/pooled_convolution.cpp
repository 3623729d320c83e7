// Convolution::forward_pooled; the way back is in pooled_gradient.cpp.
#include <algorithm>

#include "core/kernels/checks.hpp"
#include "core/kernels/convolution_primitives.hpp"
#include "core/kernels/pooled_windows.hpp"

namespace gradatim::kernels {
namespace {

// Memory of the calling thread, kept for its next convolution.
std::span<float> scratch(std::size_t count) {
  thread_local AlignedVector<float> memory;
  if (memory.size() < count) memory.resize(count);
  return std::span(memory).first(count);
}

std::size_t blocks_of(std::size_t channels, std::size_t block) {
  return (channels + block - 1) / block;
}

}  // namespace

ImageShape Convolution::pooled_output() const {
  const ImageShape y = output();
  return {y.channels, y.height / 2, y.width / 2};
}

std::size_t Convolution::places() const {
  const ImageShape y = pooled_output();
  const std::size_t block = primitives_->result_block();
  return blocks_of(y.channels, block) * block * y.height * y.width;
}

void Convolution::forward_pooled(std::span<const float> w, std::span<const float> b, bool relu,
                                 ConstTensorView x, TensorView<float> y,
                                 TensorView<std::uint8_t> places) const {
  check_sizes("convolution weights", weights(), {w.size()});
  check_sizes("convolution bias", output().channels, {b.size()});
  check_shape("convolution", {x.rows(), primitives_->image.size()}, x.shape());
  check_shape("convolution", {x.rows(), pooled_output().size()}, y.shape());
  reporting([&] {
    const Forward& f = primitives_->forward.get([&] { return primitives_->make_forward(); });
    const ImageShape before = output();
    const std::size_t block = primitives_->result_block();
    const BlockedImages images{block, blocks_of(before.channels, block), before.height,
                               before.width};
    const std::size_t area = before.height * before.width / 4;
    const std::span<float> pooled = scratch(images.blocks * block * area);
    Scratch memory{f.x.inside, f.w.inside, f.b.inside, f.y.inside, f.scratchpad};
    Passage input(f.x, x.data(), memory);
    Passage weight(f.w, w.data(), memory);
    Passage bias(f.b, b.data(), memory);
    const dnnl::memory result = memory.take(f.y.inside);
    const dnnl::memory scratchpad = memory.take(f.scratchpad);
    weight.carry_in();
    bias.carry_in();
    for (std::size_t i = 0; i < x.rows(); ++i) {
      input.move_to(x.row(i).data());
      input.carry_in();
      f.primitive.execute(stream(), {{DNNL_ARG_SRC, input.inner()},
                                     {DNNL_ARG_WEIGHTS, weight.inner()},
                                     {DNNL_ARG_BIAS, bias.inner()},
                                     {DNNL_ARG_DST, result},
                                     {DNNL_ARG_SCRATCHPAD, scratchpad}});
      pool_blocks(images, static_cast<const float*>(result.get_data_handle()), relu,
                  block == 1 ? y.row(i).data() : pooled.data(),
                  places.size() == 0 ? nullptr : places.row(i).data());
      if (block != 1) unpack_channels(pooled.data(), block, before.channels, area, y.row(i).data());
    }
  });
}

}  // namespace gradatim::kernels
