#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gradatim/core/tasks.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/network.hpp"

namespace gradatim {

/// How a classifier does on labelled samples.
struct Evaluation {
  std::size_t samples = 0;
  double loss = 0;                         // mean over the samples
  double accuracy = 0;                     // ties go to the lowest class
  BasicTensor<std::uint64_t> confusion{};  // (outputs, outputs): [label][predicted class]
};

/// The accuracy is that of accuracy(), to the bit. Throws ShapeError if the network does not take
/// these samples, InvalidArgument if there are none, a label is not a class of the outputs, or the
/// loss is not one of labels.
Evaluation evaluate(const Network& network, const Loss& loss, std::span<const float> theta,
                    const Split& split, TaskPool& pool);

/// What the confusion table says of one class; NaN where nothing can be said (no such sample, or
/// never predicted).
struct ClassScore {
  std::uint64_t samples = 0;
  double recall = 0;     // share of its samples that were recognised
  double precision = 0;  // share of those taken for it that were
};
std::vector<ClassScore> class_scores(const Evaluation& evaluation);

}  // namespace gradatim
