#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "gradatim/diff/dual.hpp"
#include "gradatim/diff/elementary.hpp"

namespace gradatim {

template <class S>
class TapeArena;

namespace detail {
[[noreturn]] void throw_no_recording();
[[noreturn]] void throw_tape_full();
[[noreturn]] void throw_incomplete_tape();

/// Where a Variable of scalar S is recorded on this thread; null outside a Recording.
template <class S>
inline constinit thread_local TapeArena<S>* active_tape = nullptr;

template <class S>
bool any_nan(std::span<const S> values) {
  return std::any_of(values.begin(), values.end(), [](const S& v) { return has_nan(v); });
}
/// Several at a time: v - v is 0 where v is finite, and only what is not is looked at one by one.
template <std::floating_point S>
bool any_nan(std::span<const S> values) {
  constexpr std::size_t kTogether = 4;
  S zeros[kTogether]{};
  std::size_t i = 0;
  for (; i + kTogether <= values.size(); i += kTogether)
    for (std::size_t k = 0; k < kTogether; ++k) zeros[k] += values[i + k] - values[i + k];
  for (; i < values.size(); ++i) zeros[0] += values[i] - values[i];
  if (zeros[0] + zeros[1] + zeros[2] + zeros[3] == 0) [[likely]]
    return false;
  return std::any_of(values.begin(), values.end(), [](S v) { return std::isnan(v); });
}

}  // namespace detail

/// What a function computed, for reverse-mode differentiation (Griewank and Walther, "Evaluating
/// Derivatives", ch. 6): nodes, each an operation on two different nodes and the partial
/// derivatives by them. Node 0 stands for every constant; a leaf has no entry. Operations on one
/// operand need no node: their slope is multiplied into the Variable itself.
///
/// Recording must not branch away to allocate, or it costs twice as much: nodes beyond the capacity
/// go round and overwrite the first. Whoever records asks overflowed() in the end, and if so calls
/// make_room() and records again.
template <class S>
class TapeArena {
 public:
  std::uint32_t push(std::uint32_t left, const S& d_left, std::uint32_t right, const S& d_right) {
    const std::size_t index = size_++;
    nodes_[index & mask_] = {d_left, d_right, left, right};
    return static_cast<std::uint32_t>(index);
  }

  /// `count` independent variables; their nodes are successive.
  std::uint32_t push_leaves(std::size_t count) {
    const std::size_t first = size_;
    size_ += count;
    return static_cast<std::uint32_t>(first);
  }

  std::size_t size() const { return size_; }
  std::size_t capacity() const { return mask_ + 1; }
  void truncate(std::size_t size) { size_ = size; }

  bool overflowed() const { return size_ > capacity(); }
  /// Counts how often what was recorded before became worthless.
  std::size_t generation() const { return generation_; }
  void make_room() {
    if (size_ > std::numeric_limits<std::uint32_t>::max()) detail::throw_tape_full();
    const std::size_t capacity = std::bit_ceil(size_);
    nodes_.resize(capacity);
    mask_ = capacity - 1;
    ++generation_;
  }

  /// d output / d leaf for the leaves [first, first + count): one sweep from the output back to
  /// them. Whatever was recorded before `first` is constant to it.
  std::span<const S> sweep(std::uint32_t output, const S& seed, std::size_t first,
                           std::size_t count) {
    if (adjoints_.size() < size_) adjoints_.resize(capacity());
    const std::span<const S> leaves{adjoints_.data() + first, count};
    propagate<false>(output, seed, first, count);
    // 0·inf, where a branch that was not taken has an infinite slope: once more, stepping over
    // zeros.
    if (detail::any_nan(leaves)) [[unlikely]]
      propagate<true>(output, seed, first, count);
    return leaves;
  }

 private:
  struct Node {
    S d_left{};
    S d_right{};
    std::uint32_t left = 0;
    std::uint32_t right = 0;
  };

  /// What reaches the node `carried` along the longest chain, `carry`, stays out of memory until
  /// its turn comes: along a sum of many terms each waits for the one before, and a trip through
  /// memory would be most of the wait.
  template <bool SkipZeros>
  void propagate(std::uint32_t output, const S& seed, std::size_t first, std::size_t count) {
    S* const adjoint = adjoints_.data();
    std::fill(adjoint + first, adjoint + size_, S(0));
    if (output < first) return;
    std::size_t carried = output;
    S carry = seed;
    const Node* const nodes = nodes_.data();
    for (std::size_t i = output; i >= first + count; --i) {
      const Node& node = nodes[i];
      S a = adjoint[i];
      if (i == carried) a += carry;
      if (SkipZeros && detail::is_zero(a)) continue;
      if (i == carried) {
        carried = node.left;
        carry = a * node.d_left;
      } else {
        adjoint[node.left] += a * node.d_left;
      }
      adjoint[node.right] += a * node.d_right;
    }
    adjoint[carried] += carry;
  }

