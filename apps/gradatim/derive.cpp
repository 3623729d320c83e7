#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.hpp"
#include "derive_plot.hpp"
#include "exit_codes.hpp"
#include "expression.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/number_text.hpp"
#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/diff/gradient.hpp"
#include "json.hpp"
#include "options.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;
using Values = std::vector<double>;
using Result = Gradient<Values>;

struct Derived {
  Result result;
  bool refuted =
      false;  // further from the exact gradient than its own error and the tolerance allow
};

struct DeriveCommand {
  std::string expression;
  std::string at_text;
  Values at;
  std::string method = "all";
  std::string plot;
  bool json = false;
};

/// The expression as a function that every method can call.
struct Formula {
  const Expression& expression;

  template <class X>
  auto operator()(const X& x) const {
    using S = std::remove_cvref_t<decltype(x[0])>;
    return expression.evaluate<S>(std::span<const S>(x.data(), x.size()));
  }
};

constexpr std::array<std::string_view, 11> kMethods{
    Forward::kName, Central::kName,  "stencil4",         "stencil6",  "stencil8", Richardson::kName,
    Ridders::kName, Adaptive::kName, ComplexStep::kName, Dual::kName, Tape::kName};

Result derive_by(std::string_view method, const Formula& f, const Values& at) {
  constexpr auto kMeasured = ErrorEstimate::kMeasured;
  if (method == Forward::kName) return gradient(f, at, Forward{.error = kMeasured});
  if (method == Central::kName) return gradient(f, at, Central{.error = kMeasured});
  if (method == "stencil4") return gradient(f, at, Stencil{.order = 4});
  if (method == "stencil6") return gradient(f, at, Stencil{.order = 6});
  if (method == "stencil8") return gradient(f, at, Stencil{.order = 8});
  if (method == Richardson::kName) return gradient(f, at, Richardson{});
  if (method == Ridders::kName) return gradient(f, at, Ridders{});
  if (method == Adaptive::kName) return gradient(f, at, Adaptive{});
  if (method == ComplexStep::kName) return gradient(f, at, ComplexStep{.error = kMeasured});
  if (method == Dual::kName) return gradient(f, at, Dual{.error = kMeasured});
  return gradient(f, at, Tape{.error = kMeasured});
}

Result derive_named(std::string_view name, const Formula& f, const Values& at) {
  if (name == ComplexStep::kName && !f.expression.is_analytic())
    throw InvalidArgument(fmt::format(
        "derive: complex-step: expected analytic functions only in '{}'", f.expression.text()));
  Result result = derive_by(name, f, at);
  result.method = name;
  return result;
}

/// Judged where the check confirms the exact gradient; where it does not, nothing is known.
bool is_refuted(const Result& result, const Values& exact, const GradientCheck& check) {
  return std::ranges::any_of(check.entries, [&](const CheckedEntry& entry) {
    const double value = result[entry.index];
    const double off = std::abs(value - exact[entry.index]);
    const double scale = std::max(std::abs(value), std::abs(exact[entry.index]));
    const double error = result.error[entry.index];
    const double allowed = check.relative_tolerance * scale + check.error_factor * error;
    return entry.verdict == Verdict::kPass && !(off <= allowed);
  });
}

std::vector<Derived> derive(const DeriveCommand& command, const Formula& f, const Values& exact,
                            const GradientCheck& check) {
  std::vector<Derived> all;
  const auto add = [&](std::string_view name) {
    Result result = derive_named(name, f, command.at);
    const bool refuted = is_refuted(result, exact, check);
    all.push_back({std::move(result), refuted});
  };
  if (command.method != "all") {
    add(*std::ranges::find(kMethods, command.method));
    return all;
  }
  for (const std::string_view name : kMethods)
    if (name != ComplexStep::kName || f.expression.is_analytic()) add(name);
  return all;
}

Json numbers(std::span<const double> values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(json_number(value));
  return array;
}

Json as_json(const Derived& derived) {
  const Result& result = derived.result;
  return {{"method", result.method},           {"derivative", numbers(result.value)},
          {"error", numbers(result.error)},    {"step", numbers(result.step)},
          {"evaluations", result.evaluations}, {"status", to_string(result.status)},
          {"refuted", derived.refuted}};
}

Json as_json(const GradientCheck& check) {
  Json entries = Json::array();
  for (const CheckedEntry& entry : check.entries)
    entries.push_back({{"index", entry.index},
                       {"verdict", to_string(entry.verdict)},
                       {"analytic", json_number(entry.analytic)},
                       {"numerical", json_number(entry.numerical)},
                       {"error", json_number(entry.error)},
                       {"ratio", json_number(entry.ratio)},
                       {"slope_below", json_number(entry.slope_below)},
                       {"slope_above", json_number(entry.slope_above)},
                       {"between_slopes", entry.between_slopes}});
  return {{"passed", check.passed()}, {"entries", entries}};
}

