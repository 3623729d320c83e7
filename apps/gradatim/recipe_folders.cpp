#include "recipe_folders.hpp"

namespace gradatim::app {

std::vector<std::filesystem::path> recipe_folders() {
  std::vector<std::filesystem::path> folders{"recipes"};
  std::error_code error;
  const auto command = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(command.parent_path().parent_path() / "share/gradatim/recipes");
  folders.emplace_back(GRADATIM_RECIPE_FOLDER);
  return folders;
}

}  // namespace gradatim::app
