#pragma once

#include <functional>

#include "gradatim/core/tasks.hpp"
#include "nn/numerical/engine.hpp"

namespace gradatim {

/// What DifferenceEngine computes, for networks in which the samples of a batch depend on each
/// other: every parameter, and every value, is moved for the whole batch, whose change is pushed on
/// row by row together. Costs a forward pass from the layer on, a parameter and offset.
class BatchDifferences {
 public:
  explicit BatchDifferences(const BasePoint& base) : base_(base) {}

  /// sums.value and the others are written for all parameters; zero for running statistics.
  void parameters(const DifferenceQuotient& quotient, const QuotientSums& sums, TaskPool& pool,
                  const std::function<void(double share)>& on_progress) const;
  /// As DifferenceEngine::values.
  void values(std::size_t layer, const DifferenceQuotient& quotient, const QuotientSums& sums,
              TaskPool& pool) const;

 private:
  const BasePoint& base_;
};

}  // namespace gradatim
