#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "gradatim/core/error.hpp"
#include "gradatim/core/number_text.hpp"
#include "gradatim/core/random.hpp"
#include "gradatim/train/search.hpp"
#include "train/setting_key.hpp"

namespace gradatim {
namespace {

constexpr std::uint32_t kSearchStream = 0x5ea2c4;

// Commas within quotes, brackets and braces belong to a value.
std::vector<std::string> arguments_of(std::string_view text) {
  std::vector<std::string> arguments(1);
  char quote = 0;
  int depth = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    }
    if (c == ',' && quote == 0 && depth == 0)
      arguments.emplace_back();
    else
      arguments.back() += c;
  }
  for (std::string& argument : arguments) argument = std::string(trimmed(argument, " "));
  return arguments;
}

template <class Number>
std::array<Number, 2> bounds_of(const std::vector<std::string>& arguments, std::string_view form,
                                const std::string& origin) {
  std::array<Number, 2> bounds{};
  bool good = arguments.size() == 2;
  for (std::size_t i = 0; good && i < 2; ++i) {
    const auto bound = number_in<Number>(arguments[i]);
    good = bound && std::isfinite(static_cast<double>(*bound));
    if (good) bounds.at(i) = *bound;
  }
  if (!good || !(bounds[0] < bounds[1]))
    throw InvalidArgument(fmt::format("{}: expected {}(LOW, HIGH) with {} LOW < HIGH", origin, form,
                                      std::is_integral_v<Number> ? "integers" : "numbers"));
  return bounds;
}

SearchValues values_of(std::string_view form, const std::vector<std::string>& arguments,
                       const std::string& origin) {
  if (form == "choice") {
    for (const std::string& value : arguments)
      if (value.empty())
        throw InvalidArgument(
            fmt::format("{}: expected choice(VALUE, VALUE, ...), got an empty value", origin));
    return ChoiceValues{arguments};
  }
  if (form == "int") {
    const auto [low, high] = bounds_of<std::int64_t>(arguments, form, origin);
    return IntegerValues{low, high};
  }
  const auto [low, high] = bounds_of<double>(arguments, form, origin);
  if (form == "uniform") return UniformValues{low, high};
  if (low <= 0)
    throw InvalidArgument(
        fmt::format("{}: expected log(LOW, HIGH) with LOW above 0, got {}", origin, low));
  return LogUniformValues{low, high};
}

// In [0, 1), of 53 bits.
double unit_interval(std::uint64_t seed, std::string_view key, std::size_t number) {
  std::uint32_t hash = 2166136261U;  // FNV-1a: tells the keys apart, in whatever order they come
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  const auto words = philox({.seed = seed, .stream = kSearchStream, .step = number}, hash);
  const std::uint64_t bits = (std::uint64_t{words[0]} << 32U | words[1]) >> 11U;
  return static_cast<double>(bits) * 0x1p-53;
}

std::size_t index_below(std::size_t count, double u) {
  return std::min(count - 1, static_cast<std::size_t>(u * static_cast<double>(count)));
}

std::string value_at(const UniformValues& values, double u) {
  return fmt::format("{:.6g}", values.low + u * (values.high - values.low));
}
std::string value_at(const LogUniformValues& values, double u) {
  return fmt::format("{:.6g}", values.low * std::exp(u * std::log(values.high / values.low)));
}
std::string value_at(const IntegerValues& values, double u) {
  // Unsigned, since high - low may exceed the signed range.
  const auto span =
      static_cast<std::uint64_t>(values.high) - static_cast<std::uint64_t>(values.low);
  const auto step = std::min(span, static_cast<std::uint64_t>(u * (static_cast<double>(span) + 1)));
  return fmt::format("{}",
                     static_cast<std::int64_t>(static_cast<std::uint64_t>(values.low) + step));
}
std::string value_at(const ChoiceValues& values, double u) {
  return values.values[index_below(values.values.size(), u)];
}

}  // namespace

std::optional<SearchKey> parse_search_key(const Setting& setting) {
  const std::string_view text = setting.text;
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  const std::string_view value = trimmed(text.substr(equals + 1), " ");
  const std::size_t open = value.find('(');
  if (open == std::string_view::npos) return std::nullopt;
  const std::string_view form = trimmed(value.substr(0, open), " ");
  if (!detail::is_bare(form)) return std::nullopt;  // a string or an array that holds a parenthesis
  if (form != "uniform" && form != "log" && form != "int" && form != "choice")
    throw InvalidArgument(
        fmt::format("{}: expected uniform(LOW, HIGH), log(LOW, HIGH), int(LOW, HIGH) or "
                    "choice(VALUE, VALUE, ...), got '{}'",
                    setting.origin, value));
  if (value.back() != ')')
    throw InvalidArgument(fmt::format("{}: expected a ')' at the end", setting.origin));
  const auto inside = value.substr(open + 1, value.size() - open - 2);
  return SearchKey{.key = detail::recipe_key(text.substr(0, equals), setting.origin),
                   .values = values_of(form, arguments_of(inside), setting.origin)};
}

void require_distinct(std::span<const SearchKey> keys, std::span<const Setting> fixed) {
  std::set<std::string> names;
  for (const Setting& setting : fixed)
    names.insert(
        detail::recipe_key(setting.text.substr(0, setting.text.find('=')), setting.origin));
  for (const SearchKey& key : keys)
    if (!names.insert(key.key).second)
      throw InvalidArgument(fmt::format("search: the key '{}' is given twice", key.key));
}

std::vector<Setting> draw_settings(std::span<const SearchKey> keys, std::uint64_t seed,
                                   std::size_t number) {
  std::vector<Setting> settings;
  for (const SearchKey& key : keys) {
    const double u = unit_interval(seed, key.key, number);
    const std::string value =
        std::visit([&](const auto& values) { return value_at(values, u); }, key.values);
    settings.push_back({.text = fmt::format("{}={}", key.key, value),
                        .origin = fmt::format("trial {}: {}={}", number, key.key, value)});
  }
  return settings;
}

}  // namespace gradatim
