#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/train/run_folder.hpp"
#include "interrupt.hpp"
#include "not_empty.hpp"
#include "paths.hpp"
#include "progress.hpp"
#include "recipe_folders.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

struct TrainCommand {
  std::string recipe;
  std::string data;
  std::string data_dir;
  std::string steps;
  std::string epochs;
  std::string batch;
  std::string learning_rate;
  std::string gradient;
  std::string seed;
  std::size_t threads = 0;
  std::vector<std::string> settings;
  std::string out;
  bool json = false;
};

// The options that stand for a key of the recipe, and then --set, which has the last word.
std::vector<Setting> settings_of(const TrainCommand& command) {
  std::vector<Setting> settings;
  const auto add = [&](const char* option, const char* key, const std::string& value) {
    if (!value.empty())
      settings.push_back(
          {fmt::format("{}={}", key, value), fmt::format("{} {}", option, shortened(value))});
  };
  // A JSON string is a TOML string.
  add("--data", "data", command.data.empty() ? "" : nlohmann::json(command.data).dump());
  add("--steps", "steps", command.steps);
  add("--epochs", "epochs", command.epochs);
  add("--batch", "batch", command.batch);
  add("--lr", "optimizer.learning_rate", command.learning_rate);
  add("--gradient", "gradient",
      command.gradient.empty() ? "" : nlohmann::json(command.gradient).dump());
  add("--seed", "seed", command.seed);
  for (const std::string& setting : command.settings)
    settings.push_back({setting, "--set " + shortened(setting)});
  return settings;
}

// Watches for Ctrl-C.
class StopAtInterrupt final : public TrainObserver {
 public:
  bool on_step(const StepRecord&) override { return Interrupt::signal() == 0; }
};

// The folder of a run, gone again if training does not even begin.
class NewRunFolder final : public TrainObserver {
 public:
  NewRunFolder(const std::string& out, const std::string& recipe)
      : was_there_(!out.empty() && std::filesystem::exists(out)),
        path_(out.empty() ? create_numbered_run_folder("runs", recipe) : create_run_folder(out)) {}
  ~NewRunFolder() override {
    if (used_) return;
    std::error_code ignored;
    for (const auto* file : {"recipe.toml", "metrics.csv"})
      std::filesystem::remove(path_ / file, ignored);
    if (!was_there_) std::filesystem::remove(path_, ignored);
  }
  NewRunFolder(const NewRunFolder&) = delete;
  NewRunFolder& operator=(const NewRunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool on_step(const StepRecord&) override { return used_ = true; }
  void on_epoch(const EpochRecord&) override { used_ = true; }

 private:
  bool was_there_;
  std::filesystem::path path_;
  bool used_ = false;
};

void print_result(std::FILE* out, const RunSummary& summary, const Progress& progress) {
  constexpr std::size_t kCurveWidth = 40;
  const auto curve = [&](const char* name, const std::vector<double>& values) {
    if (values.size() > 1)
      fmt::print(out, "  {:<16}{}  {} to {}\n", name, sparkline(values, kCurveWidth),
                 loss_text(values.front()), loss_text(values.back()));
  };
  fmt::print(out, "\n{} on {}: {} steps in {:.2f} s, {:.0f} steps/s{}\n", summary.recipe,
             summary.data, summary.steps, summary.seconds, summary.steps_per_second,
             summary.stopped == "interrupted" ? ", interrupted" : "");
  fmt::print(out, "  test accuracy   {:.4f}\n  train accuracy  {:.4f}\n", summary.test_accuracy,
             summary.train_accuracy);
  curve("test accuracy", progress.test_accuracies());
  curve("loss", progress.losses());
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

int run_train(const TrainCommand& command) {
  std::FILE* out = command.json ? stderr : stdout;  // stdout is the object's alone
  const auto folders = recipe_folders();
  Recipe recipe = read_recipe(find_recipe(command.recipe, folders), settings_of(command));
  recipe.options.threads = command.threads;
  const Dataset data = load_dataset(recipe.data, data_paths(command.data_dir));
  recipe = resolve(std::move(recipe), data.train.size());

  NewRunFolder folder(command.out, recipe.name);
  RunRecorder recorder(folder.path(), recipe, data);
  Progress progress(out, recipe.options.steps,
                    steps_per_epoch(data.train.size(), recipe.options.batch));
  const Interrupt interrupt;
  StopAtInterrupt stop;
  ObserverList observers{&folder, &recorder, &progress, &stop};
  const TrainResult result = train(recipe.network, data, recipe.options, &observers);
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

}  // namespace

void add_train_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<TrainCommand>();
  CLI::App* sub = app.add_subcommand("train", "Train the network of a recipe");
  sub->add_option("recipe", command->recipe, "A recipe's name (two-layer) or file")->required();
  sub->add_option("--data", command->data, "Dataset instead of the recipe's")->check(not_empty());
  sub->add_option("--data-dir", command->data_dir, "Folder to look for data in first")
      ->check(not_empty());
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
  sub->add_option("--threads", command->threads, "Threads; 0, the default, is one a core")
      ->check(CLI::Range(0, 1024));
  sub->add_option("--set", command->settings,
                  "Another key of the recipe: --set optimizer.kind=momentum; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  sub->add_option("--out", command->out, "Run folder; by default runs/RECIPE-<number>")
      ->check(not_empty());
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_train(*command); });
}

}  // namespace gradatim::app
