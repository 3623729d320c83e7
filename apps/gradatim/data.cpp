#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "fetch_progress.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/data/fetch.hpp"
#include "gradatim/data/generated.hpp"
#include "json.hpp"
#include "options.hpp"
#include "paths.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;

struct DataOptions {
  std::string name;
  std::string data_dir;
  std::vector<std::string> mirrors;
  bool json = false;
};

// Where a dataset is, or why it is not.
struct Whereabouts {
  std::optional<DatasetLocation> location;
  std::string text;
};

Whereabouts find(const DatasetEntry& entry, const DataOptions& options) {
  try {
    auto location = locate(entry, data_paths(options.data_dir));
    const std::string text = location ? location->folder.string()
                                      : fmt::format("not here: gradatim data fetch {}", entry.name);
    return {std::move(location), text};
  } catch (const DataError& error) {
    return {std::nullopt, error.what()};
  }
}

Json folder_json(const Whereabouts& whereabouts) {
  return whereabouts.location ? Json(whereabouts.location->folder.string()) : Json(nullptr);
}

int list(const DataOptions& options) {
  Json datasets = Json::array();
  for (const DatasetEntry& entry : catalogue()) {
    const Whereabouts whereabouts = find(entry, options);
    if (!options.json)
      fmt::print("{:<15}{}\n{:15}{}\n", entry.name, entry.title, "", whereabouts.text);
    datasets.push_back({{"name", entry.name},
                        {"title", entry.title},
                        {"licence", entry.licence},
                        {"folder", folder_json(whereabouts)}});
  }
  for (const GeneratedDataset& generated : generated_datasets()) {
    if (!options.json)
      fmt::print("{:<15}{}\n{:15}generated: {}\n", generated.name, generated.title, "",
                 generated.formula);
    datasets.push_back(
        {{"name", generated.name}, {"title", generated.title}, {"formula", generated.formula}});
  }
  if (options.json) fmt::print("{}\n", json_line({{"datasets", datasets}}));
  return kDone;
}

Json describe(const DatasetEntry& entry) {
  return {{"name", entry.name},       {"title", entry.title},     {"source", entry.source},
          {"licence", entry.licence}, {"mirrors", entry.mirrors}, {"classes", entry.class_names}};
}

Json verified_file(const DatasetFile& expected, const std::filesystem::path& path) {
  Json file{{"path", path.string()}, {"verified", false}, {"sha256_expected", expected.sha256}};
  try {
    file["sha256"] = payload_sha256(path, expected.bytes);
    file["verified"] = file["sha256"] == file["sha256_expected"];
  } catch (const DataError& error) {
    file["error"] = error.what();
  }
  return file;
}

void print_info(const Json& info, const std::string& whereabouts) {
  const auto text = [&](const char* key) { return info[key].get<std::string>(); };
  const auto joined = [&](const char* key) {
    return fmt::format("{}", fmt::join(info[key].get<std::vector<std::string>>(), ", "));
  };
  fmt::print("{}\nsource   {}\nlicence  {}\nclasses  {}\nmirrors  {}\nfolder   {}\n", text("title"),
             text("source"), text("licence"), joined("classes"), joined("mirrors"), whereabouts);
  for (const Json& file : info["files"]) {
    const std::string path = file["path"].get<std::string>();
    if (file["verified"])
      fmt::print("file     {}: as published\n", path);
    else if (file.contains("error"))
      fmt::print("file     {}\n", file["error"].get<std::string>());
    else
      fmt::print("file     {}: not as published: SHA-256 expected {}, got {}\n", path,
                 file["sha256_expected"].get<std::string>(), file["sha256"].get<std::string>());
  }
}

int info_generated(const GeneratedDataset& generated, const DataOptions& options) {
  if (options.json)
    fmt::print("{}\n", json_line({{"name", generated.name},
                                  {"title", generated.title},
                                  {"formula", generated.formula},
                                  {"verified", true}}));
  else
    fmt::print("{}\nformula  {}\n", generated.title, generated.formula);
  return kDone;
}

int info(const DataOptions& options) {
  if (const auto* generated = find_generated(options.name))
    return info_generated(*generated, options);
  const DatasetEntry& entry = find_dataset(options.name);
  const Whereabouts whereabouts = find(entry, options);
  Json result = describe(entry);
  result["folder"] = folder_json(whereabouts);
  result["files"] = Json::array();
  bool verified = true;
  if (whereabouts.location)
    for (std::size_t i = 0; i < kDatasetFiles; ++i) {
      result["files"].push_back(verified_file(entry.files[i], whereabouts.location->files[i]));
      verified = verified && result["files"].back()["verified"].get<bool>();
    }
  result["verified"] = whereabouts.location && verified;
  if (options.json)
    fmt::print("{}\n", json_line(result));
  else
    print_info(result, whereabouts.text);
  return verified ? kDone : kFailed;
}

// An unknown name is answered with those alone that can be fetched.
const DatasetEntry& find_published(const std::string& name) {
  std::vector<std::string_view> names;
  for (const DatasetEntry& entry : catalogue()) names.push_back(entry.name);
  if (find_generated(name) != nullptr || std::ranges::find(names, name) != names.end())
    return find_dataset(name);
  throw InvalidArgument(
      fmt::format("data fetch: unknown dataset '{}'{}", name, did_you_mean(name, names)));
}

int fetch_named(const DataOptions& options) {
  const DatasetEntry& entry = find_published(options.name);
  const std::filesystem::path base =
      options.data_dir.empty() ? dataset_cache() : std::filesystem::path(options.data_dir);
  if (base.empty())
    throw InvalidArgument("data fetch: nowhere to put it: give --data-dir, or set GRADATIM_HOME");
  const std::filesystem::path folder = base / entry.name;
  FetchPrinter printer;
  fetch(entry, folder,
        {.mirrors = options.mirrors,
         .on_progress = [&](const FetchProgress& progress) { printer.show(progress); }});
  printer.finish();
  if (options.json)
    fmt::print("{}\n", json_line({{"name", entry.name}, {"folder", folder.string()}}));
  else
    fmt::print("{} is in {}, verified\n", entry.name, folder.string());
  return kDone;
}

// The callback keeps the options alive that the command line is parsed into.
CLI::App* add(CLI::App& data, const std::string& name, const std::string& description,
              int& exit_code, const std::shared_ptr<DataOptions>& options,
              int (*run)(const DataOptions&)) {
  CLI::App* command = data.add_subcommand(name, description);
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([options, &exit_code, run] { exit_code = run(*options); });
  return command;
}

constexpr auto kLookedIn = "A folder to look in before the cache and Debian's";

}  // namespace

void add_data_command(CLI::App& app, int& exit_code) {
  CLI::App* data = app.add_subcommand("data", "Datasets: list, describe, download");
  data->require_subcommand(1);
  const auto options = std::make_shared<DataOptions>();

  CLI::App* command = add(*data, "list", "The datasets that are known, and where they are",
                          exit_code, options, list);
  add_data_dir(*command, options->data_dir, kLookedIn);

  command = add(*data, "info", "Describe a dataset and verify its files", exit_code, options, info);
  command->add_option("name", options->name, "The dataset")->required();
  add_data_dir(*command, options->data_dir, kLookedIn);

  command =
      add(*data, "fetch", "Download a dataset and verify it", exit_code, options, fetch_named);
  command->add_option("name", options->name, "The dataset")->required();
  add_data_dir(*command, options->data_dir, "Put it into DIR/NAME instead of the cache");
  command->add_option("--mirror", options->mirrors,
                      "Download from this folder (a URL) instead; may be repeated");
}

}  // namespace gradatim::app
