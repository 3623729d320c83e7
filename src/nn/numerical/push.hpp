#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gradatim/core/tensor.hpp"
#include "nn/numerical/base_point.hpp"

namespace gradatim {

/// Flags of changes that crossed a branch, beside a matrix of changes; empty if nobody asks.
using Crossings = TensorView<std::uint8_t>;

/// Pushes changes of one sample's values through the layers that follow, to the change of its loss.
/// Owns scratch memory: one for each task that runs at a time.
class Push {
 public:
  explicit Push(const BasePoint& base);

  /// What enters `layer` changes in one value at a time: changes(i, j), on entry, is the i-th
  /// change of value first + j alone; on return the change of the loss that it makes. crossed,
  /// shaped like changes or empty, is set to 1 where a branch was crossed on the way.
  void units(std::size_t sample, std::size_t layer, std::size_t first, TensorView<float> changes,
             Crossings crossed);

  /// What enters `layer` changes by the rows of `changes` (m, width of the layer), at most kRows of
  /// them, which are used as scratch memory. loss (m) and crossed (m, or empty) are written.
  void rows(std::size_t sample, std::size_t layer, TensorView<float> changes, std::span<float> loss,
            std::span<std::uint8_t> crossed);

  /// Rows that are pushed together.
  static constexpr std::size_t kRows = 64;

 private:
  /// Where the values from a layer on stay apart until: the first layer that is not elementwise, or
  /// whose input a residual adds to another value.
  std::size_t last_apart(std::size_t layer) const;
  bool ends_in_lines(std::size_t layer) const;
  void along_lines(std::size_t sample, std::size_t layer, std::size_t first,
                   TensorView<float> changes);
  void one_by_one(std::size_t sample, std::size_t layer, std::size_t first,
                  TensorView<float> changes, Crossings crossed);
  void flush(std::size_t sample, std::size_t layer, TensorView<float> changes, Crossings crossed);
  void keep(std::size_t value, ConstTensorView changes);
  void join(std::size_t sample, std::size_t layer, std::size_t pushed_from,
            TensorView<float> changes) const;
  ConstTensorView slopes(std::size_t layer, std::size_t first, std::size_t count);
  TensorView<float> scratch(std::size_t which, std::size_t rows, std::size_t width);

  const BasePoint& base_;
  std::vector<AlignedVector<float>> scratch_;  // two of kRows · the largest width
  std::vector<AlignedVector<float>> kept_;     // changes of values that are read later
  AlignedVector<float> slopes_;
  AlignedVector<float> lines_;
  // Changes of single values that wait to be pushed together: where they stand, which, how much.
  std::vector<std::size_t> places_;
  std::vector<std::uint32_t> units_;
  std::vector<float> amounts_;
  std::vector<float> losses_;
  std::vector<std::uint8_t> flags_;
  std::vector<std::uint8_t> row_flags_;
};

}  // namespace gradatim
