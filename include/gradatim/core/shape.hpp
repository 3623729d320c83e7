#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>

namespace gradatim {

/// The extents of a row-major tensor, outermost first. At most kMaxRank of them, stored inline:
/// copying a Shape never allocates. Rank 0 is a scalar of one element.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 6;

  Shape() = default;
  /// Throws ShapeError if there are more than kMaxRank extents or their product overflows.
  Shape(std::initializer_list<std::size_t> extents);
  explicit Shape(std::span<const std::size_t> extents);

  std::size_t rank() const { return rank_; }
  /// Number of elements, the product of the extents.
  std::size_t size() const { return size_; }
  std::size_t operator[](std::size_t axis) const { return extents_[axis]; }
  std::span<const std::size_t> extents() const { return {extents_.data(), rank_}; }

  /// (n, e0, e1, ...): the shape of n samples of this shape.
  Shape batched(std::size_t n) const;
  /// (e1, e2, ...): the shape of one sample. Throws ShapeError on rank 0.
  Shape sample() const;

  /// As in the documentation: "(784, 50)", "()" for a scalar, "(50)" for a vector.
  std::string to_string() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::size_t, kMaxRank> extents_{};  // zero beyond rank_
  std::size_t rank_ = 0;
  std::size_t size_ = 1;
};

}  // namespace gradatim
