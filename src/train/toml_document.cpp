#include "train/toml_document.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gradatim::detail {
namespace {

// Lines and columns are counted from 1, columns in code points, as toml++ does.
toml::source_position position_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const std::string_view line = before.substr(before.rfind('\n') + 1);
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; };
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const auto columns =
      std::count_if(line.begin(), line.end(), [&](char c) { return !continues(c); });
  return {static_cast<toml::source_index>(lines + 1), static_cast<toml::source_index>(columns + 1)};
}

// Behind the string that begins at `at`. Where it is malformed, toml++ stops: what follows from
// there on does not matter.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool multi_line = text.substr(at, 3) == three;
  for (std::size_t i = at + (multi_line ? 3 : 1); i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote && !multi_line) {
      return i + 1;
    } else if (text.substr(i, 3) == three) {
      // Two more quotes may be the last of what the string says.
      return std::min(text.find_first_not_of(quote, i), i + 5);
    }
  }
  return text.size();
}

void refuse_deep_nesting(std::string_view text) {
  std::size_t parts = 1;  // of the key that this may be; values have no dots but one
  std::size_t brackets = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i = end_of_string(text, i) - 1;
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '.') {
      ++parts;
    } else if (std::string_view("=,\n[]{}").find(c) != std::string_view::npos) {
      parts = 1;
      if (c == '[' || c == '{') ++brackets;
      if ((c == ']' || c == '}') && brackets > 0) --brackets;
    }
    if (parts > kMostKeyParts)
      throw TomlFault(fmt::format("expected a key of at most {} dotted parts", kMostKeyParts),
                      position_of(text, i));
    if (brackets > kDeepestBrackets)
      throw TomlFault(fmt::format("expected at most {} brackets within another", kDeepestBrackets),
                      position_of(text, i));
  }
}

}  // namespace

toml::table parse_toml(std::string_view text, std::string_view source, std::size_t most_bytes) {
  if (text.size() > most_bytes)
    throw TomlFault(fmt::format("expected at most {} bytes, got {}", most_bytes, text.size()), {});
  refuse_deep_nesting(text);
  try {
    return toml::parse(text, source);
  } catch (const toml::parse_error& error) {
    throw TomlFault(std::string(error.description()), error.source().begin);
  }
}

}  // namespace gradatim::detail
