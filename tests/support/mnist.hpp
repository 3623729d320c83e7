#pragma once

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "apps/gradatim/paths.hpp"
#include "gradatim/data/catalogue.hpp"
#include "support/source_folder.hpp"

namespace gradatim::test {

/// MNIST for the tests that need it, empty where it is absent: in the folder that
/// GRADATIM_TEST_MNIST names, in shared/data/mnist beside the source tree or further up, or in the
/// cache of whoever runs them.
inline std::filesystem::path mnist_folder() {
  if (const char* given = std::getenv("GRADATIM_TEST_MNIST"); given != nullptr && *given != '\0')
    return given;
  for (std::filesystem::path up = source_folder(); up.has_relative_path(); up = up.parent_path())
    if (auto folder = up / "shared/data/mnist"; std::filesystem::exists(folder)) return folder;
  const auto cached = locate(find_dataset("mnist"), {.cache = app::dataset_cache()});
  return cached ? cached->folder : std::filesystem::path();
}

inline constexpr std::string_view kNoMnist =
    "MNIST is absent: `gradatim data fetch mnist` puts it into the cache; or set "
    "GRADATIM_TEST_MNIST to its folder, or have it in ../shared/data/mnist";

}  // namespace gradatim::test
