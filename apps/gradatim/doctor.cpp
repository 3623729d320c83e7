#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <png.h>
#include <sched.h>
#include <zlib.h>

#include <hwy/highway.h>
#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/amx.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/io/plot.hpp"
#include "json.hpp"
#include "named_settings.hpp"
#include "options.hpp"
#include "paths.hpp"
#include "plan_report.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;

struct DoctorCommand {
  std::string recipe;
  std::string batch;
  std::vector<std::string> settings;
  std::string data_dir;
  bool json = false;
};

// The value of the first line of /proc/cpuinfo that starts with `key`.
std::string cpu_info(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key))
      if (const std::size_t colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "unknown";
}

// Those that the kernels can make use of.
std::vector<std::string> cpu_features() {
  constexpr std::string_view kOfInterest[] = {"sse4_2",   "avx",          "avx2",  "fma", "avx512f",
                                              "avx512bw", "avx512_vbmi2", "asimd", "sve"};
  std::istringstream flags(cpu_info("flags"));
  std::vector<std::string> found;
  for (std::string flag; flags >> flag;)
    if (std::find(std::begin(kOfInterest), std::end(kOfInterest), flag) != std::end(kOfInterest))
      found.push_back(flag);
  return found;
}

std::size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::thread::hardware_concurrency();
  return static_cast<std::size_t>(CPU_COUNT(&set));
}

Json libraries() {
  const std::string gnuplot = gnuplot_version();
  return {{"Highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)},
          {"zlib", zlibVersion()},
          {"libpng", png_get_libpng_ver(nullptr)},
          {"libcurl", curl_version_info(CURLVERSION_NOW)->version},
          {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)},
          {"gnuplot", gnuplot.empty() ? Json(nullptr) : Json(gnuplot)}};
}

Json datasets(const DataPaths& paths) {
  Json found = Json::object();
  for (const DatasetEntry& entry : catalogue()) {
    try {
      const auto location = locate(entry, paths);
      found[std::string(entry.name)] = location ? Json(location->folder.string()) : Json(nullptr);
    } catch (const Error& error) {
      found[std::string(entry.name)] = error.what();
    }
  }
  return found;
}

Json diagnosis(const DoctorCommand& command) {
  const DataPaths paths = data_paths(command.data_dir);
  return {{"version", GRADATIM_VERSION},
          {"cpu", cpu_info("model name")},
          {"cpu_features", cpu_features()},
          {"highway_target", kernels::instruction_set()},
          {"matrix_unit", kernels::amx::available() ? Json("AMX-INT8") : Json(nullptr)},
          {"hardware_threads", std::thread::hardware_concurrency()},
          {"usable_cores", usable_cores()},
          {"libraries", libraries()},
          {"data_cache", paths.cache.string()},
          {"data", datasets(paths)}};
}

void print(const Json& found) {
  const auto text = [](const Json& value) { return value.get<std::string>(); };
  fmt::print("gradatim {}\n\n", text(found["version"]));
  fmt::print("processor  {}\n", text(found["cpu"]));
  fmt::print("features  ");
  for (const Json& feature : found["cpu_features"]) fmt::print(" {}", text(feature));
  fmt::print("\nin use     Highway {}{}\n", text(found["highway_target"]),
             found["matrix_unit"].is_null() ? "" : ", AMX-INT8 for layers that read bytes");
  fmt::print("threads    {} of {} cores\n\nlibraries\n", found["usable_cores"].get<std::size_t>(),
             found["hardware_threads"].get<std::size_t>());
  for (const auto& [name, version] : found["libraries"].items())
    fmt::print("  {:<9}{}\n", name,
               version.is_null() ? "missing: runs get no curves (apt-get install gnuplot-nox)"
                                 : text(version));
  fmt::print("\ndata\n");
  for (const auto& [name, folder] : found["data"].items())
    fmt::print(
        "  {:<15}{}\n", name,
        folder.is_null() ? fmt::format("not here: gradatim data fetch {}", name) : text(folder));
  fmt::print("  {:<15}{}\n", "(cache)", text(found["data_cache"]));
}

Json plan(const DoctorCommand& command) {
  NamedSettings named;
  named.add("--batch", "batch", command.batch);
  for (const std::string& text : command.settings) named.settings.push_back(set_option(text));
  return plan_of(command.recipe, named.settings);
}

int run_doctor(const DoctorCommand& command) {
  const Json found = command.recipe.empty() ? diagnosis(command) : plan(command);
  if (command.json)
    fmt::print("{}\n", json_line(found));
  else if (command.recipe.empty())
    print(found);
  else
    print_plan(found);
  return kDone;
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<DoctorCommand>();
  CLI::App* sub = app.add_subcommand(
      "doctor", "What this machine has that gradatim uses, or how a recipe's step is planned");
  CLI::Option* const recipe =
      sub->add_option("recipe", command->recipe,
                      "A recipe's name or file, or a run folder: its layers and their memory");
  sub->add_option("--batch", command->batch, "Samples in a mini-batch")
      ->needs(recipe)
      ->check(not_empty());
  sub->add_option(
         "--set", command->settings,
         "Another key of the recipe: --set optimizer.kind=momentum, --set optim.beta1=0.8; may "
         "be repeated")
      ->needs(recipe)
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  add_data_dir(*sub, command->data_dir);
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_doctor(*command); });
}

}  // namespace gradatim::app
