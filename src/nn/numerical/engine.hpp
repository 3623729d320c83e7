#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gradatim/core/tasks.hpp"
#include "nn/numerical/base_point.hpp"
#include "nn/numerical/quotient.hpp"

namespace gradatim {

/// Where the difference quotients of every parameter, or input, go. Without `upper`, `value` is the
/// sum over the samples of the quotient's quotients. With it, the quotient has two offsets, +h and
/// -h, each sample has a slope to either side, and `value` and `upper` are the sums of the smaller
/// and of the larger ones: wherever each sample's derivative lies between its slopes, their sum
/// lies between these.
struct QuotientSums {
  std::span<float> value;
  std::span<float> upper{};
  std::span<std::uint8_t> crossed{};  // 1 where some sample crossed a branch; empty: not asked
};

/// Difference quotients of a network's loss by change rules, for all parameters and inputs at once.
/// Bit-for-bit the same for any pool.
class DifferenceEngine {
 public:
  /// `bounds`: whether upper will be asked for. Throws as BasePoint does.
  DifferenceEngine(const Network& network, const Loss& loss, std::size_t max_rows, bool bounds);
  ~DifferenceEngine();

  BasePoint& base();
  const BasePoint& base() const;
  /// Labels of the layers without a change rule.
  const std::vector<std::string>& evaluated_again() const;

  /// At the point that base() was evaluated at. on_progress: see Meter.
  void parameters(const DifferenceQuotient& quotient, const QuotientSums& sums, TaskPool& pool,
                  const std::function<void(double share)>& on_progress = {});
  /// By the values that enter a layer (rows, width), which for the first are the inputs: a quotient
  /// a sample.
  void values(std::size_t layer, const DifferenceQuotient& quotient, const QuotientSums& sums,
              TaskPool& pool);

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace gradatim
