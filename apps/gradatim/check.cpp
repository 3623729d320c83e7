#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/random.hpp"
#include "gradatim/io/plot.hpp"
#include "gradatim/nn/check.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/train/recipe_data.hpp"
#include "gradatim/train/run_folder.hpp"
#include "json.hpp"
#include "options.hpp"
#include "paths.hpp"
#include "recipe_folders.hpp"
#include "redrawn_line.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr float kBiasMove = 0.0625F;
constexpr std::uint32_t kBiasStream = 42;
constexpr float kInputMove = 0x1p-9F;  // half a grey level
constexpr std::uint32_t kInputStream = 43;
constexpr double kAffordable = 1e12;  // operations
constexpr double kFewest = 2;         // samples: batch normalisation wants two

struct CheckCommand {
  std::string subject;  // a recipe or a run folder
  std::string data;
  std::string data_dir;
  std::size_t batch = 0;  // 0: the recipe's
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  bool inputs = false;
  std::string plot;
  bool json = false;
};

struct Subject {
  Recipe recipe;
  Parameters parameters;         // trained, or as they start but for biases that were moved
  std::optional<Model> model{};  // that is trained
  std::string moved_off{};       // the layer at whose kink biases of 0 would be, if any
};

// The first layer whose derivative jumps at 0, if there is one: "relu". (That of a pool jumps where
// two values are equal, which a bias moves alike.)
std::string layer_with_kink(const Network& network) {
  const auto operations = make_operations(network);
  const auto found = std::ranges::find_if(
      operations, [](const auto& each) { return each->elementwise() && each->has_branches(); });
  return found == operations.end()
             ? std::string()
             : std::string(
                   kind(network.layers[static_cast<std::size_t>(found - operations.begin())]));
}

// Where inputs are blank, a bias of 0 leaves the units behind it at 0, and relu has no derivative
// there: no gradient could be right. Returns whether there were any.
bool move_zero_biases(Parameters& parameters, std::uint64_t seed) {
  bool moved = false;
  for (const ParameterTensor& tensor : parameters.layout().tensors) {
    const auto values = parameters.theta().subspan(tensor.offset, tensor.shape.size());
    if (!tensor.name.ends_with(".bias") ||
        std::ranges::any_of(values, [](float b) { return b != 0; }))
      continue;
    fill_uniform(values, {.seed = seed, .stream = kBiasStream, .step = tensor.offset}, -kBiasMove,
                 kBiasMove);
    moved = true;
  }
  return moved;
}

// The largest value of a window has no derivative by values that are equal, as blank pixels are,
// and which of them a pool's gradient goes to is a choice. Returns whether they were moved.
bool move_equal_inputs(const Network& network, std::uint64_t seed, std::span<float> inputs) {
  const bool has_pool = std::ranges::any_of(
      network.layers, [](const Layer& layer) { return std::holds_alternative<MaxPool2d>(layer); });
  if (!has_pool) return false;
  std::vector<float> moves(inputs.size());
  fill_uniform(moves, {.seed = seed, .stream = kInputStream}, 0, kInputMove);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] += moves[i];
  return true;
}

Subject load(const CheckCommand& command) {
  if (is_run_folder(command.subject)) {
    SavedRun run = load_run(command.subject);
    Parameters parameters = run.model.parameters;
    return {std::move(run.recipe), std::move(parameters), std::move(run.model)};
  }
  const auto folders = recipe_folders();
  Recipe recipe = read_recipe(find_recipe(command.subject, folders), {});
  Parameters parameters = initialize(recipe.network, recipe.options.seed);
  std::string kink = layer_with_kink(recipe.network);
  if (!kink.empty() && !move_zero_biases(parameters, recipe.options.seed)) kink.clear();
  return {std::move(recipe), std::move(parameters), {}, std::move(kink)};
}

// How many of `whole` samples take no more than is affordable, but for the fewest. For less than
// twice that none is left out.
std::size_t affordable_batch(const Recipe& recipe, std::size_t whole) {
  const double affordable = kAffordable / std::max(check_operations(recipe.network), 1.0);
  const auto most = static_cast<double>(whole);
  if (2 * affordable >= most) return whole;
  return static_cast<std::size_t>(std::max(affordable, std::min(kFewest, most)));
}

