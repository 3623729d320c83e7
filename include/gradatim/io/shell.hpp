#pragma once

#include <string>
#include <string_view>

namespace gradatim {

/// A text as one word of a POSIX shell's command, in quotes where it needs them: what a message
/// advises can be pasted.
std::string shell_word(std::string_view text);

}  // namespace gradatim
