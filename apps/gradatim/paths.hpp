#pragma once

#include <filesystem>

#include "gradatim/data/catalogue.hpp"

namespace gradatim::app {

/// Where downloads are kept: datasets/ in GRADATIM_HOME, else in gradatim/ of XDG_CACHE_HOME, else
/// in ~/.cache/gradatim. Empty if none of the three is set. (The library reads no environment; the
/// command does it here.)
std::filesystem::path dataset_cache();

/// The places to look for datasets: --data-dir (may be empty), the cache, Debian's folder.
DataPaths data_paths(const std::filesystem::path& data_dir);

}  // namespace gradatim::app
