#include "gradatim/train/run_folder.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/io/shell.hpp"

namespace gradatim {
namespace {

std::string file_name_of(std::string_view name) {
  std::string safe(name);
  for (char& c : safe) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!kept) c = '-';
  }
  safe.erase(0, safe.find_first_not_of('.'));  // neither hidden nor the folder above
  return safe.empty() ? "run" : safe.substr(0, 100);
}

// True if it was made, false if it was there.
bool make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  const bool made = std::filesystem::create_directory(folder, error);
  if (error)
    throw DataError(fmt::format("make the folder {}: {}", folder.string(), error.message()));
  return made;
}

void make_parents(const std::filesystem::path& folder) {
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error)
    throw DataError(fmt::format("make the folder {}: {}", folder.string(), error.message()));
}

}  // namespace

std::filesystem::path create_run_folder(const std::filesystem::path& folder) {
  make_parents(folder.parent_path());
  if (!make_folder(folder)) {
    std::error_code error;
    if (!std::filesystem::is_empty(folder, error) || error)
      throw InvalidArgument(fmt::format(
          "the folder {} is not empty, and nothing in it is overwritten", folder.string()));
  }
  return folder;
}

std::filesystem::path create_numbered_run_folder(const std::filesystem::path& parent,
                                                 std::string_view name) {
  make_parents(parent);
  for (std::size_t number = 1;; ++number) {
    auto folder = parent / fmt::format("{}-{}", file_name_of(name), number);
    if (!std::filesystem::exists(folder) && make_folder(folder)) return folder;
  }
}

bool is_run_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path / "recipe.toml", ignored);
}

std::filesystem::path recipe_of_run(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    throw DataError(fmt::format("run {}: no such folder", folder.string()));
  if (!is_run_folder(folder)) {
    const bool is_search = std::filesystem::exists(folder / "search.json", ignored);
    throw DataError(fmt::format(
        "run {}: no run, it has no recipe.toml{}", folder.string(),
        is_search
            ? fmt::format("; it is a search: `gradatim search --resume {}` goes on, and "
                          "`gradatim train {}` trains the best it has found",
                          shell_word(folder.string()), shell_word((folder / "best.toml").string()))
            : ""));
  }
  return folder / "recipe.toml";
}

bool is_data_of_run(const std::filesystem::path& folder, const Dataset& data) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder / "summary.json", ignored)) return true;
  const auto summary = nlohmann::json::parse(read_file(folder / "summary.json"), nullptr,
                                             /*allow_exceptions=*/false);
  const auto hash = summary.is_object() ? summary.find("data_sha256") : summary.end();
  return hash == summary.end() || *hash == data_sha256(data);
}

void require_data_of_run(const std::filesystem::path& folder, const Dataset& data) {
  if (is_data_of_run(folder, data)) return;
  throw InvalidArgument(fmt::format(
      "run {}: the data '{}' are not those that it was trained on: other samples, or in another "
      "order. What it was tested on can't be told from the rest; name data of their own",
      folder.string(), data.name));
}

SavedRun load_run(const std::filesystem::path& folder) {
  SavedRun run{.recipe = read_recipe(recipe_of_run(folder)),
               .model = load_model(folder / "model.safetensors")};
  if (run.model.network != run.recipe.network) {
    Parameters expected(parameter_layout(run.recipe.network));
    load_parameters(folder / "model.safetensors", expected);  // says which tensor differs
    throw DataError(fmt::format("run {}: model.safetensors holds another network than recipe.toml",
                                folder.string()));
  }
  return run;
}

}  // namespace gradatim
