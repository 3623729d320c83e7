#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/recipe_data.hpp"
#include "gradatim/train/resume.hpp"
#include "gradatim/train/run_folder.hpp"
#include "interrupt.hpp"
#include "memory.hpp"
#include "named_settings.hpp"
#include "options.hpp"
#include "paths.hpp"
#include "progress.hpp"
#include "recipe_folders.hpp"
#include "test_rows.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

struct TrainCommand {
  std::string recipe;
  std::string resume;  // a run folder, instead of a recipe
  std::string data;
  std::string data_dir;
  std::string steps;
  std::string epochs;
  std::string batch;
  std::string learning_rate;
  std::string gradient;
  std::string seed;
  std::string checkpoint_every;
  std::size_t threads = 0;
  std::vector<std::string> settings;
  std::string out;
  bool json = false;
};

// The options that stand for a key of the recipe, and then --set, which has the last word.
std::vector<Setting> settings_of(const TrainCommand& command) {
  NamedSettings named;
  named.add_data(command.data, command.settings);
  named.add("--steps", "steps", command.steps);
  named.add("--epochs", "epochs", command.epochs);
  named.add("--batch", "batch", command.batch);
  named.add("--lr", "optimizer.learning_rate", command.learning_rate);
  named.add_text("--gradient", "gradient", command.gradient);
  named.add("--seed", "seed", command.seed);
  named.add("--checkpoint-every", "checkpoints.every", command.checkpoint_every);
  for (const std::string& text : command.settings) named.settings.push_back(set_option(text));
  return named.settings;
}

// Watches for Ctrl-C.
class StopAtInterrupt final : public TrainObserver {
 public:
  bool on_step(const StepRecord&) override { return Interrupt::signal() == 0; }
};

// The folder of a run; a new one is gone again if training does not even begin.
class RunFolder final : public TrainObserver {
 public:
  /// A folder to be resumed.
  explicit RunFolder(std::filesystem::path resumed) : path_(std::move(resumed)), used_(true) {}
  RunFolder(const std::string& out, const std::string& recipe)
      : was_there_(!out.empty() && std::filesystem::exists(out)),
        path_(out.empty() ? create_numbered_run_folder("runs", recipe) : create_run_folder(out)) {}
  ~RunFolder() override {
    if (used_) return;
    std::error_code ignored;
    for (const auto* file : {"recipe.toml", "metrics.csv"})
      std::filesystem::remove(path_ / file, ignored);
    if (!was_there_) std::filesystem::remove(path_, ignored);
  }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool on_step(const StepRecord&) override { return used_ = true; }
  void on_epoch(const EpochRecord&) override { used_ = true; }

 private:
  bool was_there_ = true;
  std::filesystem::path path_;
  bool used_ = false;
};

void print_result(std::FILE* out, const RunSummary& summary, const Progress& progress) {
  constexpr std::size_t kCurveWidth = 40;
  const auto curve = [&](const std::string& name, const std::vector<double>& values) {
    if (values.size() > 1)
      fmt::print(out, "  {:<16}{}  {} to {}\n", name, sparkline(values, kCurveWidth),
                 loss_text(values.front()), loss_text(values.back()));
  };
  fmt::print(out, "\n{} on {}: {} steps in {:.2f} s, {:.0f} steps/s{}\n", summary.recipe,
             summary.data, summary.steps, summary.seconds, summary.steps_per_second,
             summary.stopped == "steps_done" ? "" : ", " + summary.stopped);
  const auto line = [&](const char* split, const Figure& figure, const Scores& scores) {
    fmt::print(out, "  {:<15} {:.4f}\n", fmt::format("{} {}", split, figure.name),
               scores.*figure.value);
  };
  for (const Figure& figure : summary.figures) {
    line("test", figure, summary.test);
    if (!std::isnan(summary.validation.loss)) line("validation", figure, summary.validation);
    line("train", figure, summary.train);
  }
  fmt::print(out, "  train samples   {} were scored\n", summary.train_samples);
  curve(fmt::format("test {}", summary.figures.front().name), progress.test_figures());
  curve("loss", progress.losses());
  if (summary.best_epoch != 0)
    fmt::print(out, "  weights         the best, of epoch {}\n", summary.best_epoch);
  if (summary.weights == "average") fmt::print(out, "  weights         their moving average\n");
  fmt::print(out, "  parameters      {}, sha256 {:.16}...\n", summary.parameters,
             summary.parameters_sha256);
  fmt::print(out, "  run             {}\n", summary.run);
  if (std::filesystem::exists(std::filesystem::path(summary.run) / "curves.svg"))
    fmt::print(out, "  curves          {0}/curves.svg, {0}/curves.png\n", summary.run);
}

int exit_code_of(const TrainResult& result) {
  if (result.reason == StopReason::stopped_by_observer) return 128 + Interrupt::signal();
  return result.reason == StopReason::non_finite ? kFailed : kDone;
}

// What is trained: a recipe with its settings, or that of a run with those that may change.
struct Plan {
  Recipe recipe;  // resolved
  Dataset data;
  ResumePoint from;  // of a run that is resumed
};