Json as_json(const CheckedParameter& entry) {
  return {{"name", entry.name},
          {"index", entry.index},
          {"backprop", json_number(entry.backprop)},
          {"numerical", json_number(entry.numerical)},
          {"error", json_number(entry.error)},
          {"allowed", json_number(entry.allowed)},
          {"verdict", to_string(entry.verdict)}};
}

// {"1e-06": entries, ...}
Json as_json(const SeenErrors& seen) {
  Json json = Json::object();
  for (std::size_t i = 0; i < SeenErrors::kRelative.size(); ++i)
    json[fmt::format("{:g}", SeenErrors::kRelative[i])] = seen.entries[i];
  return json;
}

Json as_json(const TensorCheck& tensor) {
  Json worst = Json::array();
  for (const CheckedParameter& entry : tensor.worst) worst.push_back(as_json(entry));
  return {{"name", tensor.name},
          {"shape", tensor.shape.to_string()},
          {"count", tensor.count},
          {"passed", tensor.passed},
          {"failed", tensor.failed},
          {"kinks", tensor.kinks},
          {"unresolved", tensor.unresolved},
          {"seen", as_json(tensor.seen)},
          {"dead", tensor.dead},
          {"structural", tensor.structural},
          {"dead_units", tensor.dead_units},
          {"cancelled", tensor.cancelled},
          {"forgotten", tensor.forgotten},
          {"worst", worst}};
}

Json as_json(const SampleCheck& sample) {
  if (!sample.skipped.empty()) return {{"skipped", sample.skipped}};
  return {{"count", sample.count},
          {"shortcut_error", json_number(sample.shortcut_error)},
          {"backprop_error", json_number(sample.backprop_error)},
          {"numerical_error", json_number(sample.numerical_error)}};
}

Json as_json(const NetworkCheck& check, const std::string& subject, const std::string& data,
             std::size_t batch, bool moved, bool inputs_moved) {
  Json tensors = Json::array();
  for (const TensorCheck& tensor : check.tensors) tensors.push_back(as_json(tensor));
  return {{"subject", subject},
          {"data", data},
          {"batch", batch},
          {"biases_moved_by_up_to", moved ? Json(kBiasMove) : Json(0)},
          {"inputs_moved_by_up_to", inputs_moved ? Json(kInputMove) : Json(0)},
          {"passes", check.passed()},
          {"parameters", check.parameters()},
          {"passed", check.count(&TensorCheck::passed)},
          {"failed", check.count(&TensorCheck::failed)},
          {"kinks", check.count(&TensorCheck::kinks)},
          {"unresolved", check.count(&TensorCheck::unresolved)},
          {"seen", as_json(check.seen())},
          {"skipped", check.skipped()},
          {"worst", as_json(check.worst())},
          {"wrong", check.wrong},
          {"objections", check.objections()},
          {"evaluated_again", check.evaluated_again},
          {"frozen", check.frozen},
          {"over_batch", check.over_batch},
          {"deterministic", check.deterministic},
          {"sample", as_json(check.sample)},
          {"loss", json_number(check.loss)},
          {"step", check.step},
          {"seconds", check.seconds},
          {"tensors", tensors}};
}

// How many entries are how far apart, as shares of all.
void draw_errors(const NetworkCheck& check, const std::string& title, const std::string& file) {
  Series series{.label = {}, .x = {}, .y = {}, .style = LineStyle::line_with_points};
  double all = static_cast<double>(check.errors.zero);
  for (const std::size_t count : check.errors.counts) all += static_cast<double>(count);
  for (std::size_t i = 0; i < ErrorDistribution::kBins; ++i) {
    series.x.push_back(ErrorDistribution::kFirst +
                       (static_cast<double>(i) + 0.5) * ErrorDistribution::kWidth);
    series.y.push_back(static_cast<double>(check.errors.counts[i]) / std::max(all, 1.0));
  }
  const std::string equal =
      fmt::format("{:.1f} % are equal in every bit",
                  100 * static_cast<double>(check.errors.zero) / std::max(all, 1.0));
  draw({.title = title,
        .panels = {{.title = equal,
                    .x_label = "log10 of |backprop - numerical| / magnitude of the terms",
                    .y_label = "share of the entries",
                    .series = {series}}}},
       std::vector<std::filesystem::path>{file});
}

