#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "gradatim/diff/elementary.hpp"

// The functions that an Expression may call.
namespace gradatim::app {

enum class Function : std::uint8_t {
  kExp,
  kLog,
  kSqrt,
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kTanh,
  kAsinh,
  kAcosh,
  kAtanh,
  kLog10,
  kSigmoid,
  kLog1p,
  kExpm1,
  kCbrt,
  kErf,
  kErfc,
  kAbs,
  kFloor,
  kCeil,
  kRound,
  kRelu,
  kSign,
  kPow,
  kMax,
  kMin,
  kHypot,
  kAtan2,
};

struct NamedFunction {
  std::string_view name;
  Function function = Function::kExp;
  int arguments = 1;
  bool is_analytic = false;  // then it takes std::complex too
};

inline constexpr NamedFunction kFunctions[] = {
    {"exp", Function::kExp, 1, true},
    {"log", Function::kLog, 1, true},
    {"sqrt", Function::kSqrt, 1, true},
    {"sin", Function::kSin, 1, true},
    {"cos", Function::kCos, 1, true},
    {"tan", Function::kTan, 1, true},
    {"asin", Function::kAsin, 1, true},
    {"acos", Function::kAcos, 1, true},
    {"atan", Function::kAtan, 1, true},
    {"sinh", Function::kSinh, 1, true},
    {"cosh", Function::kCosh, 1, true},
    {"tanh", Function::kTanh, 1, true},
    {"asinh", Function::kAsinh, 1, true},
    {"acosh", Function::kAcosh, 1, true},
    {"atanh", Function::kAtanh, 1, true},
    {"log10", Function::kLog10, 1, true},
    {"sigmoid", Function::kSigmoid, 1, true},
    {"log1p", Function::kLog1p},
    {"expm1", Function::kExpm1},
    {"cbrt", Function::kCbrt},
    {"erf", Function::kErf},
    {"erfc", Function::kErfc},
    {"abs", Function::kAbs},
    {"floor", Function::kFloor},
    {"ceil", Function::kCeil},
    {"round", Function::kRound},
    {"relu", Function::kRelu},
    {"sign", Function::kSign},
    {"pow", Function::kPow, 2, true},
    {"max", Function::kMax, 2},
    {"min", Function::kMin, 2},
    {"hypot", Function::kHypot, 2},
    {"atan2", Function::kAtan2, 2},
};

namespace detail {

template <class S>
struct IsComplex : std::false_type {};
template <class T>
struct IsComplex<std::complex<T>> : std::true_type {};

template <class S>
S apply_to_real(Function function, const S& a) {
  switch (function) {
    case Function::kLog1p:
      return log1p(a);
    case Function::kExpm1:
      return expm1(a);
    case Function::kCbrt:
      return cbrt(a);
    case Function::kErf:
      return erf(a);
    case Function::kErfc:
      return erfc(a);
    case Function::kAbs:
      return abs(a);
    case Function::kFloor:
      return floor(a);
    case Function::kCeil:
      return ceil(a);
    case Function::kRound:
      return round(a);
    case Function::kRelu:
      return max(a, S(0));
    case Function::kSign:
      return S(a > S(0) ? 1.0 : a < S(0) ? -1.0 : 0.0);
    default:
      return S(std::nan(""));
  }
}

}  // namespace detail

/// Of one argument. NaN if the function is not analytic and S complex.
template <class S>
S apply(Function function, const S& a) {
  switch (function) {
    case Function::kExp:
      return exp(a);
    case Function::kLog:
      return log(a);
    case Function::kSqrt:
      return sqrt(a);
    case Function::kSin:
      return sin(a);
    case Function::kCos:
      return cos(a);
    case Function::kTan:
      return tan(a);
    case Function::kAsin:
      return asin(a);
    case Function::kAcos:
      return acos(a);
    case Function::kAtan:
      return atan(a);
    case Function::kSinh:
      return sinh(a);
    case Function::kCosh:
      return cosh(a);
    case Function::kTanh:
      return tanh(a);
    case Function::kAsinh:
      return asinh(a);
    case Function::kAcosh:
      return acosh(a);
    case Function::kAtanh:
      return atanh(a);
    case Function::kLog10:
      return log10(a);
    case Function::kSigmoid:
      return S(1) / (S(1) + exp(-a));
    default:
      break;
  }
  if constexpr (detail::IsComplex<S>::value)
    return S(std::nan(""));
  else
    return detail::apply_to_real(function, a);
}

/// Of two arguments. NaN if the function is not analytic and S complex.
template <class S>
S apply(Function function, const S& a, const S& b) {
  if (function == Function::kPow) return pow(a, b);
  if constexpr (!detail::IsComplex<S>::value) {
    switch (function) {
      case Function::kMax:
        return max(a, b);
      case Function::kMin:
        return min(a, b);
      case Function::kHypot:
        return hypot(a, b);
      case Function::kAtan2:
        return atan2(a, b);
      default:
        break;
    }
  }
  return S(std::nan(""));
}

}  // namespace gradatim::app
