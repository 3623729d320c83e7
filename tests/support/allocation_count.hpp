#pragma once

#include <cstddef>

namespace gradatim::test {

/// Allocations of this process so far, on any thread: all calls of malloc and its kin, also those
/// that libraries make. Under the sanitizers, which bring their own malloc, only those of operator
/// new without an alignment.
std::size_t allocation_count();

}  // namespace gradatim::test