void print_errors(const NetworkCheck& check) {
  const auto& counts = check.errors.counts;
  const std::vector<double> values(counts.begin(), counts.end());
  fmt::print("apart, of the magnitude of what is added up, from 1e-12 to 100:\n  {}\n",
             sparkline(values, ErrorDistribution::kBins));
}

// On a terminal, how much is done.
class ShareDone {
 public:
  void show(double share) {
    if (!line_.is_due()) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
    line_.draw(fmt::format("{} {:3.0f} %  {} left", hash_bar(share, kBarWidth), 100 * share,
                           duration(seconds * (1 - share) / share)));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kBarWidth = 30;

  RedrawnLine line_{stderr};
  Clock::time_point started_ = Clock::now();
};

// The check of the first samples of a batch, shown as it goes.
NetworkCheck check_of(const CheckCommand& command, const Subject& subject, const Batch& batch) {
  ShareDone share_done;
  return check(subject.recipe.network, subject.parameters.theta(), batch,
               {.loss = subject.recipe.options.loss,
                .inputs = command.inputs,
                .seed = command.seed,
                .threads = command.threads,
                .on_progress = [&](double share) { share_done.show(share); }});
}

int run_check(const CheckCommand& command) {
  const Subject subject = load(command);
  const Recipe& recipe = subject.recipe;
  const Recipe with_data = on_data(recipe, command.data);
  const std::string& name = with_data.data;
  const Dataset data = load_recipe_data(with_data, data_paths(command.data_dir),
                                        subject.model ? &*subject.model : nullptr);
  const std::size_t whole =
      std::min(command.batch != 0 ? command.batch : recipe.options.batch, data.train.size());
  const std::size_t batch = command.batch != 0 ? whole : affordable_batch(recipe, whole);
  Samples samples = data.train.batch(0, batch);
  const bool inputs_moved = command.inputs && move_equal_inputs(recipe.network, recipe.options.seed,
                                                                samples.inputs.values());
  Batch keyed = samples;
  keyed.key = {.seed = recipe.options.seed};
  const NetworkCheck check = check_of(command, subject, keyed);
  const std::string title =
      fmt::format("{}: {} parameters, first {} training samples of {}", recipe.name,
                  subject.parameters.theta().size(), batch, name);
  if (!command.plot.empty()) draw_errors(check, title, command.plot);
  if (command.json) {
    fmt::print("{}\n", json_line(as_json(check, command.subject, name, batch,
                                         !subject.moved_off.empty(), inputs_moved)));
  } else {
    fmt::print("{}\n", title);
    if (batch < whole)
      fmt::print(
          "fewer than the recipe's batch of {}, which would take {:.0f} times as long; "
          "--batch sets the number\n",
          whole, static_cast<double>(whole) / static_cast<double>(batch));
    if (!subject.moved_off.empty())
      fmt::print("biases that start at 0 moved by up to {}: {} has no derivative at 0\n", kBiasMove,
                 subject.moved_off);
    if (inputs_moved)
      fmt::print("inputs moved by up to {}: max_pool2d has no derivative where they are equal\n",
                 kInputMove);
    fmt::print("\n{}", check.to_string());
    print_errors(check);
  }
  return check.passed() ? kDone : kFailed;
}

}  // namespace

void add_check_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<CheckCommand>();
  CLI::App* sub =
      app.add_subcommand("check", "Check every parameter's gradient against the numerical one");
  sub->add_option("recipe", command->subject, "A recipe's name or file, or a run folder")
      ->required();
  sub->add_option("--data", command->data, "Dataset instead of the recipe's")->check(not_empty());
  add_data_dir(*sub, command->data_dir);
  sub->add_option(
         "--batch", command->batch,
         "Training samples, from the first; by default the recipe's batch, or fewer, down to two, "
         "where that would take minutes")
      ->check(above_zero("samples"));
  sub->add_option("--seed", command->seed, "Of the sample that is evaluated in full")
      ->check(not_negative());
  add_threads(*sub, command->threads);
  sub->add_flag("--inputs", command->inputs, "Check the gradient by the inputs too");
  sub->add_option("--plot", command->plot, "Draw the distribution of the errors: FILE.svg or .png")
      ->check(not_empty())
      ->check(picture_file());
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_check(*command); });
}

}  // namespace gradatim::app
