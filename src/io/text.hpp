#pragma once

#include <string>
#include <string_view>

namespace gradatim::detail {

/// What the system says about an errno value.
std::string system_message(int code);

/// A name out of a file nobody vouches for, as an error message may show it: quoted, on one line,
/// and at most 80 bytes of it.
std::string in_quotes(std::string_view name);

}  // namespace gradatim::detail