Plan plan_of(const TrainCommand& command) {
  const auto folders = recipe_folders();
  const std::filesystem::path file =
      command.resume.empty() ? find_recipe(command.recipe, folders) : recipe_of_run(command.resume);
  Plan plan{.recipe = read_recipe(file, settings_of(command)), .data = {}, .from = {}};
  plan.recipe.options.threads = command.threads;
  require_memory(plan.recipe);
  const DataPaths paths = data_paths(command.data_dir);
  if (command.resume.empty() || !command.data.empty())
    plan.recipe = with_absolute_table(std::move(plan.recipe), paths);
  plan.data = load_recipe_data(plan.recipe, paths);
  if (command.resume.empty()) require_test_rows(plan.recipe, plan.data);
  plan.recipe = resolve(std::move(plan.recipe), plan.data.train.size());
  if (!command.resume.empty())
    plan.from = find_resume_point(command.resume, plan.recipe, plan.data);
  return plan;
}

int run_plan(const TrainCommand& command, const Plan& plan, std::FILE* out) {
  const Recipe& recipe = plan.recipe;
  std::optional<RunFolder> folder;
  if (command.resume.empty()) {
    folder.emplace(command.out, recipe.name);
  } else {
    folder.emplace(command.resume);
    prepare_to_resume(command.resume, plan.from);
  }
  RunRecorder recorder(folder->path(), recipe, plan.data, plan.from.from());
  Progress progress(out, recipe.options.steps,
                    steps_per_epoch(plan.data.train.size(), samples_per_step(recipe.options)),
                    figures(target_kind(recipe.options.loss, plan.data.train)).front());
  const Interrupt interrupt;
  StopAtInterrupt stop;
  ObserverList observers{&*folder, &recorder, &progress, &stop};
  const TrainResult result =
      train(recipe.network, plan.data, recipe.options, &observers, plan.from.state());
  progress.finish();

  const RunSummary summary = recorder.finish(result);
  print_result(out, summary, progress);
  for (const std::string& note : recorder.notes())
    fmt::print(stderr, "gradatim: {}\n", one_line(note));
  if (command.json) fmt::print("{}\n", to_json(summary));
  if (result.reason == StopReason::non_finite)
    throw NonFiniteError(fmt::format("training failed: {}", result.message));
  return exit_code_of(result);
}

int say_that_it_is_finished(const TrainCommand& command, const Plan& plan, std::FILE* out) {
  const std::size_t steps = plan.from.state()->step;
  if (plan.from.early_stopped)
    fmt::print(out,
               "{} is finished: early stopping ended it after {} steps, and more steps would not "
               "go on from there. To train for longer, train anew with more patience\n",
               command.resume, steps);
  else if (plan.from.at_schedules_end)
    fmt::print(out,
               "{} is finished: {} steps are done, which its {} schedule spans. To train for "
               "longer, train anew with more steps\n",
               command.resume, steps, kind(plan.recipe.options.schedule));
  else
    fmt::print(out,
               "{} is finished: {} steps are done, nothing is left to train. To go on, give it "
               "more: --steps {}\n",
               command.resume, steps, 2 * steps);
  if (command.json) {
    const std::string summary = read_file(std::filesystem::path(command.resume) / "summary.json");
    fmt::print("{}\n", nlohmann::ordered_json::parse(summary).dump());
  }
  return kDone;
}

int run_train(const TrainCommand& command) {
  if (command.recipe.empty() == command.resume.empty())
    throw InvalidArgument("train: expected a recipe, or a run folder to --resume, not both");
  std::FILE* out = command.json ? stderr : stdout;  // stdout is the object's alone
  const Plan plan = plan_of(command);
  for (const std::string& note : plan.from.notes)
    fmt::print(stderr, "gradatim: {}\n", one_line(note));
  if (plan.from.finished) return say_that_it_is_finished(command, plan, out);
  if (!command.resume.empty())
    fmt::print(out, "{} goes on at step {} of {}\n", command.resume,
               plan.from.checkpoint ? plan.from.state()->step : 0, plan.recipe.options.steps);
  return run_plan(command, plan, out);
}

}  // namespace

void add_train_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<TrainCommand>();
  CLI::App* sub = app.add_subcommand("train", "Train the network of a recipe");
  sub->add_option("recipe", command->recipe, "A recipe's name (two-layer) or file");
  sub->add_option(
         "--resume", command->resume,
         "Go on with a run folder from its last checkpoint, to the same bits; more --steps "
         "train it further, unless its schedule spans them all")
      ->check(not_empty());
  sub->add_option("--data", command->data, "Dataset instead of the recipe's")->check(not_empty());
  add_data_dir(*sub, command->data_dir);
  auto* steps = sub->add_option("--steps", command->steps, "Number of steps")->check(not_empty());
  sub->add_option("--epochs", command->epochs, "Number of epochs instead")
      ->excludes(steps)
      ->check(not_empty());
  sub->add_option("--batch", command->batch, "Samples in a mini-batch")->check(not_empty());
  sub->add_option("--lr", command->learning_rate, "Learning rate: optimizer.learning_rate")
      ->check(not_empty());
  sub->add_option("--gradient", command->gradient,
                  "How gradients are found: backprop, numerical, dual or tape")
      ->check(not_empty());
  sub->add_option("--seed", command->seed, "Seed of everything random")->check(not_empty());
  sub->add_option("--checkpoint-every", command->checkpoint_every,
                  "Steps between checkpoints; 0, the default, is an epoch's: checkpoints.every")
      ->check(not_empty());
  add_threads(*sub, command->threads);
  sub->add_option(
         "--set", command->settings,
         "Another key of the recipe: --set optimizer.kind=momentum, --set optim.beta1=0.8; may "
         "be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  sub->add_option("--out", command->out, "Run folder; by default runs/RECIPE-<number>")
      ->excludes("--resume")
      ->check(not_empty());
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_train(*command); });
}

}  // namespace gradatim::app
