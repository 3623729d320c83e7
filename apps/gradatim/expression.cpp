#include "expression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <numbers>
#include <optional>

#include "gradatim/core/error.hpp"
#include "gradatim/core/number_text.hpp"

namespace gradatim::app {
namespace {

constexpr std::size_t kMostVariables = 1000;
constexpr int kDeepest = 200;  // of nested parentheses, signs and powers

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

class ExpressionParser {
 public:
  explicit ExpressionParser(Expression& expression)
      : expression_(expression), text_(expression.text_) {}

  void parse() {
    sum();
    skip_spaces();
    if (at_ < text_.size()) fail("an operator", found());
  }

 private:
  using Code = Expression::Code;

  void emit(Code code) { expression_.program_.push_back({.code = code}); }
  void emit(Code code, double number) {
    expression_.program_.push_back({.code = code, .number = number});
  }
  void emit_variable(std::size_t index) {
    expression_.program_.push_back(
        {.code = Code::kVariable, .variable = static_cast<std::uint16_t>(index)});
  }
  void emit_call(const NamedFunction& named) {
    expression_.program_.push_back(
        {.code = named.arguments == 1 ? Code::kFunction1 : Code::kFunction2,
         .function = named.function});
    expression_.analytic_ &= named.is_analytic;
  }

  void sum() {
    product();
    for (;;) {
      if (accept("+")) {
        product();
        emit(Code::kAdd);
      } else if (accept("-")) {
        product();
        emit(Code::kSubtract);
      } else {
        return;
      }
    }
  }

  void product() {
    sign();
    for (;;) {
      if (!starts_with("**") && accept("*")) {
        sign();
        emit(Code::kMultiply);
      } else if (accept("/")) {
        sign();
        emit(Code::kDivide);
      } else {
        return;
      }
    }
  }

  void sign() {
    if (++depth_ > kDeepest) fail("fewer nested parts", "more than 200");
    if (accept("-")) {
      sign();
      emit(Code::kNegate);
    } else if (accept("+")) {
      sign();
    } else {
      power();
    }
    --depth_;
  }

  void power() {
    atom();
    if (!accept("^") && !accept("**")) return;
    const std::size_t exponent = expression_.program_.size();
    sign();
    auto& program = expression_.program_;
    if (const auto number = constant_from(exponent)) {
      program.resize(exponent);
      emit(Code::kPowerOfNumber, *number);
    } else {
      emit(Code::kPower);
    }
  }

  /// The number that the instructions from `first` on amount to, if they are one or its negative.
  std::optional<double> constant_from(std::size_t first) const {
    const auto& program = expression_.program_;
    if (program[first].code != Code::kNumber) return std::nullopt;
    double number = program[first].number;
    for (std::size_t i = first + 1; i < program.size(); ++i) {
      if (program[i].code != Code::kNegate) return std::nullopt;
      number = -number;
    }
    return number;
  }

  void atom() {
    skip_spaces();
    if (at_ >= text_.size()) fail("a number, a name or '('", "the end");
    const char c = text_[at_];
    if (is_digit(c) || c == '.') return number();
    if (is_letter(c)) return name();
    if (!accept("(")) fail("a number, a name or '('", found());
    sum();
    expect(")");
  }

  void number() {
    double value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range)
      fail("a number within the range of double", fmt::format("'{}'", std::string(begin, end)));
    if (error != std::errc{}) fail("a number", found());
    at_ += static_cast<std::size_t>(end - begin);
    emit(Code::kNumber, value);
  }

  void name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    const std::string_view word = std::string_view(text_).substr(start, at_ - start);
    skip_spaces();
    if (starts_with("(")) return call(word, start);
    if (word == "pi") return emit(Code::kNumber, std::numbers::pi);
    if (word == "e") return emit(Code::kNumber, std::numbers::e);
    if (const auto index = variable(word)) {
      expression_.variables_ = std::max(expression_.variables_, *index + 1);
      return emit_variable(*index);
    }
    if (find_function(word) != nullptr)
      fail(fmt::format("'(' after the function {}", word), found());
    at_ = start;
    fail(fmt::format("a variable (x, y, z or x0 to x{}), pi, e or a function", kMostVariables - 1),
         fmt::format("'{}'", word));
  }

  static const NamedFunction* find_function(std::string_view word) {
    const auto* const found = std::ranges::find(kFunctions, word, &NamedFunction::name);
    return found == std::end(kFunctions) ? nullptr : found;
  }

  static std::optional<std::size_t> variable(std::string_view word) {
    if (word.size() == 1 && word[0] >= 'x' && word[0] <= 'z')
      return static_cast<std::size_t>(word[0] - 'x');
    if (word.size() < 2 || word[0] != 'x') return std::nullopt;
    const auto index = number_in<std::size_t>(word.substr(1));
    return index && *index < kMostVariables ? index : std::nullopt;
  }

  void call(std::string_view word, std::size_t start) {
    const NamedFunction* const named = find_function(word);
    if (named == nullptr) {
      at_ = start;
      fail(fmt::format("one of the functions {}", function_names()), fmt::format("'{}'", word));
    }
    expect("(");
    sum();
    for (int i = 1; i < named->arguments; ++i) {
      expect(",");
      sum();
    }
    expect(")");
    emit_call(*named);
  }

  void skip_spaces() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool starts_with(std::string_view token) {
    skip_spaces();
    return std::string_view(text_).substr(at_).starts_with(token);
  }
  bool accept(std::string_view token) {
    if (!starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail(fmt::format("'{}'", token), found());
  }
  std::string found() const {
    if (at_ >= text_.size()) return "the end";
    std::size_t end = at_ + 1;  // of a character of UTF-8
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) ++end;
    return fmt::format("'{}'", text_.substr(at_, end - at_));
  }

  [[noreturn]] void fail(std::string_view expected, std::string_view got) const {
    throw InvalidArgument(fmt::format("expression '{}', column {}: expected {}, got {}", text_,
                                      at_ + 1, expected, got));
  }

  Expression& expression_;
  const std::string& text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

Expression::Expression(std::string_view text) : text_(text) { ExpressionParser(*this).parse(); }

std::string function_names() {
  std::string names;
  for (const NamedFunction& named : kFunctions)
    names += (names.empty() ? "" : " ") + std::string(named.name);
  return names;
}

}  // namespace gradatim::app
