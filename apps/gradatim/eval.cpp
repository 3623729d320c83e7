#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/train/evaluation.hpp"
#include "gradatim/train/run_folder.hpp"
#include "not_empty.hpp"
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

Json as_json(const EvalCommand& command, const SavedRun& run, const Dataset& data,
             const Evaluation& evaluation) {
  Json classes = Json::array();
  Json confusion = Json::array();
  const auto scores = class_scores(evaluation);
  for (std::size_t c = 0; c < scores.size(); ++c) {
    classes.push_back({{"name", class_name(run.model.class_names, c)},
                       {"samples", scores[c].samples},
                       {"recall", scores[c].recall},
                       {"precision", scores[c].precision}});
    const auto row = evaluation.confusion.view().row(c);
    confusion.push_back(std::vector<std::uint64_t>(row.begin(), row.end()));
  }
  return {{"run", command.run},
          {"data", data.name},
          {"samples", evaluation.samples},
          {"accuracy", evaluation.scores.accuracy},
          {"loss", evaluation.scores.loss},
          {"parameters_sha256", parameters_sha256(run.model.parameters.theta())},
          {"classes", classes},
          {"confusion", confusion}};
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
    fmt::print("{:>2} {}  {:6.4f}  {:9.4f}", c,
               padded(class_name(run.model.class_names, c), name_width), scores[c].recall,
               scores[c].precision);
    for (std::size_t guess = 0; guess < scores.size(); ++guess)
      table(c, guess) == 0 ? fmt::print("{:>6}", '.') : fmt::print("{:>6}", table(c, guess));
    fmt::print("\n");
  }
}

int run_eval(const EvalCommand& command) {
  const SavedRun run = load_run(command.run);
  const std::string& name = command.data.empty() ? run.recipe.data : command.data;
  const Dataset data = load_dataset(name, data_paths(command.data_dir));
  TaskPool pool(command.threads);
  const Evaluation evaluation = evaluate(run.model.network, run.recipe.options.loss,
                                         run.model.parameters.theta(), data.test, pool);
  if (command.json) {
    fmt::print("{}\n", as_json(command, run, data, evaluation)
                           .dump(-1, ' ', false, Json::error_handler_t::replace));
    return kDone;
  }
  fmt::print("{} on the {} test samples of {}\n  accuracy  {:.4f}\n  loss      {}\n", command.run,
             evaluation.samples, data.name, evaluation.scores.accuracy,
             loss_text(evaluation.scores.loss));
  print_table(run, evaluation);
  return kDone;
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<EvalCommand>();
  CLI::App* sub = app.add_subcommand("eval", "Evaluate a trained run on test samples");
  sub->add_option("run", command->run, "A run folder")->required();
  sub->add_option("--data", command->data, "Dataset instead of the run's")->check(not_empty());
  sub->add_option("--data-dir", command->data_dir, "Folder to look for data in first")
      ->check(not_empty());
  sub->add_option("--threads", command->threads, "Threads; 0, the default, is one a core")
      ->check(CLI::Range(0, 1024));
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_eval(*command); });
}

}  // namespace gradatim::app
