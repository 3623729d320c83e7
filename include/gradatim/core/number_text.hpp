#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace gradatim {

/// The number that the whole of `text` is, as std::from_chars reads it: without blanks or a plus,
/// in no locale. Nothing if it is none, or out of N's range.
template <class N>
std::optional<N> number_in(std::string_view text) {
  N number{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  return error == std::errc() && end == last ? std::optional(number) : std::nullopt;
}

}  // namespace gradatim
