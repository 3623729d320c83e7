#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "answers.hpp"
#include "commands.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/data/dataset.hpp"
#include "gradatim/io/png.hpp"
#include "gradatim/train/run_folder.hpp"
#include "json.hpp"
#include "predict_rows.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;

struct PredictCommand {
  std::string run;
  std::vector<std::string> images;  // or tables
  std::string row;                  // of features, instead
  bool invert = false;
  bool json = false;
};

struct Guess {
  std::string name;
  float probability = 0;
};

// RUN is a run folder, or a model file alone.
Model model_of(const std::filesystem::path& run) {
  if (run.extension() == ".safetensors") return load_model(run);
  return load_run(run).model;
}

// (height, width) of the grey images that a network takes: (h, w), (1, h, w), or a square as a row.
Shape image_shape(const Shape& input) {
  if (input.rank() == 2) return input;
  if (input.rank() == 3 && input[0] == 1) return input.sample();
  const auto side =
      static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(input.size()))));
  if (input.rank() == 1 && side * side == input.size()) return {side, side};
  throw ShapeError(
      fmt::format("predict: the network takes inputs of shape {}, expected that of one "
                  "grey image",
                  input.to_string()));
}

// All images as the network takes them: (n, height, width), 0 to 255.
ByteTensor read_images(const PredictCommand& command, const Shape& shape) {
  ByteTensor images(shape.batched(command.images.size()));
  for (std::size_t i = 0; i < command.images.size(); ++i) {
    const ByteTensor image = resize_area(read_png_gray(command.images[i]), shape[0], shape[1]);
    const auto pixels = images.view().row(i);
    std::copy(image.values().begin(), image.values().end(), pixels.begin());
    if (command.invert)
      for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  }
  return images;
}

// The classes, the most probable first.
std::vector<Guess> ranked(const Model& model, std::span<const float> row) {
  std::vector<Guess> guesses;
  for (std::size_t c = 0; c < row.size(); ++c)
    guesses.push_back({class_name(model.class_names, c), row[c]});
  std::stable_sort(guesses.begin(), guesses.end(),
                   [](const Guess& a, const Guess& b) { return a.probability > b.probability; });
  return guesses;
}

Json as_json(const std::string& image, const std::vector<Guess>& guesses) {
  Json probabilities = Json::array();
  for (const Guess& guess : guesses)
    probabilities.push_back({{"class", guess.name}, {"probability", guess.probability}});
  return {{"image", image},
          {"class", guesses.front().name},
          {"probability", guesses.front().probability},
          {"probabilities", probabilities}};
}

void print_guesses(const std::string& image, const std::vector<Guess>& guesses) {
  constexpr std::size_t kShown = 10;
  constexpr std::size_t kBarWidth = 30;
  const std::size_t shown = std::min(kShown, guesses.size());
  std::size_t name_width = 0;
  for (std::size_t i = 0; i < shown; ++i)
    name_width = std::max(name_width, columns(guesses[i].name));
  fmt::print("{}: {}\n", image, guesses.front().name);
  for (std::size_t i = 0; i < shown; ++i)
    fmt::print("  {}  {} {:.4f}\n", padded(guesses[i].name, name_width),
               block_bar(guesses[i].probability, kBarWidth), guesses[i].probability);
}

int run_predict(const PredictCommand& command) {
  if (command.images.empty() && command.row.empty())
    throw InvalidArgument("predict: expected PNG or CSV files, or a --row");
  const Model model = model_of(command.run);
  if (!model.columns.features.empty())
    return predict_rows(model, {command.run, command.images, command.row, command.json});
  if (command.images.empty()) throw InvalidArgument("predict: expected PNG files");
  const ByteTensor images = read_images(command, image_shape(model.network.input));
  const Tensor outputs =
      answers(command.run, model, ByteInputs{.bytes = images, .scale = kByteScale});
  Json predictions = Json::array();
  for (std::size_t i = 0; i < command.images.size(); ++i) {
    const auto guesses = ranked(model, outputs.view().row(i));
    if (command.json)
      predictions.push_back(as_json(command.images[i], guesses));
    else
      print_guesses(command.images[i], guesses);
  }
  if (command.json)
    fmt::print("{}\n", json_line({{"run", command.run}, {"predictions", predictions}}));
  return kDone;
}

}  // namespace

void add_predict_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<PredictCommand>();
  CLI::App* sub = app.add_subcommand("predict", "Predict for PNG images or rows of features");
  sub->add_option("run", command->run, "A run folder, or a model.safetensors")->required();
  sub->add_option("images", command->images,
                  "PNG files of any size and colour; light on dark, as the data sets are. CSV "
                  "files with a header for a network on features");
  sub->add_option("--row", command->row,
                  "One row of features, in the order of training: --row 0.5,2,7");
  sub->add_flag("--invert", command->invert, "The images are dark on light");
  sub->add_flag("--json", command->json, "Print the result as one JSON object");
  sub->callback([command, &exit_code] { exit_code = run_predict(*command); });
}

}  // namespace gradatim::app
