#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradatim/core/shape.hpp"

namespace gradatim {

/// Where every tensor and parameter vector starts: a cache line, and the widest SIMD register.
inline constexpr std::size_t kAlignment = 64;

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{kAlignment}));
  }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{kAlignment}); }
  friend bool operator==(AlignedAllocator, AlignedAllocator) { return true; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

namespace detail {
[[noreturn]] void throw_view_size(const Shape& shape, std::size_t values);
[[noreturn]] void throw_row_range(const Shape& shape, std::size_t first, std::size_t count);
}  // namespace detail

/// A row-major tensor that somebody else owns: a pointer and a shape. T may be const.
template <class T>
class TensorView {
 public:
  TensorView() : shape_{0} {}
  /// Throws ShapeError unless values.size() == shape.size().
  TensorView(std::span<T> values, const Shape& shape) : data_(values.data()), shape_(shape) {
    if (values.size() != shape.size()) detail::throw_view_size(shape, values.size());
  }
  template <class U>  // a template, lest it count as the copy constructor of a view that may write
    requires std::is_same_v<const U, T>
  TensorView(const TensorView<U>& other) : data_(other.data()), shape_(other.shape()) {}

  T* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  std::size_t size() const { return shape_.size(); }
  std::span<T> values() const { return {data_, size()}; }

  /// Rank at least 1: the first extent, and the number of elements below it.
  std::size_t rows() const { return shape_[0]; }
  std::size_t row_size() const { return rows() == 0 ? 0 : size() / rows(); }
  std::span<T> row(std::size_t i) const { return {data_ + i * row_size(), row_size()}; }
  T& operator()(std::size_t i, std::size_t j) const { return data_[i * row_size() + j]; }

  /// Rows [first, first + count), same memory. Throws ShapeError if there are fewer.
  TensorView slice(std::size_t first, std::size_t count) const {
    if (shape_.rank() == 0 || first > rows() || count > rows() - first)
      detail::throw_row_range(shape_, first, count);
    return {std::span<T>(data_ + first * row_size(), count * row_size()),
            shape_.sample().batched(count)};
  }
  /// The same values under another shape of equal size. Throws ShapeError otherwise.
  TensorView reshaped(const Shape& shape) const { return {values(), shape}; }

 private:
  T* data_ = nullptr;
  Shape shape_;
};

using ConstTensorView = TensorView<const float>;

/// A row-major tensor that owns its elements, aligned to kAlignment and zero at first. A value:
/// copies are deep.
template <class T>
class BasicTensor {
 public:
  BasicTensor() : shape_{0} {}
  explicit BasicTensor(const Shape& shape) : shape_(shape), values_(shape.size()) {}
  /// Takes the values over. Throws ShapeError unless values.size() == shape.size().
  BasicTensor(const Shape& shape, AlignedVector<T> values)
      : shape_(shape), values_(std::move(values)) {
    if (values_.size() != shape.size()) detail::throw_view_size(shape, values_.size());
  }

  const Shape& shape() const { return shape_; }
  std::size_t size() const { return shape_.size(); }
  T* data() { return values_.data(); }
  const T* data() const { return values_.data(); }
  std::span<T> values() { return values_; }
  std::span<const T> values() const { return values_; }
  TensorView<T> view() { return {values_, shape_}; }
  TensorView<const T> view() const { return {values_, shape_}; }
  operator TensorView<T>() { return view(); }
  operator TensorView<const T>() const { return view(); }

  friend bool operator==(const BasicTensor&, const BasicTensor&) = default;

 private:
  Shape shape_;
  AlignedVector<T> values_;
};

using Tensor = BasicTensor<float>;
using ByteTensor = BasicTensor<std::uint8_t>;

}  // namespace gradatim
