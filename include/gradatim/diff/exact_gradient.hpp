#pragma once

#include <algorithm>
#include <array>
#include <complex>
#include <limits>

#include "gradatim/diff/derivative.hpp"
#include "gradatim/diff/moving_point.hpp"

// The gradient of f: R^n -> R by the methods that are exact but for rounding.
namespace gradatim::detail {

template <class F, class X>
using ValueT = VectorEvaluationT<F, std::remove_cvref_t<X>>;

/// f's value beside what else one evaluation by an exact method tells.
template <class E>
struct ExactValue {
  E value = 0;
  std::size_t evaluations = 0;
  Status status = Status::kOk;
};

inline constexpr std::size_t kMostLanes = 8;
/// Directions a DualNumber carries at once: all of a small array's, four of a vector's.
template <class X>
inline constexpr std::size_t kLanes =
    FixedSize<X>::value >= 1 && FixedSize<X>::value <= kMostLanes ? FixedSize<X>::value : 4;

/// What a vector for f is made of when method M evaluates it.
template <class M, class E, class X>
using VectorCarrierT =
    std::conditional_t<std::same_as<M, Dual>, DualNumber<E, kLanes<X>>, CarrierT<M, E>>;

/// Whether f left other values in its argument than those of x, or as many, which it has again.
template <class E, class Storage, class X>
inline Status modified_status(Storage& argument, const X& x) {
  bool modified = restore_length(argument, length(x));
  for (std::size_t i = 0; i < length(x); ++i)
    modified |= !same_bits(plain_value(argument.data()[i]), static_cast<E>(x.data()[i]));
  return modified ? Status::kInputModified : Status::kOk;
}

/// f where x_first, ..., x_first+count-1 are the variables of the lanes 0, ..., count - 1 of D.
/// Inlined, so that an f which is inlined as well sees which tangents are 0.
template <class D, class F, class X, class Storage>
[[gnu::always_inline]] inline decltype(auto) call_with_lanes(F& f, const X& x, Storage& argument,
                                                             std::size_t first, std::size_t count) {
  using E = typename D::Base;
  for (std::size_t i = 0; i < length(x); ++i)
    argument.data()[i] = D(unknown(static_cast<E>(x.data()[i])));
  for (std::size_t k = 0; k < count; ++k) argument.data()[first + k].tangent[k] = 1;
  return call_with<F, X, D>(f, argument);
}

/// The same derivatives, of which some have come to NaN, where an infinite slope by one variable
/// leaves the others theirs. How many evaluations that took: none if f does not take DualNumbers of
/// that many lanes.
template <class E, class F, class X>
[[gnu::noinline, gnu::cold]] std::size_t mend_lanes(F& f, const X& x, std::size_t first,
                                                    std::size_t count, E* d_x) {
  using D = DualNumber<E, kTrackedLanes>;
  if constexpr (TakesVector<F, X, D>) {
    ScratchT<StorageT<F, X, D>> argument(length(x));
    const D y = static_cast<D>(call_with_lanes<D>(f, x, *argument, first, count));
    std::copy_n(y.tangent.begin(), count, d_x + first);
    return 1;
  } else {
    return 0;
  }
}

/// One evaluation: the derivatives in the directions first, ..., first + count - 1.
template <class E, class F, class X, class Storage>
[[gnu::always_inline]] inline ExactValue<E> dual_pass(F& f, const X& x, Storage& argument,
                                                      std::size_t first, std::size_t count,
                                                      E* d_x) {
  using D = DualNumber<E, kLanes<X>>;
  met_steep = false;
  const D y = static_cast<D>(call_with_lanes<D>(f, x, argument, first, count));
  for (std::size_t k = 0; k < count; ++k) d_x[first + k] = y.tangent[k];
  ExactValue<E> result{y.value, 1, modified_status<E>(argument, x)};
  if (met_steep) {
    bool nan = false;
    for (std::size_t k = 0; k < count; ++k) nan |= std::isnan(y.tangent[k]);
    if (nan) [[unlikely]]
      result.evaluations += mend_lanes(f, x, first, count, d_x);
  }
  met_steep = true;
  return result;
}

template <class E, class F, class X>
ExactValue<E> exact_gradient(F& f, const X& x, E* d_x, const Dual&) {
  constexpr std::size_t kWidth = kLanes<X>;
  const std::size_t n = length(x);
  ScratchT<StorageT<F, X, DualNumber<E, kWidth>>> scratch(n);
  ExactValue<E> result;
  for (std::size_t first = 0; first < n; first += kWidth) {
    const auto pass = dual_pass<E>(f, x, *scratch, first, std::min(kWidth, n - first), d_x);
    result = {pass.value, result.evaluations + pass.evaluations, worse(result.status, pass.status)};
  }
  return result;
}

/// Of a small array, which f takes as one, in one pass.
template <class E, class F, class X>
  requires(FixedSize<X>::value == kLanes<X> &&
           FixedSize<StorageT<F, X, DualNumber<E, kLanes<X>>>>::value == kLanes<X>)
[[gnu::always_inline]] inline ExactValue<E> exact_gradient(F& f, const X& x, E* d_x, const Dual&) {
  StorageT<F, X, DualNumber<E, kLanes<X>>> argument;
  return dual_pass<E>(f, x, argument, 0, kLanes<X>, d_x);
}

template <class E, class F, class X>
ExactValue<E> exact_gradient(F& f, const X& x, E* d_x, const Tape&) {
  using V = Variable<E>;
  using Storage = StorageT<F, X, V>;
  const std::size_t n = length(x);
  Recording<E> recording;
  ScratchT<Storage> scratch(n);
  Storage& argument = *scratch;
  ExactValue<E> result;
  const V y = record(recording, [&](Recording<E>& r) {
    ++result.evaluations;
    r.inputs(n, argument.data(), [&x](std::size_t i) { return static_cast<E>(x.data()[i]); });
    return static_cast<V>(call_with<F, X, V>(f, argument));
  });
  result.value = y.value;
  result.status = modified_status<E>(argument, x);
  const auto gradient = recording.gradient(y);
  std::copy(gradient.begin(), gradient.end(), d_x);
  return result;
}

/// x as complex numbers, of which f is given one at a time moved. Whatever f writes to it is undone
/// after each evaluation.
template <class E, class F, class X>
class ComplexPoint {
  using P = std::remove_cvref_t<X>;
  using Z = std::complex<E>;

