#include "train/run_summary.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "gradatim/train/model_file.hpp"

namespace gradatim {
namespace {

std::string_view name_of(StopReason reason) {
  switch (reason) {
    case StopReason::stopped_by_observer:
      return "interrupted";
    case StopReason::early_stopped:
      return "early_stopped";
    case StopReason::non_finite:
      return "non_finite";
    case StopReason::steps_done:
      break;
  }
  return "steps_done";
}

}  // namespace

RunSummary summarize(const Recipe& recipe, const std::vector<Figure>& figures,
                     const TrainResult& result, const std::filesystem::path& folder) {
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
          .figures = figures,
          .train = result.train,
          .train_samples = result.train_samples,
          .validation = result.validation,
          .test = result.test,
          .weights = result.averaged ? "average" : "last",
          .best_epoch = result.best_epoch,
          .parameters = theta.size(),
          .parameters_sha256 = parameters_sha256(theta),
          .run = folder.string()};
}

std::string to_json(const RunSummary& summary, bool indented) {
  nlohmann::ordered_json json{
      {"recipe", summary.recipe},
      {"data", summary.data},
      {"data_sha256", summary.data_sha256},
      {"stopped", summary.stopped},
      {"steps", summary.steps},
      {"seconds", summary.seconds},
      {"steps_per_second", summary.steps_per_second},
      {"train_loss", summary.train_loss},
  };
  for (const Figure& figure : summary.figures) {
    json[fmt::format("train_{}", figure.name)] = summary.train.*figure.value;
    if (!std::isnan(summary.validation.loss))
      json[fmt::format("validation_{}", figure.name)] = summary.validation.*figure.value;
    json[fmt::format("test_{}", figure.name)] = summary.test.*figure.value;
  }
  json["train_samples"] = summary.train_samples;
  json["weights"] = summary.weights;
  if (summary.best_epoch != 0) json["best_epoch"] = summary.best_epoch;
  json["parameters"] = summary.parameters;
  json["parameters_sha256"] = summary.parameters_sha256;
  json["run"] = summary.run;
  if (!summary.message.empty()) json["message"] = summary.message;
  return json.dump(indented ? 2 : -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace gradatim
