#pragma once

#include <complex>
#include <concepts>
#include <span>
#include <type_traits>

#include "gradatim/diff/dual.hpp"
#include "gradatim/diff/point.hpp"
#include "gradatim/diff/tape.hpp"

// What a user's function can be called with. A function with one non-template signature is judged
// by its declared parameter: double(float) can be called with a double, but would round it.
// Anything else is called and judged by its result. Calling a generic lambda instantiates its body:
// one that says std::sqrt(x) instead of sqrt(x) does not compile for DualNumber, so the functions
// here that try Dual and Tape are used only when no method is given.
namespace gradatim::detail {

template <class M>
struct FirstParameter {
  using type = void;
};
template <class R, class A>
struct FirstParameter<R (*)(A)> {
  using type = A;
};
template <class R, class A>
struct FirstParameter<R (*)(A) noexcept> {
  using type = A;
};
template <class R, class C, class A>
struct FirstParameter<R (C::*)(A)> {
  using type = A;
};
template <class R, class C, class A>
struct FirstParameter<R (C::*)(A) const> {
  using type = A;
};
template <class R, class C, class A>
struct FirstParameter<R (C::*)(A) noexcept> {
  using type = A;
};
template <class R, class C, class A>
struct FirstParameter<R (C::*)(A) const noexcept> {
  using type = A;
};

template <class F>
struct DeclaredParameter : FirstParameter<std::decay_t<F>> {};
template <class F>
  requires requires { &std::decay_t<F>::operator(); }
struct DeclaredParameter<F> : FirstParameter<decltype(&std::decay_t<F>::operator())> {};

/// The one parameter F declares, without reference and const; void if F is generic or overloaded.
template <class F>
using DeclaredT = std::remove_cvref_t<typename DeclaredParameter<F>::type>;

template <class T>
struct ElementOf {
  using type = T;
};
template <class T>
  requires requires(const T& t) { *t.data(); }
struct ElementOf<T> {
  using type = ElementT<T>;
};

// --- functions of one number

template <class F, class S>
concept TakesScalar =
    std::is_invocable_v<F&, S&> && (std::is_void_v<DeclaredT<F>> || std::same_as<DeclaredT<F>, S>);

/// The type in which f(x), x of type T, is evaluated: what f declares; double for float where f
/// takes it and answers in it; otherwise T.
template <class F, class T>
consteval auto scalar_evaluation() {
  using Declared = DeclaredT<F>;
  if constexpr (std::floating_point<Declared>) {
    return std::type_identity<Declared>{};
  } else if constexpr (std::same_as<T, float> && TakesScalar<F, double>) {
    if constexpr (std::same_as<std::invoke_result_t<F&, double&>, float>)
      return std::type_identity<float>{};
    else
      return std::type_identity<double>{};
  } else {
    return std::type_identity<T>{};
  }
}
template <class F, class T>
using ScalarEvaluationT = typename decltype(scalar_evaluation<F, T>())::type;

// --- functions of a vector

/// How a vector of S in the manner of X is handed to f.
enum class Argument { kNone, kOwn, kSpan, kVector };

/// Asked one after the other, since asking instantiates a generic f: for a span a span first, for
/// anything else its own kind first.
template <class F, class X, class S>
consteval Argument first_accepted() {
  if constexpr (IsSpan<std::remove_cvref_t<X>>::value) {
    if constexpr (std::is_invocable_v<F&, std::span<S>>)
      return Argument::kSpan;
    else if constexpr (std::is_invocable_v<F&, std::vector<S>&>)
      return Argument::kVector;
    else
      return Argument::kNone;
  } else if constexpr (std::is_invocable_v<F&, RebindT<X, S>&>) {
    return Argument::kOwn;
  } else if constexpr (std::is_invocable_v<F&, std::span<S>>) {
    return Argument::kSpan;
  } else if constexpr (std::is_invocable_v<F&, std::vector<S>&>) {
    return Argument::kVector;
  } else {
    return Argument::kNone;
  }
}

template <class F, class X, class S>
consteval Argument vector_argument() {
  using Declared = DeclaredT<F>;
  if constexpr (!std::is_void_v<Declared> &&
                !std::same_as<typename ElementOf<Declared>::type, std::remove_cv_t<S>>)
    return Argument::kNone;
  else
    return first_accepted<F, X, S>();
}

template <class F, class X, class S>
concept TakesVector = vector_argument<F, X, S>() != Argument::kNone;

/// What the values for f are kept in.
template <class F, class X, class S>
using StorageT = std::conditional_t<vector_argument<F, X, S>() == Argument::kVector, std::vector<S>,
                                    RebindT<X, S>>;

/// f(storage), in the manner f takes it.
template <class F, class X, class S, class Storage>
decltype(auto) call_with(F& f, Storage& storage) {
  if constexpr (vector_argument<F, X, S>() == Argument::kSpan)
    return f(std::span<S>(storage.data(), length(storage)));
  else
    return f(storage);
}

template <class F, class X, class S>
using VectorResultT =
    decltype(call_with<F, X, S>(std::declval<F&>(), std::declval<StorageT<F, X, S>&>()));

/// f takes a vector of S, a DualNumber or Variable, and answers in what carries a derivative. A
/// generic f that answers in plain numbers all the same has not used its argument: it reads the
/// caller's x, say, and has to be differentiated by moving that.
template <class F, class X, class S>
consteval bool carries_derivatives() {
  if constexpr (TakesVector<F, X, S>)
    return Differential<typename ElementOf<std::remove_cvref_t<VectorResultT<F, X, S>>>::type>;
  else
    return false;
}
template <class F, class X, class S>
concept CarriesDerivatives = carries_derivatives<F, X, S>();

template <class F, class X, class T>
consteval auto vector_evaluation() {
  using Declared = DeclaredT<F>;
  if constexpr (!std::is_void_v<Declared> && requires(const Declared& d) { *d.data(); }) {
    return std::type_identity<ElementT<Declared>>{};
  } else if constexpr (std::same_as<T, float> && TakesVector<F, X, double>) {
    using Result = std::remove_cvref_t<VectorResultT<F, X, double>>;
    if constexpr (std::same_as<typename ElementOf<Result>::type, float>)
      return std::type_identity<float>{};
    else
      return std::type_identity<double>{};
  } else {
    return std::type_identity<T>{};
  }
}
/// As ScalarEvaluationT, for f of a vector x of kind X.
template <class F, class X>
using VectorEvaluationT = typename decltype(vector_evaluation<F, X, ElementT<X>>())::type;

}  // namespace gradatim::detail
