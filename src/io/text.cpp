#include "io/text.hpp"

#include <system_error>

namespace gradatim::detail {

std::string system_message(int code) { return std::generic_category().message(code); }

std::string in_quotes(std::string_view name) {
  constexpr std::size_t kLongest = 80;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    const bool printable = c >= ' ' && c <= '~';
    text += printable ? c : '?';
  }
  return text + (name.size() > kLongest ? "...'" : "'");
}

}  // namespace gradatim::detail
