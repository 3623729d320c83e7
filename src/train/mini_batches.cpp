#include "train/mini_batches.hpp"

#include "gradatim/core/kernels.hpp"

namespace gradatim {
namespace {

// Share of zero bytes from which byte_gemm beats converting and multiplying densely; measured in
// bench/METHOD.md. A property of the data, so the path, and with it every bit, is always the same.
constexpr double kEnoughZeros = 0.2;

bool mostly_worth_skipping(const ByteTensor& images) {
  const auto zeros = static_cast<double>(kernels::count_zeros(images.values()));
  return zeros >= kEnoughZeros * static_cast<double>(images.size());
}

}  // namespace

MiniBatches::MiniBatches(const Split& split, const BatchPlan& plan, bool network_accepts_bytes)
    : split_(&split),
      sampler_(plan),
      as_bytes_(network_accepts_bytes && mostly_worth_skipping(split.images)),
      labels_(plan.batch) {
  const Shape shape = {plan.batch, split.images.view().row_size()};
  if (as_bytes_)
    bytes_ = ByteTensor(shape);
  else
    floats_ = Tensor(shape);
}

Batch MiniBatches::gather(std::size_t step) {
  const std::span<const std::uint32_t> indices = sampler_.indices(step);
  const std::span<std::int32_t> labels = std::span(labels_).first(indices.size());
  Batch batch{.targets = {.labels = labels}};
  if (as_bytes_) {
    const auto inputs = bytes_.view().slice(0, indices.size());
    gradatim::gather(*split_, indices, inputs, labels);
    batch.inputs = ByteInputs{inputs, kByteScale};
  } else {
    const auto inputs = floats_.view().slice(0, indices.size());
    gradatim::gather(*split_, indices, inputs, labels);
    batch.inputs = ConstTensorView(inputs);
  }
  return batch;
}

}  // namespace gradatim
