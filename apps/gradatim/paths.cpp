#include "paths.hpp"

#include <cstdlib>

namespace gradatim::app {
namespace {

using std::filesystem::path;

path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? path() : path(value);
}

}  // namespace

path dataset_cache() {
  if (const path home = from_environment("GRADATIM_HOME"); !home.empty()) return home / "datasets";
  // The XDG specification has relative paths ignored.
  if (const path cache = from_environment("XDG_CACHE_HOME"); cache.is_absolute())
    return cache / "gradatim/datasets";
  if (const path home = from_environment("HOME"); !home.empty())
    return home / ".cache/gradatim/datasets";
  return {};
}

DataPaths data_paths(const path& data_dir) {
  return {.chosen = data_dir, .cache = dataset_cache()};
}

}  // namespace gradatim::app
