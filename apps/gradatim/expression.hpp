#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expression_functions.hpp"

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
    std::uint16_t variable = 0;  // its place in x
    Function function = Function::kExp;
    double number = 0;  // or an exponent
  };

  template <class S>
  static S power_of(const S& b, double n);

  std::string text_;
  std::vector<Instruction> program_;  // postfix
  std::size_t variables_ = 0;
  bool analytic_ = true;
};

/// "sin cos tan ...", for messages and help.
std::string function_names();

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
      stack.push_back(x[in.variable]);
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
        stack.push_back(apply(in.function, b));
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
        stack.push_back(apply(in.function, pop(), b));
        break;
    }
  }
  return stack.back();
}

}  // namespace gradatim::app
