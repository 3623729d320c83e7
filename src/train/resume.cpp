#include "gradatim/train/resume.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/folder_lock.hpp"
#include "gradatim/train/run_folder.hpp"

namespace gradatim {
namespace {

// The key of the first line in which two recipes differ.
std::string first_difference(const Recipe& a, const Recipe& b) {
  std::istringstream lines_a(to_toml(a));
  std::istringstream lines_b(to_toml(b));
  std::string key = "layers";
  for (std::string line_a, line_b; std::getline(lines_a, line_a);) {
    std::getline(lines_b, line_b);
    if (const auto equals = line_a.find(" = "); equals != std::string::npos && line_a[0] != ' ')
      key = line_a.substr(0, equals);
    if (line_a != line_b) return key;
  }
  return key;
}

// The recipe with what a resumed run may change taken from another.
Recipe with_changeable_of(Recipe recipe, const Recipe& other) {
  recipe.name = other.name;
  recipe.description = other.description;
  recipe.options.steps = other.options.steps;
  recipe.options.checkpoints = other.options.checkpoints;
  recipe.options.threads = other.options.threads;
  return recipe;
}

bool spans_all_steps(const Schedule& schedule) {
  return std::holds_alternative<CosineSchedule>(schedule) ||
         std::holds_alternative<OneCycle>(schedule);
}

void check_same_run(const std::filesystem::path& folder, const Recipe& recipe, const Recipe& before,
                    std::size_t taken) {
  if (with_changeable_of(recipe, before) != with_changeable_of(before, before))
    throw InvalidArgument(
        fmt::format("resume {}: '{}' differs from what the run began with; only steps (or epochs), "
                    "checkpoints, name and description may",
                    folder.string(), first_difference(with_changeable_of(recipe, before), before)));
  const std::size_t steps = recipe.options.steps;
  if (steps < taken)
    throw InvalidArgument(fmt::format("resume {}: it has taken {} steps already, steps is {}",
                                      folder.string(), taken, steps));
  if (taken != 0 && steps != before.options.steps && spans_all_steps(recipe.options.schedule))
    throw InvalidArgument(fmt::format(
        "resume {}: its {} schedule spans all of the {} steps; with {}, those taken would have had "
        "other learning rates. Train anew",
        folder.string(), kind(recipe.options.schedule), before.options.steps, steps));
}

void check_same_data(const std::filesystem::path& folder, const Dataset& data,
                     const Checkpoint& checkpoint) {
  if (data_sha256(data) != checkpoint.data_sha256)
    throw InvalidArgument(fmt::format(
        "resume {}: the data '{}' are not those that the run was trained on: other samples, or in "
        "another order",
        folder.string(), data.name));
}

// What summary.json says, "" if there is none that can be read.
std::string how_it_stopped(const std::filesystem::path& folder) {
  try {
    const auto summary = nlohmann::json::parse(read_file(folder / "summary.json"), nullptr,
                                               /*allow_exceptions=*/false);
    const auto stopped = summary.is_object() ? summary.find("stopped") : summary.end();
    return stopped != summary.end() && stopped->is_string() ? stopped->get<std::string>() : "";
  } catch (const DataError&) {
    return "";
  }
}

}  // namespace

ResumePoint find_resume_point(const std::filesystem::path& folder, const Recipe& recipe,
                              const Dataset& data) {
  recipe_of_run(folder);
  CheckpointSearch search = find_checkpoint(folder / "checkpoints");
  if (!search.newest && !search.damaged.empty())
    throw DataError(fmt::format(
        "resume {}: none of its checkpoints can be read, and it is not begun anew over them: {}",
        folder.string(), fmt::join(search.reasons, "; ")));
  ResumePoint point{
      .checkpoint = std::move(search.newest), .damaged = std::move(search.damaged), .notes = {}};
  for (const std::string& reason : search.reasons)
    point.notes.push_back(fmt::format("damaged, the one before it is used: {}", reason));
  std::error_code ignored;
  if (!point.checkpoint && std::filesystem::exists(folder / "summary.json", ignored))
    throw DataError(
        fmt::format("resume {}: it has been trained, but has no checkpoint to go on from, and it "
                    "is not begun anew over its model",
                    folder.string()));
  if (!point.checkpoint) {
    check_same_run(folder, recipe, read_recipe(folder / "recipe.toml"), 0);
    return point;
  }
  const std::size_t taken = point.state()->step;
  check_same_run(folder, recipe, parse_recipe(point.from()->recipe, "checkpoint"), taken);
  check_same_data(folder, data, *point.from());
  const std::string stopped = how_it_stopped(folder);
  point.early_stopped = stopped == "early_stopped";
  point.finished =
      point.early_stopped || (stopped == "steps_done" && taken == recipe.options.steps);
  point.at_schedules_end = point.finished && spans_all_steps(recipe.options.schedule);
  return point;
}

void prepare_to_resume(const std::filesystem::path& folder, const ResumePoint& point) {
  const FolderLock lock(folder);  // lest they be those of a process that is at work
  remove_temporaries(folder);
  remove_temporaries(folder / "checkpoints");
  std::error_code ignored;
  for (std::filesystem::path file : point.damaged) {
    const std::filesystem::path damaged = file;
    std::filesystem::rename(damaged, file += ".damaged", ignored);
  }
}

}  // namespace gradatim
