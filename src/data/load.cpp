#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <future>
#include <string>
#include <system_error>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/data/catalogue.hpp"

namespace gradatim {
namespace {

using std::filesystem::path;

bool present(const path& file) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored);
}

// NAME.gz before NAME: the form in which it is published.
std::optional<path> find_file(const path& folder, std::string_view name) {
  for (const std::string_view suffix : {".gz", ""})
    if (path file = folder / fmt::format("{}{}", name, suffix); present(file)) return file;
  return std::nullopt;
}

std::optional<DatasetLocation> locate_in(const path& folder, const DatasetEntry& entry) {
  DatasetLocation location{.folder = folder, .files = {}};
  std::vector<std::string_view> missing;
  for (std::size_t i = 0; i < kDatasetFiles; ++i) {
    if (auto file = find_file(folder, entry.files[i].name))
      location.files[i] = std::move(*file);
    else
      missing.push_back(entry.files[i].name);
  }
  if (missing.size() == kDatasetFiles) return std::nullopt;
  if (!missing.empty())
    throw DataError(fmt::format("dataset {}: '{}' lacks {} (.gz or plain)", entry.name,
                                folder.string(), fmt::join(missing, ", ")));
  return location;
}

std::vector<path> candidates(const DatasetEntry& entry, const DataPaths& paths) {
  std::vector<path> folders;
  if (!paths.chosen.empty()) {
    folders.push_back(paths.chosen / entry.name);
    folders.push_back(paths.chosen);
  }
  if (!paths.cache.empty()) folders.push_back(paths.cache / entry.name);
  if (!paths.system.empty()) folders.push_back(paths.system / entry.name);
  return folders;
}

}  // namespace

std::optional<DatasetLocation> locate(const DatasetEntry& entry, const DataPaths& paths) {
  std::error_code ignored;
  if (!paths.chosen.empty() && !std::filesystem::is_directory(paths.chosen, ignored))
    throw DataError(
        fmt::format("dataset {}: expected a folder, got '{}'", entry.name, paths.chosen.string()));
  for (const path& folder : candidates(entry, paths))
    if (auto location = locate_in(folder, entry)) return location;
  return std::nullopt;
}

Dataset load_dataset(std::string_view name, const DataPaths& paths) {
  const DatasetEntry& entry = find_dataset(name);
  const auto location = locate(entry, paths);
  if (!location) {
    const std::vector<path> looked_in = candidates(entry, paths);
    std::vector<std::string> folders(looked_in.size());
    std::ranges::transform(looked_in, folders.begin(), [](const path& p) { return p.string(); });
    throw DataError(
        fmt::format("dataset {}: not found in {}; `gradatim data fetch {}` downloads it", name,
                    fmt::join(folders, ", "), name));
  }
  const auto& files = location->files;
  const std::size_t classes = entry.class_names.size();
  auto test =
      std::async(std::launch::async, [&] { return read_split(files[2], files[3], classes); });
  Dataset dataset{.name = std::string(name),
                  .class_names = {entry.class_names.begin(), entry.class_names.end()},
                  .train = read_split(files[0], files[1], classes),
                  .test = {}};
  dataset.test = test.get();
  return dataset;
}

}  // namespace gradatim
