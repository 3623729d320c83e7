#include "gradatim/train/run_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"

namespace gradatim {
namespace {

constexpr std::array<std::string_view, 5> kColumns{"step", "epoch", "loss", "train_accuracy",
                                                   "test_accuracy"};

std::string_view name_of(StopReason reason) {
  switch (reason) {
    case StopReason::stopped_by_observer:
      return "interrupted";
    case StopReason::non_finite:
      return "non_finite";
    case StopReason::steps_done:
      break;
  }
  return "steps_done";
}

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
    throw DataError(fmt::format("make the run folder {}: {}", folder.string(), error.message()));
  return made;
}

void make_parents(const std::filesystem::path& folder) {
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error)
    throw DataError(fmt::format("make the folder {}: {}", folder.string(), error.message()));
}

RunSummary summarize(const Recipe& recipe, const TrainResult& result,
                     const std::filesystem::path& folder) {
  const auto theta = result.parameters.theta();
  return {.recipe = recipe.name,
          .data = recipe.data,
          .stopped = std::string(name_of(result.reason)),
          .message = result.message,
          .steps = result.steps,
          .seconds = result.seconds,
          .steps_per_second =
              result.seconds > 0 ? static_cast<double>(result.steps) / result.seconds : 0,
          .train_loss = result.train_loss,
          .train_accuracy = result.train_accuracy,
          .test_accuracy = result.test_accuracy,
          .parameters = theta.size(),
          .parameters_sha256 = parameters_sha256(theta),
          .run = folder.string()};
}

}  // namespace

std::string to_json(const RunSummary& summary, bool indented) {
  nlohmann::ordered_json json{
      {"recipe", summary.recipe},
      {"data", summary.data},
      {"stopped", summary.stopped},
      {"steps", summary.steps},
      {"seconds", summary.seconds},
      {"steps_per_second", summary.steps_per_second},
      {"train_loss", summary.train_loss},
      {"train_accuracy", summary.train_accuracy},
      {"test_accuracy", summary.test_accuracy},
      {"parameters", summary.parameters},
      {"parameters_sha256", summary.parameters_sha256},
      {"run", summary.run},
  };
  if (!summary.message.empty()) json["message"] = summary.message;
  return json.dump(indented ? 2 : -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::filesystem::path create_run_folder(const std::filesystem::path& folder) {
  make_parents(folder.parent_path());
  if (!make_folder(folder)) {
    std::error_code error;
    if (!std::filesystem::is_empty(folder, error) || error)
      throw InvalidArgument(fmt::format(
          "the run folder {} is not empty, and runs are not overwritten", folder.string()));
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

RunRecorder::RunRecorder(std::filesystem::path folder, const Recipe& recipe, const Dataset& data)
    : folder_(std::move(folder)),
      recipe_(recipe),
      epoch_steps_(steps_per_epoch(data.train.size(), recipe.options.batch)),
      model_{recipe.network, Parameters(parameter_layout(recipe.network)), data.class_names},
      metrics_(folder_ / "metrics.csv", kColumns) {
  write_file(folder_ / "recipe.toml", to_toml(recipe));
}

void RunRecorder::write_row(const StepRecord& step, const EpochRecord* epoch) {
  metrics_.cell(step.step);
  if (epoch != nullptr)
    metrics_.cell(epoch->epoch).cell(step.loss);
  else
    metrics_.blank().cell(step.loss);
  if (epoch != nullptr)
    metrics_.cell(epoch->train_accuracy).cell(epoch->test_accuracy);
  else
    metrics_.blank().blank();
  metrics_.end_row();
}

bool RunRecorder::on_step(const StepRecord& record) {
  try {
    if (pending_.step != 0) write_row(pending_, nullptr);
  } catch (const DataError&) {
    failure_ = std::current_exception();  // an evaluation follows, with the weights
  }
  pending_ = record;
  loss_.add(record.loss);
  return failure_ == nullptr;
}

void RunRecorder::save(std::span<const float> theta) {
  const auto kept = model_.parameters.theta();
  if (theta.size() != kept.size())
    throw ShapeError(fmt::format("run {}: expected {} parameters, got {}", folder_.string(),
                                 kept.size(), theta.size()));
  std::copy(theta.begin(), theta.end(), kept.begin());
  save_model(folder_ / "model.safetensors", model_);
}

void RunRecorder::on_epoch(const EpochRecord& record) {
  save(record.theta);  // first, lest another file's failure take the weights along
  if (failure_) std::rethrow_exception(failure_);
  if (pending_.step != 0) write_row(std::exchange(pending_, {}), &record);
  metrics_.flush();
  accuracies_.push_back(
      {.epoch = static_cast<double>(record.step) / static_cast<double>(epoch_steps_),
       .train = record.train_accuracy,
       .test = record.test_accuracy});
}

void RunRecorder::draw_curves(const std::filesystem::path& gnuplot) {
  const std::array<std::filesystem::path, 2> files{folder_ / "curves.svg", folder_ / "curves.png"};
  try {
    const std::string title = fmt::format("{} on {}", recipe_.name, recipe_.data);
    draw(training_curves(title, loss_, accuracies_), files, gnuplot);
  } catch (const DataError& error) {
    notes_.push_back(fmt::format("no curves were drawn: {}", error.what()));
  }
}

RunSummary RunRecorder::finish(const TrainResult& result, const std::filesystem::path& gnuplot) {
  const auto theta = result.parameters.theta();
  save(theta);
  if (!std::all_of(theta.begin(), theta.end(), [](float value) { return std::isfinite(value); }))
    notes_.emplace_back("model.safetensors holds values that are not finite: it can't be loaded");
  if (pending_.step != 0) write_row(std::exchange(pending_, {}), nullptr);
  metrics_.sync();
  draw_curves(gnuplot);
  RunSummary summary = summarize(recipe_, result, folder_);
  write_file(folder_ / "summary.json", to_json(summary, /*indented=*/true) + "\n");
  return summary;
}

SavedRun load_run(const std::filesystem::path& folder) {
  if (std::error_code ignored; !std::filesystem::is_directory(folder, ignored))
    throw DataError(fmt::format("run {}: no such folder", folder.string()));
  SavedRun run{.recipe = read_recipe(folder / "recipe.toml"),
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
