#pragma once

#include <cstddef>

namespace gradatim::test {

/// Calls of operator new by this program so far, on any thread.
std::size_t allocation_count();

}  // namespace gradatim::test
