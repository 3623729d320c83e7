#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/io/shell.hpp"
#include "gradatim/train/checkpoint.hpp"
#include "gradatim/train/folder_lock.hpp"
#include "gradatim/train/recipe_data.hpp"
#include "gradatim/train/run_folder.hpp"
#include "gradatim/train/search_folder.hpp"
#include "interrupt.hpp"
#include "json.hpp"
#include "memory.hpp"
#include "named_settings.hpp"
#include "options.hpp"
#include "paths.hpp"
#include "recipe_folders.hpp"
#include "test_rows.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

constexpr std::size_t kShownTrials = 10;

struct SearchCommand {
  std::string recipe;
  std::string resume;  // a search's folder, instead of a recipe
  std::string data;
  std::string data_dir;
  std::string steps;
  std::string epochs;
  std::string batch;
  std::vector<std::string> settings;
  SearchOptions options{};
  double budget = 0;  // seconds; 0: none
  std::string out;
  bool json = false;
};

using Clock = std::chrono::steady_clock;

// What is searched, where.
struct Plan {
  SearchDescription description;
  Dataset data;
  std::filesystem::path folder;
};

Dataset data_of(const Recipe& recipe, const SearchCommand& command) {
  return load_recipe_data(recipe, data_paths(command.data_dir));
}

Plan resumed_plan(const SearchCommand& command) {
  Plan plan{.description = load_search(command.resume), .data = {}, .folder = command.resume};
  plan.data = data_of(plan.description.recipe, command);
  if (data_sha256(plan.data) != plan.description.data_sha256)
    throw InvalidArgument(
        fmt::format("resume {}: the data '{}' are not those that the search began with",
                    command.resume, plan.data.name));
  return plan;
}

// A tenth of the training samples is held out where the recipe holds out none.
Recipe validated(Recipe recipe) {
  if (recipe.validation == HoldOut{}) recipe.validation.fraction = 0.1F;
  return recipe;
}

// The options that stand for a key of the recipe; --set has the last word.
std::vector<Setting> named_settings(const SearchCommand& command) {
  NamedSettings named;
  named.add_data(command.data, command.settings);
  named.add("--steps", "steps", command.steps);
  named.add("--epochs", "epochs", command.epochs);
  named.add("--batch", "batch", command.batch);
  return named.settings;
}

Plan new_plan(const SearchCommand& command) {
  Plan plan;
  std::vector<Setting> fixed = named_settings(command);
  for (const std::string& text : command.settings) {
    const Setting setting = set_option(text);
    if (parse_search_key(setting))
      plan.description.keys.push_back(text);
    else
      fixed.push_back(setting);
  }
  require_distinct(search_keys(plan.description), fixed);
  const auto folders = recipe_folders();
  plan.description.recipe = validated(read_recipe(find_recipe(command.recipe, folders), fixed));
  plan.description.recipe =
      with_absolute_table(std::move(plan.description.recipe), data_paths(command.data_dir));
  plan.data = data_of(plan.description.recipe, command);
  require_test_rows(plan.description.recipe, plan.data);
  plan.description.recipe = resolve(std::move(plan.description.recipe), plan.data.train.size());
  plan.description.data_sha256 = data_sha256(plan.data);
  plan.description.options = command.options;
  plan.description.options.steps = plan.description.recipe.options.steps;
  return plan;
}

std::string settings_text(const Trial& trial) {
  std::string text;
  for (const Setting& setting : trial.settings) text += "  " + setting.text;
  return text;
}

// Unknown keys, values of the wrong kind, batches that no memory holds and data that no trial fits
// are found before anything is trained.
void check_trials(const Plan& plan) {
  const SearchDescription& description = plan.description;
  const SearchOptions& options = description.options;
  for (const Trial& trial : draw_trials(search_keys(description), options.seed, options.trials)) {
    const Recipe recipe = trial_recipe(description, trial);  // whose errors name the trial
    try {
      require_memory(recipe);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(
          fmt::format("trial {},{}: {}", trial.number, settings_text(trial), error.what()));
    }
  }
  check_search(description, plan.data);
}

std::string score_text(const Trial& trial) {
  if (!trial.result.failure.empty()) return "failed";
  return trial.steps == 0 ? "" : fmt::format("{:.4f}", trial.result.score);
}

