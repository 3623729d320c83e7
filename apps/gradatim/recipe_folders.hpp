#pragma once

#include <filesystem>
#include <vector>

namespace gradatim::app {

/// Where recipes given by name are looked for: ./recipes, the folder installed beside the command
/// (../share/gradatim/recipes), and that of the source tree the command was built from.
std::vector<std::filesystem::path> recipe_folders();

}  // namespace gradatim::app
