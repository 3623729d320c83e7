#pragma once

namespace gradatim::test {

/// Whether the build runs under a sanitizer, which makes tests twenty times as slow: those that
/// repeat themselves over seeds or cases do so less.
#ifdef GRADATIM_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace gradatim::test
