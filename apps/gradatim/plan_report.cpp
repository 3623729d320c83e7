#include "plan_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "gradatim/nn/program.hpp"
#include "gradatim/optim/optimizer.hpp"
#include "gradatim/train/recipe.hpp"
#include "gradatim/train/run_folder.hpp"
#include "memory.hpp"
#include "recipe_folders.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;

Json as_json(const PlannedLayer& layer) {
  return {{"layer", layer.name},
          {"output", layer.output.to_string()},
          {"parameters", layer.parameters},
          {"flops_per_sample", layer.operations},
          {"buffer", layer.buffer},
          {"buffer_bytes", layer.buffer_bytes},
          {"gradient_bytes", layer.gradient_bytes},
          {"gradient_shares_memory", layer.shared_gradient}};
}

std::string size_text(std::size_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value < 1e4) return fmt::format("{} B", bytes);
  if (value < 1e6) return fmt::format("{:.0f} kB", value / 1e3);
  return fmt::format("{:.1f} MB", value / 1e6);
}

// What training remembers between steps and their parts besides the weights: the optimizer's
// memory, the average of the weights, the best of them and the gradient of the parts before.
std::size_t floats_between_steps(const TrainOptions& options, std::size_t parameters) {
  const OptimizerState optimizer(options.optimizer, parameters);
  const std::size_t copies = optimizer.memory().size() + (options.average.decay > 0 ? 1U : 0U) +
                             (options.early_stopping.patience > 0 ? 1U : 0U) +
                             (options.accumulation > 1 ? 1U : 0U);
  return copies * parameters;
}

std::size_t number(const Json& value) { return value.get<std::size_t>(); }

}  // namespace

Json plan_of(const std::string& subject, std::span<const Setting> settings) {
  const std::filesystem::path file =
      is_run_folder(subject) ? recipe_of_run(subject) : find_recipe(subject, recipe_folders());
  const Recipe recipe = read_recipe(file, settings);
  require_memory(recipe);
  const Program program(recipe.network, recipe.options.loss, recipe.options.batch);
  const std::size_t threads = TaskPool(0).threads();
  const std::size_t thread_bytes = program.thread_bytes();
  const std::size_t theta = program.layout().size * sizeof(float);
  const std::size_t kept =
      floats_between_steps(recipe.options, program.layout().size) * sizeof(float);
  Json layers = Json::array();
  for (const PlannedLayer& layer : program.planned_layers()) layers.push_back(as_json(layer));
  return {{"recipe", recipe.name},
          {"batch", recipe.options.batch},
          {"input", recipe.network.input.to_string()},
          {"layers", layers},
          {"parameters", program.layout().size},
          {"parameter_bytes", theta},
          {"state_bytes", kept},
          {"workspace_bytes", program.workspace_bytes()},
          {"thread_bytes", thread_bytes},
          {"threads", threads},
          {"peak_bytes", 2 * theta + kept + program.workspace_bytes() + threads * thread_bytes}};
}

void print_plan(const Json& plan) {
  fmt::print("{}: a step of {} samples of shape {}\n\n", plan["recipe"].get<std::string>(),
             number(plan["batch"]), plan["input"].get<std::string>());
  fmt::print("{:<28}{:>14}{:>12}{:>14}{:>9}{:>10}{:>11}\n", "layer", "output", "parameters",
             "flops/sample", "buffer", "values", "gradient");
  for (const Json& layer : plan["layers"])
    fmt::print("{:<28}{:>14}{:>12}{:>14}{:>9}{:>10}{:>11}\n", layer["layer"].get<std::string>(),
               layer["output"].get<std::string>(), number(layer["parameters"]),
               number(layer["flops_per_sample"]), fmt::format("#{}", number(layer["buffer"])),
               size_text(number(layer["buffer_bytes"])),
               size_text(number(layer["gradient_bytes"])) +
                   (layer["gradient_shares_memory"].get<bool>() ? "*" : " "));
  fmt::print(
      "\nLayers of one buffer write over each other's values; gradients with a * share memory by "
      "lifetime.\n"
      "parameters {} and as much for their gradient, kept between steps {}, step {}, {} threads {} "
      "each: peak {} besides the data\n",
      size_text(number(plan["parameter_bytes"])), size_text(number(plan["state_bytes"])),
      size_text(number(plan["workspace_bytes"])), number(plan["threads"]),
      size_text(number(plan["thread_bytes"])), size_text(number(plan["peak_bytes"])));
}

}  // namespace gradatim::app
