#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace gradatim::app {

/// A message as stderr gets it: control characters, which a hostile file may have put into it,
/// become spaces.
std::string one_line(std::string_view message);

/// At most 100 bytes of a text, the rest as "...".
std::string shortened(std::string_view text);

/// The name of a class, or its number where it has none.
std::string class_name(std::span<const std::string> names, std::size_t index);

/// Four decimals, or an exponent where they say too little or too much.
std::string loss_text(double loss);

/// "0:07", "1:02:03"
std::string duration(double seconds);

/// share·width characters of a bar, to an eighth of a character, padded with spaces.
std::string block_bar(double share, std::size_t width);

/// The same in ASCII: "[####....]", with its brackets width + 2 characters.
std::string hash_bar(double share, std::size_t width);

/// Values as a row of blocks between the least and the largest, at most `width` of them.
std::string sparkline(std::span<const double> values, std::size_t width);

/// How many columns UTF-8 text takes, if every code point takes one.
std::size_t columns(std::string_view text);

/// The text and as many spaces as fill it up to `width` columns.
std::string padded(std::string_view text, std::size_t width);

}  // namespace gradatim::app
