#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gradatim/diff/elementary.hpp"

namespace gradatim::app {

/// A formula of the command line, compiled once and evaluated on any scalar: plain numbers,
/// std::complex, DualNumber, Variable.
///
/// Written here because no library serves the methods that matter: muParser evaluates on one scalar
/// type fixed when it was built, so it knows neither dual numbers nor a tape, nor complex ones
/// beside real ones; muParserX computes with values of its own that may be complex, but carry no
/// derivative; ExprTk is a template on its scalar, but Debian 12 has no package of it.
///
///   sum      = product { ("+" | "-") product }
///   product  = sign { ("*" | "/") sign }
///   sign     = { "+" | "-" } power            so that -x^2 = -(x^2)
///   power    = atom [ ("^" | "**") sign ]     from the right: 2^3^2 = 2^9
///   atom     = number | name | name "(" sum { "," sum } ")" | "(" sum ")"
///
/// Names: x0, x1, ..., with x, y, z for the first three; pi and e; the functions of
/// function_names().
class Expression {
 public:
  /// Throws InvalidArgument naming the column of the first fault.
  explicit Expression(std::string_view text);

  const std::string& text() const { return text_; }
  /// The smallest number of coordinates that has every variable named.
  std::size_t variables() const { return variables_; }
  /// Whether it is made of analytic functions only, as a complex step needs.
  bool is_analytic() const { return analytic_; }

  template <class S>
  S evaluate(std::span<const S> x) const;

 private:
  friend class ExpressionParser;

  enum class Code : std::uint8_t {
    kNumber,
    kVariable,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kNegate,
    kPower,
    kPowerOfNumber,
    kFunction1,
    kFunction2
  };
  struct Instruction {
    Code code = Code::kNumber;
    std::uint16_t index = 0;  // of the variable or function
    double number = 0;        // a number or an exponent
  };

  template <class S>
  static S apply1(std::size_t function, const S& a);
  template <class S>
  static S apply2(std::size_t function, const S& a, const S& b);
  template <class S>
  static S power_of(const S& b, double n);

  std::string text_;
  std::vector<Instruction> program_;  // postfix
  std::size_t variables_ = 0;
  bool analytic_ = true;
};

/// "sin cos tan ...", for messages and help.
std::string function_names();

namespace detail {

template <class S>
struct IsComplex : std::false_type {};
template <class T>
struct IsComplex<std::complex<T>> : std::true_type {};

/// In the order in which Expression's functions are numbered. The first kAnalytic also take
/// std::complex.
inline constexpr std::string_view kFunctions1[] = {
    "exp",  "log",  "sqrt",  "sin",   "cos",   "tan",     "asin",  "acos",  "atan", "sinh",
    "cosh", "tanh", "asinh", "acosh", "atanh", "log10",   "log1p", "expm1", "cbrt", "erf",
    "erfc", "abs",  "floor", "ceil",  "round", "sigmoid", "relu",  "sign"};
inline constexpr std::size_t kAnalytic = 16;
inline constexpr std::string_view kFunctions2[] = {"pow", "max", "min", "hypot", "atan2"};

}  // namespace detail

template <class S>
S Expression::apply1(std::size_t function, const S& a) {
  switch (function) {
    case 0:
      return exp(a);
    case 1:
      return log(a);
    case 2:
      return sqrt(a);
    case 3:
      return sin(a);
    case 4:
      return cos(a);
    case 5:
      return tan(a);
    case 6:
      return asin(a);
    case 7:
      return acos(a);
    case 8:
      return atan(a);
    case 9:
      return sinh(a);
    case 10:
      return cosh(a);
    case 11:
      return tanh(a);
    case 12:
      return asinh(a);
    case 13:
      return acosh(a);
    case 14:
      return atanh(a);
    case 15:
      return log10(a);
    default:
      break;
  }
  if constexpr (!detail::IsComplex<S>::value) {
    switch (function) {
      case 16:
        return log1p(a);
      case 17:
        return expm1(a);
      case 18:
        return cbrt(a);
      case 19:
        return erf(a);
      case 20:
        return erfc(a);
      case 21:
        return abs(a);
      case 22:
        return floor(a);
      case 23:
        return ceil(a);
      case 24:
        return round(a);
      case 25:
        return 1.0 / (1.0 + exp(-a));
      case 26:
        return max(a, S(0));
      case 27:
        return S(a > S(0) ? 1.0 : a < S(0) ? -1.0 : 0.0);
      default:
        break;
    }
  }
  return S(std::nan(""));
}

template <class S>
S Expression::apply2(std::size_t function, const S& a, const S& b) {
  if constexpr (!detail::IsComplex<S>::value) {
    switch (function) {
      case 1:
        return max(a, b);
      case 2:
        return min(a, b);
      case 3:
        return hypot(a, b);
      case 4:
        return atan2(a, b);
      default:
        break;
    }
  }
  return pow(a, b);
}

/// b^n. A whole power of a complex number is a product: by logarithms it would turn the rounding of
/// 2π into an imaginary part.
template <class S>
S Expression::power_of(const S& b, double n) {
  if constexpr (detail::IsComplex<S>::value) {
    if (n != std::floor(n) || std::abs(n) > 1024) return pow(b, n);
    S product(1);
    S square = b;
    for (auto k = static_cast<unsigned>(std::abs(n)); k > 0; k /= 2, square *= square)
      if (k % 2 == 1) product *= square;
    return n < 0 ? S(1) / product : product;
  } else {
    return pow(b, n);
  }
}

template <class S>
S Expression::evaluate(std::span<const S> x) const {
  std::vector<S> stack;
  stack.reserve(program_.size());
  const auto pop = [&stack] {
    const S top = stack.back();
    stack.pop_back();
    return top;
  };
  for (const Instruction& in : program_) {
    if (in.code == Code::kNumber) {
      stack.push_back(S(in.number));
      continue;
    }
    if (in.code == Code::kVariable) {
      stack.push_back(x[in.index]);
      continue;
    }
    const S b = pop();
    switch (in.code) {
      case Code::kNegate:
        stack.push_back(-b);
        break;
      case Code::kPowerOfNumber:
        stack.push_back(power_of(b, in.number));
        break;
      case Code::kFunction1:
        stack.push_back(apply1(in.index, b));
        break;
      case Code::kAdd:
        stack.push_back(pop() + b);
        break;
      case Code::kSubtract:
        stack.push_back(pop() - b);
        break;
      case Code::kMultiply:
        stack.push_back(pop() * b);
        break;
      case Code::kDivide:
        stack.push_back(pop() / b);
        break;
      case Code::kPower:
        stack.push_back(pow(pop(), b));
        break;
      default:
        stack.push_back(apply2(in.index, pop(), b));
        break;
    }
  }
  return stack.back();
}

}  // namespace gradatim::app
