#pragma once

#include <filesystem>

namespace gradatim::test {

/// The source tree the tests were built from.
std::filesystem::path source_folder();

}  // namespace gradatim::test
