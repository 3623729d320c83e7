// What a program's plan comes to, for people.
#include <thread>

#include "gradatim/core/convolution.hpp"
#include "nn/plan.hpp"

namespace gradatim {

std::size_t Program::workspace_bytes() const {
  const Plan& plan = *plan_;
  std::size_t floats = plan.d_memory.size();
  for (const Tensor& buffer : plan.partial_gradients) floats += buffer.size();
  for (const Tensor& buffer : plan.outputs) floats += buffer.size();
  for (const Tensor& buffer : plan.d_outputs) floats += buffer.size();
  std::size_t bytes = floats * sizeof(float);
  if (plan.byte_layer != nullptr) bytes += plan.byte_layer->memory_bytes();
  for (const ByteTensor& buffer : plan.places) bytes += buffer.size();
  for (const BatchSums& sums : plan.batch_sums)
    bytes += (sums.partial.size() + sums.sums.size()) * sizeof(double) +
             (sums.statistics.size() + sums.slopes.size()) * sizeof(float);
  return bytes;
}

// Counted on a thread that keeps nothing yet.
std::size_t Program::thread_bytes() const {
  std::size_t bytes = 0;
  std::thread([&] {
    plan_->reserve();
    bytes = kernels::thread_bytes();
  }).join();
  return bytes;
}

std::vector<PlannedLayer> Program::planned_layers() const {
  const Plan& plan = *plan_;
  std::vector<PlannedLayer> layers;
  for (std::size_t i = 0; i < plan.operations.size(); ++i) {
    const std::size_t slot = plan.slot[i];
    const GradientSlot& gradient = plan.d_slots[slot];
    const bool own = gradient.own_memory;
    layers.push_back(
        {.name = plan.reordered.label(i),
         .output = plan.operations[i]->output(),
         .parameters = plan.parameter_count(i),
         .operations = plan.operations[i]->operations_per_row(),
         .buffer = slot + 1,
         .buffer_bytes = plan.outputs[slot].size() * sizeof(float),
         .gradient_bytes =
             (own ? plan.d_outputs[slot].size() : gradient.floats * gradient.tasks) * sizeof(float),
         .shared_gradient = !own});
  }
  return layers;
}

}  // namespace gradatim