  static constexpr std::size_t kFirstCapacity = 1024;  // a power of two, as every capacity

  std::size_t size_ = 1;  // node 0: the constants
  std::size_t mask_ = kFirstCapacity - 1;
  std::size_t generation_ = 0;
  std::vector<Node> nodes_ = std::vector<Node>(kFirstCapacity);
  std::vector<S> adjoints_;
};

/// A scalar whose arithmetic is recorded: value, and d value = factor · d node. Made by Recording,
/// or from a constant (node 0). S is float, double, long double, or a DualNumber (forward over
/// reverse).
template <class S>
struct Variable {
  using Base = S;

  S value{};
  S factor{};
  std::uint32_t node = 0;

  constexpr Variable() = default;
  constexpr Variable(const S& v) : value(v) {}
  template <Arithmetic A>
    requires(!std::same_as<A, S>)
  constexpr Variable(A v) : value(static_cast<detail::PlainScalarT<S>>(v)) {}
  constexpr Variable(const S& v, const S& f, std::uint32_t n) : value(v), factor(f), node(n) {}

  constexpr Variable chain(const S& v, const S& slope) const { return {v, factor * slope, node}; }

  friend Variable combine(const S& v, const Variable& a, const S& d_a, const Variable& b,
                          const S& d_b) {
    if (b.node == 0) return {v, a.factor * d_a, a.node};
    if (a.node == 0) return {v, b.factor * d_b, b.node};
    const S slope_a = a.factor * d_a;
    const S slope_b = b.factor * d_b;
    if (a.node == b.node) return {v, slope_a + slope_b, a.node};
    TapeArena<S>* const tape = detail::active_tape<S>;
    if (tape == nullptr) [[unlikely]]
      detail::throw_no_recording();
    return {v, S(1), tape->push(a.node, slope_a, b.node, slope_b)};
  }
};

template <class S>
constexpr bool is_constant(const Variable<S>& v) {
  return v.node == 0 && is_constant(v.value);
}

/// While it lives, Variables of scalar S are recorded on this thread's tape; the memory stays with
/// the thread for the next. Recordings nest, the inner treating the outer's variables as constants.
/// The tape learns its size from the functions it records: one with more operations than any before
/// is to be recorded twice, which `record` sees to.
template <class S>
class Recording {
 public:
  Recording() : outer_(detail::active_tape<S>), first_(arena().size()) {
    detail::active_tape<S> = &arena();
  }
  ~Recording() {
    arena().truncate(first_);
    detail::active_tape<S> = outer_;
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// The next independent variable. All of them come before the first operation.
  Variable<S> input(const S& value) { return {value, S(1), leaves(1)}; }

  /// n of them at once: to[i] with the value values(i).
  template <class Values>
  void inputs(std::size_t n, Variable<S>* to, const Values& values) {
    const std::uint32_t first = leaves(n);
    for (std::size_t i = 0; i < n; ++i)
      to[i] = {values(i), S(1), first + static_cast<std::uint32_t>(i)};
  }

  /// False if there was not room enough for what was recorded since the construction; there is for
  /// as much now.
  bool complete() {
    if (arena().overflowed()) arena().make_room();
    return generation_ == arena().generation();
  }

  /// Forgets everything recorded.
  void restart() {
    arena().truncate(first_);
    inputs_ = 0;
    generation_ = arena().generation();
  }

  /// d output / d input for every input, in order; valid until the next call. Throws
  /// InvalidArgument unless complete().
  std::span<const S> gradient(const Variable<S>& output) {
    if (!complete()) detail::throw_incomplete_tape();
    return arena().sweep(output.node, output.factor, first_, inputs_);
  }

  /// Inputs and operations recorded.
  std::size_t size() const { return arena().size() - first_; }

 private:
  std::uint32_t leaves(std::size_t count) {
    inputs_ += count;
    return arena().push_leaves(count);
  }
  static TapeArena<S>& arena() {
    thread_local TapeArena<S> tape;
    return tape;
  }

  TapeArena<S>* outer_;
  std::size_t first_;
  std::size_t inputs_ = 0;
  std::size_t generation_ = arena().generation();
};

/// body(recording), again if the tape had not room enough: body makes the inputs, calls the
/// function and returns its result.
template <class S, class Body>
auto record(Recording<S>& recording, const Body& body) {
  auto result = body(recording);
  while (!recording.complete()) {
    recording.restart();
    result = body(recording);
  }
  return result;
}

}  // namespace gradatim

template <class S>
struct std::numeric_limits<gradatim::Variable<S>> : std::numeric_limits<S> {};
