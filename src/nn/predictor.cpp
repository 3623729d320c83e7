#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/joining.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/dense.hpp"
#include "nn/joints.hpp"
#include "nn/pooled_convolution.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kRowBlock = 64;     // rows taken through all layers at a time
constexpr std::size_t kWorthPacking = 8;  // rows from which packing the first weight pays

// Memory of the calling thread, kept for its next prediction.
std::span<float> scratch(std::size_t floats) {
  thread_local AlignedVector<float> memory;
  if (memory.size() < floats) memory.resize(floats);
  return std::span(memory).first(floats);
}

// Its forward then copies, or has nothing to do where output and input are the same memory.
bool passes_on(const Operation& operation) {
  return operation.renames() || operation.drop_rate() > 0;
}

}  // namespace

struct Predictor::Plan {
  struct Step {
    std::unique_ptr<const Operation> operation;
    std::size_t first_parameter = 0;
    std::size_t parameters = 0;
    std::size_t values = 0;              // of one output sample
    std::size_t block = 0;               // that it is written to
    std::optional<std::size_t> added{};  // the value that is added to the output
  };
  // What run() needs of a thread's scratch.
  struct Memory {
    std::span<float> blocks;  // each of kRowBlock samples of the widest layer
    std::span<float> first;   // packed weight, or inputs as floats
  };

  explicit Plan(const Network& network);
  std::size_t check(std::span<const float> theta, const Shape& inputs, const Shape& outputs) const;
  void plan_blocks(const Joints& joints);
  Memory memory(std::size_t first_floats) const;
  TensorView<float> output_block(std::size_t layer, std::size_t rows, const Memory& memory) const;
  std::span<const float> parameters_of(std::size_t layer, std::span<const float> theta) const;
  void run(std::span<const float> theta, std::size_t first_layer, ConstTensorView x,
           TensorView<float> output, const Memory& memory) const;
  void predict_as_floats(std::span<const float> theta, TensorView<const std::uint8_t> x,
                         float scale, TensorView<float> y) const;
  void predict_bytes(std::span<const float> theta, TensorView<const std::uint8_t> x, float scale,
                     TensorView<float> y) const;

  std::vector<Step> steps;
  const DenseOperation* byte_layer = nullptr;  // the first operation, if it takes bytes
  std::size_t inputs;                          // values of one input sample
  std::size_t widest = 1;                      // values of the largest output sample
  std::size_t blocks = 0;
  std::size_t parameters = 0;
};

Predictor::Plan::Plan(const Network& network) : inputs(network.input.size()) {
  auto operations = make_fused_operations(pooled_before_relu(network).network);
  const Joints joints(operations);
  for (auto& operation : operations) {
    Step step;
    step.first_parameter = parameters;
    for (const ParameterSpec& spec : operation->parameters()) step.parameters += spec.shape.size();
    step.values = operation->output().size();
    parameters += step.parameters;
    widest = std::max(widest, step.values);
    step.operation = std::move(operation);
    steps.push_back(std::move(step));
  }
  plan_blocks(joints);
  if (!joints.is_read_later(0))
    byte_layer = dynamic_cast<const DenseOperation*>(steps[0].operation.get());
}

// An output stays in the block of the input where it is the same values, or where they may be
// overwritten. Otherwise it gets the first block that holds nothing that is read from there on.
void Predictor::Plan::plan_blocks(const Joints& joints) {
  std::vector<std::size_t> last_use;  // of each block, by a layer
  const auto stays = [&](std::size_t layer) {
    if (layer == 0) return false;
    const Operation& operation = *steps[layer].operation;
    if (passes_on(operation)) return true;
    const bool in_place = operation.in_place() || operation.adds_input_back() > 0;
    return in_place && last_use[steps[layer - 1].block] <= layer;
  };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i].added = joints.added_to(i);
    const std::size_t use = joints.is_read_later(i + 1) ? joints.readers(i + 1).back() : i + 1;
    if (stays(i)) {
      steps[i].block = steps[i - 1].block;
    } else {
      const auto free = std::ranges::find_if(last_use, [&](std::size_t last) { return last < i; });
      steps[i].block = static_cast<std::size_t>(free - last_use.begin());
      if (free == last_use.end()) last_use.push_back(use);
    }
    std::size_t& last = last_use[steps[i].block];
    last = std::max(last, use);
  }
  blocks = last_use.size();
}

// Returns the number of rows.
std::size_t Predictor::Plan::check(std::span<const float> theta, const Shape& input,
                                   const Shape& output) const {
  const std::size_t rows = input.rank() == 0 ? 0 : input[0];
  const std::size_t values = steps.back().values;
  if (theta.size() != parameters || input.size() != rows * inputs || output.size() != rows * values)
    throw ShapeError(fmt::format(
        "predict: expected {} parameters, inputs (rows, {}) and outputs (rows, {}); got {}, {} and "
        "{}",
        parameters, inputs, values, theta.size(), input.to_string(), output.to_string()));
  return rows;
}

