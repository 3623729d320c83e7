#pragma once

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gradatim/core/kernels.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/program.hpp"
#include "nn/byte_layer.hpp"
#include "nn/joints.hpp"
#include "nn/pooled_convolution.hpp"
#include "nn/rows.hpp"

namespace gradatim {

// Rows that are computed together, from the first layer of a stage to its last or back.
struct RowTask {
  std::size_t index;
  RowRange rows;
};

// Layers that rows pass together, in as many tasks as are given: [first, split) in blocks that stay
// in the cache, [split, last) one after the other.
struct Stage {
  std::size_t first, split, last;
  std::size_t tasks;
};

// Of a stage: as a rule, and with a wide layer.
struct TaskCounts {
  std::size_t usual, wide;
};

// What a layer with a BatchRule adds up over the batch; no rule for the others.
struct BatchSums {
  const BatchRule* rule = nullptr;
  std::vector<double> partial{};  // (row_tasks, sums), of which a stage fills those of its tasks
  std::vector<double> sums{};
  std::vector<float> statistics{}, slopes{};
};

// Where the gradient by the values of a slot lies, and when: backward passes layer `birth` first,
// which writes it, and `death` last, which reads it.
struct GradientSlot {
  bool own_memory = false;
  bool in_blocks = true;  // written and read block after block, otherwise for all rows of a task
  std::size_t birth = 0;
  std::size_t death = 0;
  std::size_t tasks = 0;   // that have a part each
  std::size_t floats = 0;  // of a task
  std::size_t offset = 0;  // of a task's part of the memory
  std::size_t stride = 0;  // between the parts of the memory
};

// A step is rounds of tasks. In the first, each task takes some rows of the batch through all
// layers, the loss, and back; rows are independent, so nobody waits. In the last, each task
// computes a part of the gradient of the parameters from all rows. Where a layer needs sums over
// the batch, or dense layers want more rows at a time than convolutions, the first round is cut
// into two, each way.
struct Program::Plan {
  Plan(const Network& given, const Loss& loss_value, std::size_t rows);
  void plan_layers();
  void plan_stages();
  TaskCounts task_counts() const;
  Stage stage(std::size_t first, std::size_t last, std::size_t tasks) const;
  void add_stages(std::vector<Stage>& stages, std::size_t first, std::size_t last,
                  const TaskCounts& tasks) const;
  void plan_blocks();
  void plan_batch_sums();
  void plan_gradients();
  void plan_gradient_memory();
  void find_lives();
  void extend_over_blocks(GradientSlot& gradient) const;
  bool passes_in_blocks(std::size_t layer) const;
  bool is_wide(std::size_t layer) const;
  bool convolves(std::size_t layer) const;
  bool in_block(std::size_t value) const;
  bool changes_tasks(const GradientSlot& gradient) const;
  const Stage& backward_stage(std::size_t layer) const;
  std::size_t parameter_count(std::size_t layer) const;

  void bind(const Batch& batch);
  void check_rows() const;
  void bind_bytes(const ByteInputs& input);
  RowTask row_task(std::size_t index, std::size_t tasks) const;
  std::span<const float> parameters(std::span<const float> theta, std::size_t layer) const;
  ConstTensorView input(std::size_t layer, const RowRange& range) const;

  void reserve() const;
  void reserve(TaskPool& pool);
  void multiply_bytes(std::span<const float> theta, TaskPool& pool);
  void pack_bytes_gradient(TaskPool& pool);
  void forward_layer(std::size_t layer, std::span<const float> theta, const RowRange& range);
  void join_forward(std::size_t layer, const RowRange& range);
  template <class F>
  void for_each_block(const RowRange& range, F f) const;
  double run_loss(const RowTask& task);
  void forward_stage(const Stage& stage, std::span<const float> theta, const RowTask& task);
  void backward_stage(const Stage& stage, std::span<const float> theta, const RowTask& task);
  void add_forward_sums(std::size_t layer, const RowTask& task);
  void add_backward_sums(std::size_t layer, const RowTask& task);
  void find_statistics(const Stage& stage);
  void find_statistics_alone(std::size_t layer);
  void find_slopes(const Stage& stage, std::span<const float> theta);
  template <class F>
  void in_tasks(const Stage& stage, TaskPool& pool, F f) const;
  void forward(std::span<const float> theta, TaskPool& pool);
  void forward_and_backward(std::span<const float> theta, TaskPool& pool);
  TensorView<float> d_output(std::size_t layer, const RowRange& range, const RowTask& task);
  void backward_layer(std::size_t layer, std::span<const float> theta, const RowRange& range,
                      const RowTask& task);
  void backward_pooled(std::size_t layer, std::span<const float> theta, const RowRange& range,
                       const RowTask& task);
  void join_backward(std::size_t value, const RowRange& range, const RowTask& task);
  void parameter_gradient(std::size_t layer, std::size_t task, std::span<float> d_theta) const;
  double mean_loss() const;

  ReorderedNetwork reordered;
  const Network& network = reordered.network;
  Loss loss;
  std::size_t max_rows;
  std::size_t row_tasks = 1;   // the most of a stage
  std::size_t block_rows = 1;  // that pass a stage's blocked layers together
  ParameterLayout layout;
  std::vector<std::unique_ptr<const Operation>> operations;
  Joints joints;
  std::vector<BatchSums> batch_sums;          // of each layer
  std::vector<std::size_t> barriers;          // the layers with a rule
  std::vector<Stage> forward_stages;          // a layer with a rule begins one of these
  std::vector<Stage> backward_stages;         // and ends one of these
  std::vector<std::size_t> parameter_offset;  // of each layer, and the total behind them

  // Layer i writes buffer slot[i]; one that works in place shares its input's if nobody misses it.
  std::vector<std::size_t> slot;
  std::vector<Tensor> outputs;  // (max_rows, values) a slot
  // The gradient of the loss by them. Those that the last round reads, or other tasks than write
  // them, have memory of their own, (max_rows, values); each task of a stage has a part of the
  // other memory, where gradients share places whose lives do not overlap.
  std::vector<GradientSlot> d_slots;
  std::vector<Tensor> d_outputs;
  Tensor d_memory;
  std::unique_ptr<ByteLayer> byte_layer;                // operations[0], if it takes bytes
  std::vector<const PooledConvolution*> pooled_layers;  // those of the operations that are one
  std::vector<ByteTensor> places;                       // (max_rows, places) of these
  std::vector<double> task_loss;
  std::vector<Tensor> partial_gradients;  // (tasks, parameters) of layers that add by rows
  std::vector<std::pair<std::size_t, std::size_t>> gradient_tasks;  // (layer, task)

  // Whose threads have what kernels keep for each, and who called.
  std::uint64_t ready_pool = 0;
  std::thread::id ready_caller;

  // The current batch.
  const Batch* batch = nullptr;
  std::size_t rows = 0;
  ConstTensorView float_inputs;  // (rows, values)
  bool has_bytes = false;        // instead, in the byte layer
  StepKey key;
};

}  // namespace gradatim