void print_table(std::FILE* out, const std::vector<Trial>& trials) {
  fmt::print(out, "\n{:>5} {:>6} {:>8}  {:<10}settings\n", "rank", "trial", "steps", "score");
  for (std::size_t i = 0; i < std::min(kShownTrials, trials.size()); ++i)
    fmt::print(out, "{:>5} {:>6} {:>8}  {:<8}{}\n", i + 1, trials[i].number, trials[i].steps,
               score_text(trials[i]), one_line(settings_text(trials[i])));
  if (trials.size() > kShownTrials)
    fmt::print(out, "      and {} more in trials.csv\n", trials.size() - kShownTrials);
}

void draw_search(const Plan& plan, const std::vector<Trial>& history) {
  const std::array<std::filesystem::path, 2> files{plan.folder / "search.svg",
                                                   plan.folder / "search.png"};
  try {
    draw(search_plot(plan.description, history), files);
  } catch (const DataError& error) {
    fmt::print(stderr, "gradatim: no plot was drawn: {}\n", one_line(error.what()));
  }
}

std::string to_json(const Plan& plan, const SearchResult& result, double seconds) {
  const Trial& best = result.trials.front();
  nlohmann::ordered_json settings = nlohmann::ordered_json::object();
  for (const Setting& setting : best.settings) {
    const std::size_t equals = setting.text.find('=');
    settings[setting.text.substr(0, equals)] = setting.text.substr(equals + 1);
  }
  const nlohmann::ordered_json json{
      {"recipe", plan.description.recipe.name},
      {"data", plan.data.name},
      {"trials", result.trials.size()},
      {"complete", result.complete},
      {"seconds", seconds},
      {"best", is_scored(best) ? nlohmann::ordered_json{{"trial", best.number},
                                                        {"steps", best.steps},
                                                        {"score", best.result.score},
                                                        {"settings", settings}}
                               : nlohmann::ordered_json(nullptr)},
      {"search", plan.folder.string()},
  };
  return json_line(json);
}

class Search {
 public:
  Search(const SearchCommand& command, Plan plan)
      : command_(command), plan_(std::move(plan)), out_(command.json ? stderr : stdout) {}

  int run() {
    const TrialTrainer trainer(plan_.folder, plan_.description, plan_.data,
                               [this] { return must_stop(); });
    SearchOptions options = plan_.description.options;
    options.threads = command_.options.threads;
    const SearchResult result =
        search(search_keys(plan_.description), options, trainer,
               [this](const Trial& trial, const Rung& rung) { report(trial, rung); });
    save_trials(plan_.folder, plan_.description, result.trials);
    draw_search(plan_, history_);
    conclude(result);
    if (Interrupt::signal() != 0) return 128 + Interrupt::signal();
    return result.trials.front().result.failure.empty() ? kDone : kFailed;
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  bool must_stop() const {
    return Interrupt::signal() != 0 || (command_.budget > 0 && seconds() > command_.budget);
  }

  void report(const Trial& trial, const Rung& rung) {
    history_.push_back(trial);
    done_ = rung.steps == rung_steps_ ? done_ + 1 : 1;
    rung_steps_ = rung.steps;
    fmt::print(out_, "{:>3}/{:<3} to step {:<7} trial {:<4} {:<8}{}\n", done_, rung.trials,
               rung.steps, trial.number, score_text(trial), one_line(settings_text(trial)));
    std::fflush(out_);
    if (!trial.result.failure.empty() && !std::exchange(told_a_failure_, true))
      fmt::print(stderr, "gradatim: trial {} failed: {}; of others trials.csv tells\n",
                 trial.number, one_line(trial.result.failure));
  }

  void conclude(const SearchResult& result) const {
    print_table(out_, result.trials);
    if (result.trials.size() < plan_.description.options.trials)
      fmt::print(out_, "      {} trials, not {}: there are no more combinations\n",
                 result.trials.size(), plan_.description.options.trials);
    const std::string folder = plan_.folder.string();
    fmt::print(out_, "\n{}: {:.1f} s{}\n", folder, seconds(),
               result.complete ? ""
                               : fmt::format(", not complete: gradatim search --resume {} goes on",
                                             shell_word(folder)));
    if (std::filesystem::exists(plan_.folder / "best.toml"))
      fmt::print(out_, "the best: gradatim train {}\n", shell_word(folder + "/best.toml"));
    if (command_.json) fmt::print("{}\n", to_json(plan_, result, seconds()));
  }

  const SearchCommand& command_;
  Plan plan_;
  std::FILE* out_;
  Clock::time_point started_ = Clock::now();
  std::vector<Trial> history_;
  bool told_a_failure_ = false;
  std::size_t rung_steps_ = 0;
  std::size_t done_ = 0;  // of this rung
};

int run_search(const SearchCommand& command) {
  if (command.recipe.empty() == command.resume.empty())
    throw InvalidArgument(
        "search: expected a recipe, or the folder of a search to --resume, not both");
  Plan plan = command.resume.empty() ? new_plan(command) : resumed_plan(command);
  check_trials(plan);
  if (command.resume.empty())
    plan.folder = command.out.empty()
                      ? create_numbered_run_folder("searches", plan.description.recipe.name)
                      : create_run_folder(command.out);
  const FolderLock lock(plan.folder);
  remove_temporaries(plan.folder);
  if (command.resume.empty()) save_search(plan.folder, plan.description);
  const Interrupt interrupt;
  return Search(command, std::move(plan)).run();
}

}  // namespace

