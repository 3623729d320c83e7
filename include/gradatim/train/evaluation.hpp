#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/train/scores.hpp"

namespace gradatim {

/// How a network does on samples with known targets.
struct Evaluation {
  std::size_t samples = 0;
  TargetKind kind = TargetKind::classes;
  Scores scores{};
  BasicTensor<std::uint64_t> confusion{};  // classes: (outputs, outputs), [label][predicted class]
  std::vector<Scores> outputs{};           // labels and values: of each output on its own
};

/// Outputs above 0, a probability of one half, are a yes to their label. NaN is a no. Throws
/// ShapeError if the network does not take these samples, InvalidArgument if there are none, a
/// label is not a class of the outputs, or the loss is not one of their targets. Of targets that
/// were scaled, `columns` says how: mean absolute and squared errors are in their units.
Evaluation evaluate(const Network& network, const Loss& loss, std::span<const float> theta,
                    const Split& split, TaskPool& pool, std::span<const Column> columns = {});

/// Of classes. What the confusion table says of one class; NaN where nothing can be said (no such
/// sample, or never predicted).
struct ClassScore {
  std::uint64_t samples = 0;
  double recall = 0;     // share of its samples that were recognised
  double precision = 0;  // share of those taken for it that were
};
std::vector<ClassScore> class_scores(const Evaluation& evaluation);

}  // namespace gradatim
