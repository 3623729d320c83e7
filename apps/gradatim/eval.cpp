#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "answers.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/train/evaluation.hpp"
#include "gradatim/train/recipe_data.hpp"
#include "gradatim/train/run_folder.hpp"
#include "json.hpp"
#include "options.hpp"
#include "paths.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;

struct EvalCommand {
  std::string run;
  std::string data;
  std::string data_dir;
  std::size_t threads = 0;
  bool json = false;
};

void add_classes(const SavedRun& run, const Evaluation& evaluation, Json& json) {
  Json classes = Json::array();
  Json confusion = Json::array();
  const auto scores = class_scores(evaluation);
  for (std::size_t c = 0; c < scores.size(); ++c) {
    classes.push_back({{"name", class_name(run.model.class_names, c)},
                       {"samples", scores[c].samples},
                       {"recall", json_number(scores[c].recall)},
                       {"precision", json_number(scores[c].precision)}});
    const auto row = evaluation.confusion.view().row(c);
    confusion.push_back(std::vector<std::uint64_t>(row.begin(), row.end()));
  }
  json["classes"] = classes;
  json["confusion"] = confusion;
}

void add_outputs(const SavedRun& run, const Evaluation& evaluation, Json& json) {
  json["outputs"] = Json::array();
  for (std::size_t k = 0; k < evaluation.outputs.size(); ++k) {
    Json output{{"name", one_line(run.model.columns.targets[k].name)}};
    for (const Figure& figure : figures(evaluation.kind))
      output[std::string(figure.name)] = json_number(evaluation.outputs[k].*figure.value);
    json["outputs"].push_back(output);
  }
}

Json as_json(const EvalCommand& command, const SavedRun& run, const Dataset& data,
             const Evaluation& evaluation) {
  Json json{{"run", command.run}, {"data", data.name}, {"samples", evaluation.samples}};
  for (const Figure& figure : figures(evaluation.kind))
    json[std::string(figure.name)] = json_number(evaluation.scores.*figure.value);
  json["loss"] = json_number(evaluation.scores.loss);
  json["parameters_sha256"] = parameters_sha256(run.model.parameters.theta());
  evaluation.kind == TargetKind::classes ? add_classes(run, evaluation, json)
                                         : add_outputs(run, evaluation, json);
  return json;
}

void print_outputs(const SavedRun& run, const Evaluation& evaluation) {
  fmt::print("\n  {}", padded("output", 16));
  for (const Figure& figure : figures(evaluation.kind)) fmt::print("{:>14}", figure.name);
  for (std::size_t k = 0; k < evaluation.outputs.size(); ++k) {
    fmt::print("\n  {}", padded(one_line(run.model.columns.targets[k].name), 16));
    for (const Figure& figure : figures(evaluation.kind))
      fmt::print("{:>14.6g}", evaluation.outputs[k].*figure.value);
  }
  fmt::print("\n");
}

// "." of nothing.
std::string share_text(double share) {
  return std::isnan(share) ? "." : fmt::format("{:.4f}", share);
}

void print_table(const SavedRun& run, const Evaluation& evaluation) {
  const auto scores = class_scores(evaluation);
  const auto table = evaluation.confusion.view();
  std::size_t name_width = 5;
  for (std::size_t c = 0; c < scores.size(); ++c)
    name_width = std::max(name_width, columns(class_name(run.model.class_names, c)));
  fmt::print("\n{}  recall  precision   taken for class ...\n{}                   ",
             padded("class", name_width + 3), std::string(name_width + 3, ' '));
  for (std::size_t c = 0; c < scores.size(); ++c) fmt::print("{:>6}", c);
  fmt::print("\n");
  for (std::size_t c = 0; c < scores.size(); ++c) {
    fmt::print("{:>2} {}  {:>6}  {:>9}", c,
               padded(class_name(run.model.class_names, c), name_width),
               share_text(scores[c].recall), share_text(scores[c].precision));
    for (std::size_t guess = 0; guess < scores.size(); ++guess)
      table(c, guess) == 0 ? fmt::print("{:>6}", '.') : fmt::print("{:>6}", table(c, guess));
    fmt::print("\n");
  }
}

// The test rows of the table, if it is the one that the run was trained on.
std::optional<Dataset> own_table(const EvalCommand& command, const SavedRun& run,
                                 const Recipe& recipe) {
  try {
    Dataset data = load_recipe_data(recipe, data_paths(command.data_dir), &run.model);
    if (is_data_of_run(command.run, data)) return data;
  } catch (const InvalidArgument&) {  // too few rows to hold any out
  }
  return std::nullopt;
}

// A table that is named is evaluated whole, unless rows of it were trained on.
Dataset data_of(const EvalCommand& command, const SavedRun& run) {
  const DataPaths paths = data_paths(command.data_dir);
  Recipe recipe = on_data(run.recipe, command.data);
  if (!command.data.empty() && is_table(recipe.data)) {
    if (auto own = own_table(command, run, recipe); own && own->test.size() != 0)
      return *std::move(own);
    recipe.table.test = 0;
    recipe.validation = {};
    Dataset data = load_recipe_data(recipe, paths, &run.model);
    data.test = std::exchange(data.train, {});
    return data;
  }
  Dataset data = load_recipe_data(recipe, paths, &run.model);
  if (command.data.empty()) require_data_of_run(command.run, data);
  if (data.test.size() == 0)
    throw InvalidArgument(
        fmt::format("eval {}: its recipe holds out no test rows; name a table of others with "
                    "--data FILE",
                    command.run));
  return data;
}

int run_eval(const EvalCommand& command) {
  const SavedRun run = load_run(command.run);
  const Dataset data = data_of(command, run);
  TaskPool pool(command.threads);
  const Evaluation evaluation =
      evaluate(run.model.network, run.recipe.options.loss, run.model.parameters.theta(), data.test,
               pool, data.columns.targets);
  if (std::isnan(evaluation.scores.loss)) throw_diverged("eval", command.run);
  if (command.json) {
    fmt::print("{}\n", json_line(as_json(command, run, data, evaluation)));
    return kDone;
  }
  fmt::print("{} on the {} test samples of {}\n", command.run, evaluation.samples, data.name);
  for (const Figure& figure : figures(evaluation.kind))
    fmt::print("  {:<8}  {:.4f}\n", figure.name, evaluation.scores.*figure.value);
  fmt::print("  loss      {}\n", loss_text(evaluation.scores.loss));
  evaluation.kind == TargetKind::classes ? print_table(run, evaluation)
                                         : print_outputs(run, evaluation);
  return kDone;
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<EvalCommand>();
  CLI::App* sub = app.add_subcommand("eval", "Evaluate a trained run on test samples");
  sub->add_option("run", command->run, "A run folder")->required();
  sub->add_option(
         "--data", command->data,
         "Dataset instead of the run's; a table is evaluated whole, the run's own by its test rows")
      ->check(not_empty());
  add_data_dir(*sub, command->data_dir);
  add_threads(*sub, command->threads);
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_eval(*command); });
}

}  // namespace gradatim::app
