#pragma once

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

/// Where a Variable of scalar S is recorded on this thread; null outside a Recording.
template <class S>
inline constinit thread_local TapeArena<S>* active_tape = nullptr;
}  // namespace detail

/// What a function computed, for reverse-mode differentiation (Griewank and Walther, "Evaluating
/// Derivatives", ch. 6). A node is an operation on two different nodes and its two partial
/// derivatives; node 0 stands for every constant. Operations on one operand need no node: their
/// slope is multiplied into the Variable itself.
template <class S>
class TapeArena {
 public:
  struct Node {
    std::uint32_t left;
    std::uint32_t right;
    S d_left;
    S d_right;
  };

  std::uint32_t push(std::uint32_t left, const S& d_left, std::uint32_t right, const S& d_right) {
    const std::size_t index = nodes_.size();
    if (index > std::numeric_limits<std::uint32_t>::max()) [[unlikely]]
      detail::throw_tape_full();
    nodes_.push_back({left, right, d_left, d_right});
    return static_cast<std::uint32_t>(index);
  }

  std::size_t size() const { return nodes_.size(); }
  std::size_t capacity() const { return nodes_.capacity(); }
  void truncate(std::size_t size) { nodes_.resize(size); }

  /// d output / d node for the nodes [first, first + count): one sweep from the output back. Nodes
  /// before `first` are constants to it.
  std::span<const S> sweep(std::uint32_t output, const S& seed, std::size_t first,
                           std::size_t count) {
    const std::size_t end = std::max(nodes_.size(), first + count);
    if (adjoints_.size() < end) adjoints_.resize(end);
    std::fill(adjoints_.begin() + static_cast<std::ptrdiff_t>(first),
              adjoints_.begin() + static_cast<std::ptrdiff_t>(end), S(0));
    if (output >= first) propagate(output, seed, first + count);
    return {adjoints_.data() + first, count};
  }

 private:
  void propagate(std::uint32_t output, const S& seed, std::size_t inputs_end) {
    S* const adjoint = adjoints_.data();
    adjoint[output] = seed;
    for (std::size_t i = output; i >= inputs_end; --i) {
      const S a = adjoint[i];
      if (detail::is_zero(a)) continue;
      const Node& node = nodes_[i];
      adjoint[node.left] += a * node.d_left;
      adjoint[node.right] += a * node.d_right;
    }
  }

  std::vector<Node> nodes_{Node{}};
  std::vector<S> adjoints_;
};

/// A scalar whose arithmetic is recorded: value, and d value = factor · d node. Made by Recording,
/// or from a constant. S is float, double, long double, or a DualNumber (forward over reverse).
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
  Variable<S> input(const S& value) {
    ++inputs_;
    return {value, S(1), arena().push(0, S(0), 0, S(0))};
  }

  /// d output / d input for every input, in order; valid until the next call.
  std::span<const S> gradient(const Variable<S>& output) {
    return arena().sweep(output.node, output.factor, first_, inputs_);
  }

  /// Inputs and operations recorded.
  std::size_t size() const { return arena().size() - first_; }
  static std::size_t capacity() { return arena().capacity(); }

 private:
  static TapeArena<S>& arena() {
    thread_local TapeArena<S> tape;
    return tape;
  }

  TapeArena<S>* outer_;
  std::size_t first_;
  std::size_t inputs_ = 0;
};

}  // namespace gradatim

template <class S>
struct std::numeric_limits<gradatim::Variable<S>> : std::numeric_limits<S> {};
