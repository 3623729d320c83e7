#pragma once

#include <complex>
#include <functional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "gradatim/diff/dual.hpp"
#include "gradatim/diff/tape.hpp"

// Functions with their kind erased. A test that runs over many functions takes one of these, so
// that a method is compiled once and not once a function: under the sanitizers it is most of the
// build.
namespace gradatim::test {

template <class A>
struct ResultOf {
  using type = A;
};
template <class S>
struct ResultOf<std::vector<S>> {
  using type = S;
};

/// A generic function without captures that can be called with each of Arguments.
template <class... Arguments>
class AnyFunction {
 public:
  template <class F>
    requires std::is_empty_v<F>
  AnyFunction(F) : calls_{&call<F, Arguments>...} {}

  template <class A>
    requires(std::same_as<A, Arguments> || ...)
  auto operator()(const A& x) const {
    return std::get<Call<A>>(calls_)(x);
  }

 private:
  template <class A>
  using Call = typename ResultOf<A>::type (*)(const A&);
  template <class F, class A>
  static typename ResultOf<A>::type call(const A& x) {
    return static_cast<typename ResultOf<A>::type>(F{}(x));
  }
  std::tuple<Call<Arguments>...> calls_;
};

using Dual1 = DualNumber<double>;

/// Of a number: by differences, Dual, Tape, and its derivative by Dual as well.
using RealFunction = AnyFunction<double, Dual1, DualNumber<Dual1>, Variable<double>>;
using ComplexFunction = AnyFunction<std::complex<double>>;
/// Of a vector, by every method.
using VectorFunction =
    AnyFunction<std::vector<double>, std::vector<DualNumber<double, 4>>,
                std::vector<Variable<double>>, std::vector<std::complex<double>>>;

/// A function that takes plain numbers only and may write to them.
using PlainFunction = std::function<double(std::vector<double>&)>;

}  // namespace gradatim::test