Predictor::Plan::Memory Predictor::Plan::memory(std::size_t first_floats) const {
  const std::size_t all_blocks = blocks * kernels::packed_columns(kRowBlock * widest);
  const std::span<float> all = scratch(all_blocks + first_floats);
  return {all.first(all_blocks), all.subspan(all_blocks)};
}

TensorView<float> Predictor::Plan::output_block(std::size_t layer, std::size_t rows,
                                                const Memory& memory) const {
  const Step& step = steps[layer];
  const std::size_t first = step.block * kernels::packed_columns(kRowBlock * widest);
  return {memory.blocks.subspan(first, rows * step.values), {rows, step.values}};
}

std::span<const float> Predictor::Plan::parameters_of(std::size_t layer,
                                                      std::span<const float> theta) const {
  return theta.subspan(steps[layer].first_parameter, steps[layer].parameters);
}

// Layers from first_layer on, x being what enters it: the last layer writes the output.
void Predictor::Plan::run(std::span<const float> theta, std::size_t first_layer, ConstTensorView x,
                          TensorView<float> output, const Memory& memory) const {
  const std::size_t rows = output.rows();
  const ConstTensorView input = x;
  for (std::size_t i = first_layer; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const TensorView<float> y = i + 1 == steps.size() ? output : output_block(i, rows, memory);
    step.operation->forward(parameters_of(i, theta), x, y);
    if (step.added) {
      const ConstTensorView added =
          *step.added == 0 ? input : output_block(*step.added - 1, rows, memory);
      kernels::add_to(added.values(), y.values());
    }
    x = y;
  }
}

void Predictor::Plan::predict_as_floats(std::span<const float> theta,
                                        TensorView<const std::uint8_t> x, float scale,
                                        TensorView<float> y) const {
  const std::size_t block = std::min(kRowBlock, x.rows());
  const Memory at = memory(block * inputs);
  for (std::size_t first = 0; first < x.rows(); first += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, x.rows() - first);
    const TensorView<float> floats(at.first.first(count * inputs), {count, inputs});
    kernels::bytes_to_float(x.slice(first, count).values(), scale, floats.values());
    run(theta, 0, floats, y.slice(first, count), at);
  }
}

// Skips zeros, from the packed weight of the first layer.
void Predictor::Plan::predict_bytes(std::span<const float> theta, TensorView<const std::uint8_t> x,
                                    float scale, TensorView<float> y) const {
  const Shape packed_shape = byte_layer->packed_weight();
  const Memory at = memory(packed_shape.size());
  const TensorView<float> packed(at.first, packed_shape);
  byte_layer->pack_weight(parameters_of(0, theta), packed);
  for (std::size_t first = 0; first < x.rows(); first += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, x.rows() - first);
    const TensorView<float> output = y.slice(first, count);
    const TensorView<float> hidden = steps.size() == 1 ? output : output_block(0, count, at);
    byte_layer->forward_bytes(parameters_of(0, theta), x.slice(first, count), scale, packed,
                              hidden);
    run(theta, 1, hidden, output, at);
  }
}

Predictor::Predictor(const Network& network) : plan_(std::make_unique<Plan>(network)) {}

Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

void Predictor::predict(std::span<const float> theta, ConstTensorView inputs,
                        TensorView<float> outputs) const {
  const Plan& plan = *plan_;
  const std::size_t rows = plan.check(theta, inputs.shape(), outputs.shape());
  const ConstTensorView x = inputs.reshaped({rows, plan.inputs});
  const TensorView<float> y = outputs.reshaped({rows, plan.steps.back().values});
  const Plan::Memory memory = plan.memory(0);
  for (std::size_t first = 0; first < rows; first += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, rows - first);
    plan.run(theta, 0, x.slice(first, count), y.slice(first, count), memory);
  }
}

void Predictor::predict(std::span<const float> theta, const ByteInputs& inputs,
                        TensorView<float> outputs) const {
  const Plan& plan = *plan_;
  const std::size_t rows = plan.check(theta, inputs.bytes.shape(), outputs.shape());
  const auto x = inputs.bytes.reshaped({rows, plan.inputs});
  const TensorView<float> y = outputs.reshaped({rows, plan.steps.back().values});
  if (plan.byte_layer != nullptr && rows >= kWorthPacking &&
      plan.byte_layer->skipping_zeros_pays(x))
    plan.predict_bytes(theta, x, inputs.scale, y);
  else
    plan.predict_as_floats(theta, x, inputs.scale, y);
}

Tensor predict(const Network& network, std::span<const float> theta, ConstTensorView inputs) {
  Tensor outputs(output_shape(network).batched(inputs.rows()));
  Predictor(network).predict(theta, inputs, outputs);
  return outputs;
}

}  // namespace gradatim