void add_search_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<SearchCommand>();
  CLI::App* sub = app.add_subcommand(
      "search", "Search the best values for keys of a recipe, by their validation score");
  sub->add_option("recipe", command->recipe, "A recipe's name (two-layer) or file");
  auto* resume = sub->add_option("--resume", command->resume,
                                 "Go on with a search that was interrupted, in its folder");
  resume->check(not_empty());
  const auto of_a_new_one = [&](CLI::Option* option) { return option->excludes(resume); };
  of_a_new_one(sub->add_option("--set", command->settings,
                               "A key and what it may be: KEY=log(1e-4,1e-1), KEY=uniform(0,0.5), "
                               "KEY=int(16,256), KEY=choice(A,B); or one value for all, KEY=VALUE")
                   ->allow_extra_args(false)
                   ->type_name("KEY=VALUES"));
  of_a_new_one(sub->add_option("--data", command->data, "Dataset instead of the recipe's")
                   ->check(not_empty()));
  auto* steps = sub->add_option("--steps", command->steps, "Steps of the trials of the last rung");
  of_a_new_one(steps->check(not_empty()));
  of_a_new_one(sub->add_option("--epochs", command->epochs, "Their epochs instead")
                   ->excludes(steps)
                   ->check(not_empty()));
  of_a_new_one(
      sub->add_option("--batch", command->batch, "Samples in a mini-batch")->check(not_empty()));
  of_a_new_one(sub->add_option("--trials", command->options.trials, "Trials to begin with")
                   ->check(CLI::Range(1, 100'000))
                   ->capture_default_str());
  of_a_new_one(sub->add_option("--factor", command->options.factor,
                               "One of so many trials goes on, for so many times the steps")
                   ->check(CLI::Range(2, 1'000))
                   ->capture_default_str());
  of_a_new_one(sub->add_option("--rungs", command->options.most_rungs,
                               "How often trials are compared, at most; 1: only at the end")
                   ->check(CLI::Range(1, 100))
                   ->capture_default_str());
  of_a_new_one(sub->add_option("--seed", command->options.seed, "Seed of the trials' values")
                   ->check(not_negative())
                   ->capture_default_str());
  sub->add_option("--budget", command->budget, "Stop after so long: 90s, 20m, 8h")
      ->transform(
          CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"m", 60}, {"h", 3'600}},
                                CLI::AsNumberWithUnit::CASE_SENSITIVE, "TIME"))
      ->check(above_zero("s"));
  add_data_dir(*sub, command->data_dir);
  add_threads(*sub, command->options.threads, "Trials at a time");
  of_a_new_one(sub->add_option("--out", command->out,
                               "Folder of the search; by default searches/RECIPE-<number>")
                   ->check(not_empty()));
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_search(*command); });
}

}  // namespace gradatim::app
