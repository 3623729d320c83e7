#pragma once

#include <array>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tasks.hpp"
#include "gradatim/data/augmentation.hpp"
#include "gradatim/data/batches.hpp"

namespace gradatim {

struct MiniBatchPlan {
  BatchPlan step{};           // all samples of a step
  std::size_t most_rows = 0;  // in one batch of it; 0: all
  Augmentation augmentation{};
  std::vector<float> class_weights{};  // of each class, or none
};

/// The mini-batches of a training, gathered into memory of its own: images as bytes where the
/// share of zeros among them is at least the one given (Program::zeros_that_pay), and otherwise as
/// floats. There is memory for two, so that the next one can be gathered while the last one is in
/// use.
class MiniBatches {
 public:
  MiniBatches(const Split& split, const MiniBatchPlan& plan, double zeros_for_bytes);

  /// How many batches make a step, counted from 0, and the share of its samples that are in one.
  std::size_t parts(std::size_t step) const;
  double share(std::size_t step, std::size_t part) const;

  /// One of these batches; valid until the second call from now. Weights are scaled so that the
  /// mean over the whole step is the weighted mean. The same bits for any pool, and whether
  /// prepared or not.
  Batch batch(std::size_t step, std::size_t part, TaskPool& pool);
  /// What gathers the batch behind that of the last call, to run before the next one, beside
  /// anything.
  Aside prepare_next();

 private:
  struct Slot {
    std::size_t step = 0, part = 0;
    std::vector<std::uint8_t> gathered;  // of each task: a step that throws leaves some undone
    std::vector<std::uint32_t> indices;  // (rows)
    double weight_scale = 0;
    ByteTensor bytes;                  // (rows, values), or
    Tensor floats;                     // (rows, values)
    std::vector<std::int32_t> labels;  // (rows), or
    Tensor targets;                    // (rows, outputs)
    std::vector<float> weights;        // (rows), or none

    bool is_complete() const;
  };
  Slot make_slot() const;
  std::size_t rows(std::size_t step, std::size_t part) const;
  void draw(Slot& slot, std::size_t step, std::size_t part);
  void fill(Slot& slot, std::size_t task) const;
  void gather_inputs(Slot& slot, std::size_t first, std::size_t count) const;
  void gather_targets(Slot& slot, std::size_t first, std::size_t count) const;
  Batch view(const Slot& slot) const;
  double weight_of(std::uint32_t index) const;

  const Split* split_;
  MiniBatchPlan plan_;
  BatchSampler sampler_;
  bool as_bytes_;
  std::array<Slot, 2> slots_;
  std::size_t current_ = 0;  // the slot of the last call of batch()
};

}  // namespace gradatim