 public:
  ComplexPoint(F& f, const X& x) : f_(f), x_(x), argument_(length(x)) {
    std::copy_n(x.data(), length(x), (*argument_).data());
  }

  E original(std::size_t i) const { return static_cast<E>(x_.data()[i]); }
  /// f(x with x_i = z); `modified` where f wrote to its argument.
  auto evaluate(std::size_t i, const Z& z, bool& modified) {
    (*argument_).data()[i] = z;
    auto y = call_with<F, P, Z>(f_, *argument_);
    modified |= restore_length(*argument_, length(x_));
    for (std::size_t k = 0; k < length(x_); ++k) {
      Z& entry = (*argument_).data()[k];
      modified |= !same_bits(entry, k == i ? z : Z(original(k)));
      entry = original(k);
    }
    return y;
  }
  /// d f / d x_i.
  Derivative<E> partial(std::size_t i, const ComplexStep& method) {
    const auto slice = [&](const Z& z) {
      ComplexValue<E> y;
      y.value = static_cast<Z>(evaluate(i, z, y.modified));
      value_ = y.value.real();
      return y;
    };
    return differentiate_complex(slice, original(i), method);
  }
  /// f(x), as the last derivative found it.
  E value() const { return value_; }

 private:
  F& f_;
  const X& x_;
  ScratchT<StorageT<F, P, Z>> argument_;
  E value_ = 0;
};

template <class E, class F, class X>
ExactValue<E> exact_gradient(F& f, const X& x, E* d_x, const ComplexStep& method) {
  ComplexPoint<E, F, X> point(f, x);
  ExactValue<E> result;
  for (std::size_t i = 0; i < length(x); ++i) {
    const auto d = point.partial(i, method);
    d_x[i] = d.value;
    result.status = worse(result.status, d.status);
    result.evaluations += d.evaluations;
  }
  result.value = point.value();
  return result;
}

/// How many units in the last place neighbours of x are apart from it, entry by entry: so that what
/// a few entries have in common, a sum or a difference, moves as well.
template <class E>
E units_moved(std::size_t i, bool second) {
  constexpr std::array<int, 8> kFirst{1, 2, -1, 3, -2, 1, -3, 2};
  constexpr std::array<int, 8> kSecond{1, -1, 3, 2, 1, -3, 2, -2};
  return static_cast<E>((second ? kSecond : kFirst)[i % 8]);
}

/// The error of `count` values that an exact method gave at x, as measure_rounding of one number:
/// every coordinate is moved by one to three units in the last place, in two ways. at(neighbour)
/// gives the values there.
template <class E, class X, class At>
void measure_rounding(const E* value, E* error, std::size_t count, const X& x, const At& at) {
  constexpr E kEpsilon = std::numeric_limits<E>::epsilon();
  auto neighbour = converted<E>(x);
  std::fill_n(error, count, E(0));
  for (const bool second : {false, true}) {
    for (std::size_t i = 0; i < length(x); ++i) {
      const E x_i = static_cast<E>(x.data()[i]);
      const E ulp = x_i == 0 ? kEpsilon : kEpsilon * std::abs(x_i);
      neighbour.data()[i] = x_i + units_moved<E>(i, second) * ulp;
    }
    const E* const there = at(neighbour);
    for (std::size_t i = 0; i < count; ++i) {
      const E moved = std::abs(there[i] - value[i]);
      if (std::isfinite(moved)) error[i] = std::max(error[i], moved);
    }
  }
  for (std::size_t i = 0; i < count; ++i)
    error[i] =
        std::max(error[i] + kEpsilon / 2 * std::abs(value[i]), std::numeric_limits<E>::min());
}

}  // namespace gradatim::detail
