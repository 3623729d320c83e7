#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "gradatim/core/changes.hpp"

namespace gradatim {

/// The values of one sample's inputs without zeros and, if asked, without repetition: a weight on
/// an input that is zero changes nothing, and weights of one unit on equal inputs change the same.
/// values()[0] is 1, the input that a bias stands for.
class DistinctValues {
 public:
  void find(std::span<const float> x, bool share) {
    values_.assign(1, 1.0F);
    pairs_.clear();
    if (share) slots_.fill(0);
    for (std::size_t i = 0; i < x.size(); ++i)
      if (x[i] != 0.0F) pairs_.push_back({static_cast<std::uint32_t>(i), place(x[i], share)});
    pairs_.push_back({static_cast<std::uint32_t>(x.size()), 0});
  }

  std::span<const float> values() const { return values_; }
  /// (input, its place in values()) for the inputs that are not zero, then (inputs, 0), the bias.
  std::span<const kernels::RowPair> pairs() const { return pairs_; }

 private:
  static constexpr std::size_t kSlots = 1024;  // byte images have at most 255 distinct values

  // A value whose slot is taken by another is simply not shared.
  std::uint32_t place(float value, bool share) {
    const auto next = static_cast<std::uint32_t>(values_.size());
    if (share) {
      std::uint32_t& slot = slots_[std::bit_cast<std::uint32_t>(value) * 2654435761U >> 22];
      if (values_[slot] == value) return slot;
      slot = next;
    }
    values_.push_back(value);
    return next;
  }

  std::vector<float> values_;
  std::vector<kernels::RowPair> pairs_;
  std::array<std::uint32_t, kSlots> slots_{};  // where a value with this hash stands; 0 if none
};

}  // namespace gradatim
