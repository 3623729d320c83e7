#include <fmt/format.h>
#include <fmt/ranges.h>

#include <future>
#include <string>
#include <system_error>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/data/generated.hpp"

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

// The files of a dataset that a folder has; those it lacks are empty.
struct Found {
  DatasetLocation location;
  std::vector<std::string_view> missing;
};

Found look_in(const path& folder, const DatasetEntry& entry) {
  Found found{.location = {.folder = folder, .files = {}}, .missing = {}};
  for (std::size_t i = 0; i < kDatasetFiles; ++i) {
    if (auto file = find_file(folder, entry.files[i].name))
      found.location.files[i] = std::move(*file);
    else
      found.missing.push_back(entry.files[i].name);
  }
  return found;
}

[[noreturn]] void fail_incomplete(const DatasetEntry& entry, const Found& found,
                                  const path& chosen) {
  throw DataError(fmt::format(
      "dataset {}: '{}' lacks {} (.gz or plain); `gradatim data fetch {}{}` completes it",
      entry.name, found.location.folder.string(), fmt::join(found.missing, ", "), entry.name,
      chosen.empty() ? "" : fmt::format(" --data-dir {}", chosen.string())));
}

std::vector<path> chosen_folders(const DatasetEntry& entry, const DataPaths& paths) {
  if (paths.chosen.empty()) return {};
  return {paths.chosen / entry.name, paths.chosen};
}

std::vector<path> shared_folders(const DatasetEntry& entry, const DataPaths& paths) {
  std::vector<path> folders;
  for (const path& base : {paths.cache, paths.system})
    if (!base.empty()) folders.push_back(base / entry.name);
  return folders;
}

}  // namespace

std::optional<DatasetLocation> locate(const DatasetEntry& entry, const DataPaths& paths) {
  std::error_code ignored;
  if (!paths.chosen.empty() && !std::filesystem::is_directory(paths.chosen, ignored))
    throw DataError(
        fmt::format("dataset {}: expected a folder, got '{}'", entry.name, paths.chosen.string()));
  for (const path& folder : chosen_folders(entry, paths)) {
    Found found = look_in(folder, entry);
    if (found.missing.empty()) return std::move(found.location);
    if (found.missing.size() < kDatasetFiles) fail_incomplete(entry, found, paths.chosen);
  }
  std::optional<Found> incomplete;
  for (const path& folder : shared_folders(entry, paths)) {
    Found found = look_in(folder, entry);
    if (found.missing.empty()) return std::move(found.location);
    if (found.missing.size() < kDatasetFiles && !incomplete) incomplete = std::move(found);
  }
  if (incomplete) fail_incomplete(entry, *incomplete, "");
  return std::nullopt;
}

Dataset load_dataset(std::string_view name, const DataPaths& paths) {
  if (const GeneratedDataset* generated = find_generated(name)) return generated->make();
  const DatasetEntry& entry = find_dataset(name);
  const auto location = locate(entry, paths);
  if (!location) {
    std::vector<std::string> folders;
    for (const path& folder : chosen_folders(entry, paths)) folders.push_back(folder.string());
    for (const path& folder : shared_folders(entry, paths)) folders.push_back(folder.string());
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
