#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "nn/numerical/distinct_values.hpp"
#include "nn/numerical/push.hpp"

namespace gradatim {

/// Some neighbouring units of a Dense layer.
struct UnitRange {
  std::size_t layer;
  std::size_t first;
  std::size_t count;
};

/// Takes all weights and the biases of some units of a Dense layer to the changes of one sample's
/// loss. A weight W[i, j] that moves by h moves unit j by h · x_i and touches no other unit: the
/// change depends on (j, h · x_i) alone, and is computed once for each distinct value of x.
class UnitSweep {
 public:
  explicit UnitSweep(const BasePoint& base) : push_(base) {}

  /// Calls use(first_value, changes, crossed) for consecutive ranges of `values`: changes
  /// (range · offsets, units) holds a row for each value and, below it, each offset of the
  /// quotient. crossed has the same shape where mark_crossings is set, and is empty otherwise.
  template <class Use>
  void run(std::size_t sample, const UnitRange& units, std::span<const float> values,
           std::span<const float> offsets, bool mark_crossings, Use use) {
    const std::size_t step = values_at_once(units.count * offsets.size());
    for (std::size_t first = 0; first < values.size(); first += step) {
      const auto some = values.subspan(first, std::min(step, values.size() - first));
      const Shape shape = {some.size() * offsets.size(), units.count};
      changes_.resize(shape.size());
      crossed_.assign(mark_crossings ? shape.size() : 0, 0);
      const TensorView<float> changes(changes_, shape);
      const Crossings crossed(crossed_, mark_crossings ? shape : Shape{0, units.count});
      std::size_t row = 0;
      for (const float value : some)
        for (const float offset : offsets) std::ranges::fill(changes.row(row++), offset * value);
      push_.units(sample, units.layer + 1, units.first, changes, crossed);
      use(first, ConstTensorView(changes), crossed);
    }
  }

  Push& push() { return push_; }

 private:
  // As many as stay in the second-level cache.
  static std::size_t values_at_once(std::size_t floats_a_value) {
    constexpr std::size_t kFloats = std::size_t{1} << 14;
    return std::max<std::size_t>(1, kFloats / floats_a_value);
  }

  Push push_;
  AlignedVector<float> changes_;
  std::vector<std::uint8_t> crossed_;
};

}  // namespace gradatim