std::string tuple(std::span<const double> values) {
  // The sign of a NaN means nothing.
  const auto digits = [](double value) {
    return std::isnan(value) ? "nan" : fmt::format("{:.16g}", value);
  };
  if (values.size() == 1) return digits(values[0]);
  std::string text;
  for (const double value : values) text += (text.empty() ? "(" : ", ") + digits(value);
  return text + ")";
}

double largest(std::span<const double> values) {
  double most = 0;
  for (const double value : values)
    if (!(value <= most)) most = value;
  return most;
}

void print(const DeriveCommand& command, double value, const std::vector<Derived>& results,
           const GradientCheck& check) {
  fmt::print("f = {} at {}: {}\n", command.expression, tuple(command.at), tuple(std::array{value}));
  fmt::print("{:<13} {:>9} {:>12}  {}\n", "method", "error", "evaluations",
             command.at.size() == 1 ? "derivative" : "gradient");
  for (const auto& [result, refuted] : results) {
    const std::string status = result.status != Status::kOk
                                   ? fmt::format("  ({})", to_string(result.status))
                                   : std::string(refuted ? "  (refuted)" : "");
    fmt::print("{:<13} {:>9.1e} {:>12}  {}{}\n", result.method, largest(result.error),
               result.evaluations, tuple(result.value), status);
  }
  fmt::print("{}", check.to_string(check.passed() ? 0 : check.entries.size()));
}

/// The number that `text` is; NaN if it is none.
double parse_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  const bool has_plus = text.starts_with('+') && !text.starts_with("+-");
  return number_in<double>(has_plus ? text.substr(1) : text).value_or(std::nan(""));
}

Values parse_point(std::string_view text) {
  Values point;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    point.push_back(parse_number(text.substr(start, comma - start)));
    start = comma + 1;
  }
  if (!std::ranges::all_of(point, [](double value) { return std::isfinite(value); }))
    throw InvalidArgument(fmt::format(
        "derive --at: expected finite numbers with commas between them, got '{}'", text));
  return point;
}

int run_derive(DeriveCommand command) {
  command.at = parse_point(command.at_text);
  const Expression expression(command.expression);
  if (command.at.size() < expression.variables())
    throw InvalidArgument(fmt::format("derive: '{}' has {} variables, --at gives {} coordinates",
                                      command.expression, expression.variables(),
                                      command.at.size()));
  const Formula f{expression};
  const double value = f(command.at);
  const Values exact = gradient(f, command.at, Tape{}).value;
  const auto check = check_gradient(f, exact, command.at);
  const auto results = derive(command, f, exact, check);
  if (!command.json) print(command, value, results, check);  // also where no picture can be drawn
  if (!command.plot.empty())
    draw_derivative({.formula = command.expression,
                     .f = f,
                     .at = command.at,
                     .value = value,
                     .gradient = exact,
                     .worst = check.worst()},
                    command.plot);
  if (command.json) {
    Json methods = Json::array();
    for (const Derived& derived : results) methods.push_back(as_json(derived));
    Json output{{"expression", command.expression},
                {"at", command.at},
                {"value", json_number(value)},
                {"methods", methods},
                {"check", as_json(check)}};
    if (!command.plot.empty()) output["plot"] = command.plot;
    fmt::print("{}\n", json_line(output));
  }
  const bool exists =
      check.count(Verdict::kPass) + check.count(Verdict::kUnresolved) == check.entries.size();
  const bool one_failed = command.method != "all" &&
                          (results.front().refuted || results.front().result.status != Status::kOk);
  return exists && !one_failed ? kDone : kFailed;
}

}  // namespace

void put_formula_last(const CLI::App& app, std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] != "derive") return;
  const CLI::App* const sub = app.get_subcommand("derive");
  for (std::size_t i = 1; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string argument = arguments[i];
    if (const CLI::Option* const option = sub->get_option_no_throw(argument)) {
      i += static_cast<std::size_t>(option->get_items_expected_min());
    } else if (argument.starts_with('-') && !argument.starts_with("--")) {
      arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i));
      arguments.insert(arguments.end(), {"--", argument});
      return;
    }
  }
}

void add_derive_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<DeriveCommand>();
  CLI::App* sub = app.add_subcommand("derive", "Differentiate a formula by every method");
  sub->add_option("expression", command->expression,
                  "A formula of x, y, z or x0, x1, ...: '0.01*x^2 + 0.1*x'")
      ->required();
  sub->add_option("--at", command->at_text, "The point: X[,Y...]")->required();
  std::vector<std::string> methods(kMethods.begin(), kMethods.end());
  methods.emplace_back("all");
  sub->add_option("--method", command->method, "One method, or all")
      ->check(CLI::IsMember(methods))
      ->capture_default_str();
  sub->add_option("--plot", command->plot,
                  "Draw the curve and its tangent, or contours and minus the gradient (.svg, .png)")
      ->check(not_empty())
      ->check(picture_file());
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->footer(
      "Functions: " + function_names() +
      ".\nExits with 1 if the derivative is refuted by differences or does not exist or, with one "
      "method, if that one's value is further off than ten of its errors.");
  sub->callback([command, &exit_code] { exit_code = run_derive(*command); });
}

}  // namespace gradatim::app
