#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradatim/diff/callable.hpp"
#include "gradatim/diff/point.hpp"
#include "gradatim/diff/step.hpp"

namespace gradatim::detail {

/// Arrays of up to so many entries are treated entry by entry, each a constant to the compiler.
inline constexpr std::size_t kFewEntries = 4;

/// action(i) for the indices of x; where it is short, written out for few entries.
template <bool IsShort, class X, class Action>
[[gnu::always_inline]] inline void for_each_entry(const X& x, const Action& action) {
  constexpr std::size_t kSize = FixedSize<std::remove_cvref_t<X>>::value;
  if constexpr (IsShort && kSize >= 1 && kSize <= kFewEntries)
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (action(I), ...);
    }(std::make_index_sequence<kSize>());
  else
    for (std::size_t i = 0; i < length(x); ++i) action(i);
}

/// The values that f answered with: one, or those of a container.
template <class E, class Y>
auto values_of(const Y& y) {
  if constexpr (std::is_convertible_v<Y, E>)
    return std::array<E, 1>{static_cast<E>(y)};
  else
    return std::vector<E>(y.data(), y.data() + length(y));
}

/// x, whose coordinates are moved while f is evaluated there. If the caller's x may be written to
/// and f is evaluated in its type, it is moved in place, so that an f which reads x through a
/// reference sees it move; otherwise, or unless `MayMoveX`, a copy is. Whatever f does to it, and
/// be it to its size, is undone after each evaluation and noted, and in the end x has its bits
/// back, also if f throws.
template <class F, class X, class E, bool MayMoveX = true>
class MovingPoint {
  static constexpr Argument kArgument = vector_argument<F, X, E>();
  static_assert(
      kArgument != Argument::kNone,
      "f must be callable with a container of the kind of x, a std::span or a std::vector");

 public:
  /// Whether the caller's x itself is moved.
  static constexpr bool kInPlace =
      MayMoveX && std::is_same_v<decltype(std::declval<X&>().data()), E*> &&
      (kArgument == Argument::kSpan ||
       (kArgument == Argument::kOwn && std::is_same_v<RebindT<X, E>, std::remove_cv_t<X>>));
  /// Whether a copy is, of an x that could be written to.
  static constexpr bool kIsCopied = !kInPlace && requires(X& x) { *x.data() = *x.data(); };

 private:
  using Storage = std::conditional_t<kInPlace, X&, StorageT<F, X, E>>;
  using Copy = RebindT<X, E>;

 public:
  MovingPoint(F& f, X& x)
      : f_(f), x_(x), storage_(adopt(x)), original_(converted<E>(x)), expected_(original_) {}
  ~MovingPoint() {
    if constexpr (kInPlace) {
      restore_length(storage_, size());
      std::copy_n(original_.data(), size(), storage_.data());
    }
  }
  MovingPoint(const MovingPoint&) = delete;
  MovingPoint& operator=(const MovingPoint&) = delete;

  std::size_t size() const { return length(original_); }
  E original(std::size_t i) const { return original_.data()[i]; }
  bool modified() const { return modified_; }
  bool take_modified() { return std::exchange(modified_, false); }

  void move(std::size_t i, E to) {
    storage_.data()[i] = to;
    expected_.data()[i] = to;
  }
  void put_back(std::size_t i) { move(i, original(i)); }

  auto evaluate() {
    auto value = call_with<F, X, E>(f_, storage_);
    if (restore_length(storage_, size()) || !same_entries(storage_.data(), expected_.data())) {
      modified_ = true;
      std::copy_n(expected_.data(), size(), storage_.data());
    }
    return value;
  }

  /// Whether f reads the caller's x where that is not what is moved, and not its argument: each is
  /// moved now, and put back. Asked of some of f's values, `rows`. Not so if f is random, or not
  /// finite there.
  bool reads_original(std::size_t& evaluations, std::vector<std::size_t> rows) {
    if constexpr (kIsCopied) {
      if (size() == 0 || rows.empty()) return false;
      const auto values = [&] {
        ++evaluations;
        return values_of<E>(evaluate());
      };
      const auto before = values();
      std::erase_if(rows, [&before](std::size_t row) {
        return row >= before.size() || !std::isfinite(before[row]);
      });
      const auto varies = [&before](const auto& y, std::size_t row) {
        return y.size() != before.size() || !same_bits(y[row], before[row]);
      };
      for (std::size_t i = 0; i < size() && !rows.empty(); ++i) {
        move(i, original(i) + step_scale(original(i)));
        const auto y = values();
        std::erase_if(rows, [&](std::size_t row) { return varies(y, row); });
        put_back(i);
      }
      const auto any_varies = [&](const auto& y) {
        return std::ranges::any_of(rows, [&](std::size_t row) { return varies(y, row); });
      };
      for (std::size_t i = 0; i < size() && !rows.empty(); ++i)
        if (any_varies(beside_original(i, values))) return !any_varies(values());
    }
    return false;
  }
  /// Of an f that has one value.
  bool reads_original(std::size_t& evaluations) {
    if constexpr (kIsCopied)
      return reads_original(evaluations, {0});
    else
      return false;
  }

 private:
  /// Puts an entry of the caller's x back, also if f throws.
  struct Restored {
    using Entry = ElementT<X>;
    Entry* entry;
    Entry value = *entry;
    explicit Restored(Entry* at) : entry(at) {}
    ~Restored() { *entry = value; }
    Restored(const Restored&) = delete;
    Restored& operator=(const Restored&) = delete;
  };

  template <class Values>
  auto beside_original(std::size_t i, const Values& values) {
    const Restored restored{x_.data() + i};
    x_.data()[i] += static_cast<ElementT<X>>(step_scale(original(i)));
    return values();
  }

  /// Of a few entries one by one: the compiler then sees that an f which it inlines leaves them.
  bool same_entries(const E* a, const E* b) const {
    constexpr std::size_t kSize = FixedSize<Copy>::value;
    if constexpr (kSize >= 1 && kSize <= kFewEntries) {
      bool same = true;
      for (std::size_t i = 0; i < kSize; ++i) same &= same_bits(a[i], b[i]);
      return same;
    } else {
      return same_bits(a, b, size());
    }
  }

  static decltype(auto) adopt(X& x) {
    if constexpr (kInPlace) {
      return (x);
    } else {
      auto copy = filled<StorageT<F, X, E>>(length(x), E{});
      std::transform(x.data(), x.data() + length(x), copy.data(),
                     [](auto v) { return static_cast<E>(v); });
      return copy;
    }
  }

  F& f_;
  X& x_;
  Storage storage_;
  Copy original_;
  Copy expected_;
  bool modified_ = false;
};

/// t -> f(x with x_i = t).
template <class Moving, class E>
struct CoordinateSlice {
  Moving& point;
  std::size_t i;

  E operator()(E t) {
    point.move(i, t);
    return static_cast<E>(point.evaluate());
  }
};

/// A container for f's argument that is kept for the thread's next call of its kind.
template <class C>
class Borrowed {
 public:
  explicit Borrowed(std::size_t n) {
    if (!shelf().empty()) {
      value_ = std::move(shelf().back());
      shelf().pop_back();
    }
    if constexpr (requires { value_.resize(n); }) value_.resize(n);
  }
  ~Borrowed() {
    if constexpr (requires { value_.resize(0); }) shelf().push_back(std::move(value_));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  C& operator*() { return value_; }

 private:
  static std::vector<C>& shelf() {
    thread_local std::vector<C> free;
    return free;
  }
  C value_;
};

/// Only std::vector is worth keeping: the others live on the stack.
template <class C>
struct Owned {
  C value;
  explicit Owned(std::size_t n)
      : value(filled<C>(n, typename std::remove_cvref_t<C>::value_type{})) {}
  C& operator*() { return value; }
};
template <class C>
struct IsStdVector : std::false_type {};
template <class T>
struct IsStdVector<std::vector<T>> : std::true_type {};
template <class C>
using ScratchT = std::conditional_t<IsStdVector<C>::value, Borrowed<C>, Owned<C>>;

}  // namespace gradatim::detail
