#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <stdexcept>

#include "app/command.hpp"
#include "gradatim/core/amx.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/data/generated.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/nn/fold.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/train/model_file.hpp"
#include "support/datasets.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::Outcome;
using test::Workshop;

void write_png(const std::filesystem::path& path, const ByteTensor& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(pixels.shape()[0]);
  image.width = static_cast<png_uint_32>(pixels.shape()[1]);
  image.format = PNG_FORMAT_GRAY;
  if (png_image_write_to_file(&image, path.c_str(), 0, pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(image.message);
}

// An image of side x side whose row of class `label` of six is bright.
ByteTensor striped_image(std::size_t side, std::size_t label, bool dark_on_light = false) {
  ByteTensor image({side, side});
  for (std::size_t i = 0; i < side; ++i)
    for (std::size_t j = 0; j < side; ++j) {
      const bool bright = i * 6 / side == label;
      image.view()(i, j) = bright != dark_on_light ? 220 : 20;
    }
  return image;
}

// A workshop with a trained run in run/.
const Workshop& trained() {
  static const Workshop workshop;
  static const Outcome outcome = workshop.train({"--out", "run", "--steps", "200"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return workshop;
}

TEST(EvalCommand, AgreesWithTheRunsSummary) {
  const Workshop& workshop = trained();
  const auto summary = nlohmann::json::parse(read_file(workshop / "run/summary.json"));
  const Outcome outcome = workshop.gradatim({"eval", "run", "--data-dir", "data", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = outcome.json();
  EXPECT_EQ(json["accuracy"], summary["test_accuracy"]);
  EXPECT_EQ(json["parameters_sha256"], summary["parameters_sha256"]);
  EXPECT_EQ(json["samples"], 100);
  EXPECT_EQ(json["classes"].size(), 10U);
  EXPECT_EQ(json["classes"][3]["samples"], 25);
  EXPECT_TRUE(json["classes"][9]["recall"].is_null());  // there is no nine among them
  std::uint64_t counted = 0;
  for (const auto& row : json["confusion"])
    for (const std::uint64_t count : row) counted += count;
  EXPECT_EQ(counted, 100U);
}

TEST(EvalCommand, PrintsATable) {
  const Outcome outcome = trained().gradatim({"eval", "run", "--data-dir", "data"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_CONTAINS(outcome.out, "run on the 100 test samples of mnist");
  EXPECT_CONTAINS(outcome.out, "class");
  EXPECT_CONTAINS(outcome.out, "recall");
}

TEST(PredictCommand, NamesTheClassOfImagesOfAnySize) {
  const Workshop& workshop = trained();
  for (const std::size_t side : {6U, 60U, 100U}) {
    for (std::size_t label = 0; label < 4; ++label) {
      write_png(workshop / "light.png", striped_image(side, label));
      write_png(workshop / "dark.png", striped_image(side, label, true));
      const auto light = workshop.gradatim({"predict", "run", "light.png", "--json"}).json();
      const auto dark =
          workshop.gradatim({"predict", "run", "dark.png", "--invert", "--json"}).json();
      EXPECT_EQ(light["predictions"][0]["class"], find_dataset("mnist").class_names[label]);
      EXPECT_EQ(dark["predictions"][0]["class"], find_dataset("mnist").class_names[label]);
    }
  }
}

TEST(PredictCommand, PrintsProbabilitiesAsBarsThatSumToOne) {
  const Workshop& workshop = trained();
  write_png(workshop / "a.png", striped_image(6, 1));
  write_png(workshop / "b.png", striped_image(6, 2));
  const Outcome text = workshop.gradatim({"predict", "run", "a.png", "b.png"});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_CONTAINS(text.out, "a.png: ");
  EXPECT_CONTAINS(text.out, "b.png: ");
  EXPECT_CONTAINS(text.out, "█");
  const auto json = workshop.gradatim({"predict", "run", "a.png", "b.png", "--json"}).json();
  ASSERT_EQ(json["predictions"].size(), 2U);
  for (const auto& prediction : json["predictions"]) {
    double sum = 0;
    for (const auto& guess : prediction["probabilities"]) sum += guess["probability"].get<double>();
    EXPECT_NEAR(sum, 1, 1e-5);
    EXPECT_EQ(prediction["probability"], prediction["probabilities"][0]["probability"]);
  }
}

// The model file alone says all that prediction needs: no recipe, no data.
TEST(PredictCommand, NeedsTheModelFileOnly) {
  const Workshop& workshop = trained();
  write_png(workshop / "a.png", striped_image(6, 1));
  std::filesystem::copy_file(workshop / "run/model.safetensors", workshop / "m.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(
      workshop.gradatim({"predict", "m.safetensors", "a.png", "--json"}).json()["predictions"],
      workshop.gradatim({"predict", "run", "a.png", "--json"}).json()["predictions"]);
}

// To the bits of the folded network, which are not those of the network itself.
TEST(PredictCommand, FoldsBatchNormalisations) {
  const Workshop workshop;
  const std::string layers =
      R"(layers=[{ kind = "dense", units = 12, weight = "he" }, "batch_norm", "tanh", { kind = "dense", units = 10, weight = "xavier" }])";
  ASSERT_EQ(workshop.train({"--out", "run", "--steps", "3", "--set", layers}).exit_code, 0);
  const ByteTensor image = striped_image(6, 1);
  write_png(workshop / "a.png", image);
  const auto guesses = workshop.gradatim({"predict", "run", "a.png", "--json"})
                           .json()["predictions"][0]["probabilities"];

  Model model = load_model(workshop / "run/model.safetensors");
  model.network.layers.emplace_back(Softmax{});
  const auto theta = model.parameters.theta();
  const FoldedNetwork folded = fold_batch_norm(model.network, theta);
  ASSERT_EQ(folded.network.layers.size(), model.network.layers.size() - 1);
  const Tensor pixels = normalize(image);
  const ConstTensorView row = pixels.view().reshaped({1, 36});
  const Tensor expected = predict(folded.network, folded.theta, row);
  const Tensor unfolded = predict(model.network, theta, row);
  EXPECT_NE(expected, unfolded);
  for (const auto& guess : guesses) {
    const auto name = std::ranges::find(model.class_names, guess["class"].get<std::string>());
    const auto at = static_cast<std::size_t>(name - model.class_names.begin());
    EXPECT_EQ(guess["probability"].get<float>(), expected.values()[at]);
    EXPECT_NEAR(guess["probability"].get<float>(), unfolded.values()[at], 1e-5);
  }
}

TEST(PredictCommand, NamesTheImageThatIsBad) {
  const Workshop& workshop = trained();
  write_file(workshop / "bad.png", "no image at all, but long enough to be one");
  const auto refusal = [&](const std::vector<std::string>& arguments) {
    const Outcome outcome = workshop.gradatim(arguments);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_CONTAINS(refusal({"predict", "run", "bad.png"}), "gradatim: read bad.png: not a readable");
  EXPECT_EQ(refusal({"predict", "run", "none.png"}),
            "gradatim: read none.png: No such file or directory\n");
  EXPECT_CONTAINS(refusal({"predict", "nowhere", "bad.png"}), "run nowhere: no such folder");
  EXPECT_CONTAINS(refusal({"predict", "bad.png.safetensors", "bad.png"}), "No such file");
}

// Weights so large that sums of theirs overflow: the files are good, their answers are not.
TEST(EvalCommand, RefusesAnswersThatAreNotFinite) {
  const Workshop& workshop = trained();
  std::filesystem::create_directory(workshop / "overflowing");
  std::filesystem::copy(workshop / "run/recipe.toml", workshop / "overflowing/recipe.toml");
  Model model = load_model(workshop / "run/model.safetensors");
  std::ranges::fill(model.parameters.theta(), 3e38F);
  save_model(workshop / "overflowing/model.safetensors", model);
  write_png(workshop / "bright.png", striped_image(6, 1));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"eval", "overflowing", "--data-dir", "data"},
        std::vector<std::string>{"predict", "overflowing", "bright.png"}}) {
    const Outcome outcome = workshop.gradatim(words);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.out;
    EXPECT_CONTAINS(outcome.err, words[0] +
                                     ": overflowing answers with values that are not finite; its "
                                     "training has diverged");
  }
}

TEST(DoctorCommand, SaysWhatThereIs) {
  const Workshop& workshop = trained();
  const auto json = workshop.gradatim({"doctor", "--data-dir", "data", "--json"}).json();
  for (const auto* key : {"version", "cpu", "cpu_features", "highway_target", "matrix_unit",
                          "usable_cores", "libraries", "data"})
    EXPECT_TRUE(json.contains(key)) << key;
  for (const auto* library : {"Highway", "zlib", "libcurl", "OpenSSL", "gnuplot"})
    EXPECT_TRUE(json["libraries"].contains(library)) << library;
  EXPECT_EQ(json["data"]["mnist"], "data");
  EXPECT_EQ(workshop.gradatim({"doctor"}).exit_code, 0);
}

TEST(DoctorCommand, PrintsThePlanOfARecipe) {
  const Workshop& workshop = trained();
  const auto plan = workshop.gradatim({"doctor", "two-layer", "--json"}).json();
  EXPECT_EQ(plan["recipe"], "two-layer");
  EXPECT_EQ(plan["parameters"], 39760);
  ASSERT_EQ(plan["layers"].size(), 3U);
  EXPECT_EQ(plan["layers"][0]["layer"], "layer 1 (dense)");
  EXPECT_EQ(plan["layers"][0]["flops_per_sample"], 78400);
  EXPECT_EQ(plan["layers"][1]["buffer"], 1);  // sigmoid works in place
  EXPECT_EQ(plan["peak_bytes"],
            plan["workspace_bytes"].get<std::size_t>() + std::size_t{2} * 4 * 39760 +
                plan["threads"].get<std::size_t>() * plan["thread_bytes"].get<std::size_t>());
  // Dense layers keep nothing but the tiles of bytes.
  EXPECT_EQ(plan["thread_bytes"] != 0, kernels::amx::available());
  const auto images = workshop.gradatim({"doctor", "simple-convnet", "--json"}).json();
  // In the order they run in, by their place in the recipe.
  EXPECT_EQ(images["layers"][1]["layer"], "layer 3 (max_pool2d)");
  EXPECT_EQ(images["layers"][2]["layer"], "layer 2 (relu)");
  const auto bytes = [&](const char* key) { return images[key].get<std::size_t>(); };
  EXPECT_GT(bytes("thread_bytes"), 10'000U);
  EXPECT_EQ(bytes("peak_bytes"), bytes("workspace_bytes") + 4 * bytes("parameter_bytes") +  // Adam
                                     bytes("threads") * bytes("thread_bytes"));
  const auto larger = workshop
                          .gradatim({"doctor", "two-layer", "--json", "--batch", "200", "--set",
                                     "optimizer.kind=momentum", "--set", "average.decay=0.9"})
                          .json();
  EXPECT_EQ(larger["batch"], 200);
  EXPECT_EQ(larger["state_bytes"], 2 * 4 * 39760);
  EXPECT_GT(larger["workspace_bytes"], plan["workspace_bytes"]);
  const auto in_parts =
      workshop.gradatim({"doctor", "two-layer", "--json", "--set", "accumulation=2"}).json();
  EXPECT_EQ(in_parts["state_bytes"], plan["state_bytes"].get<std::size_t>() + 4 * 39760)
      << "the gradient of the parts before";
  EXPECT_EQ(workshop.gradatim({"doctor", "--batch", "200"}).exit_code, 2);
  const auto of_a_run = workshop.gradatim({"doctor", "run", "--json"}).json();
  const auto of_its_recipe = workshop.gradatim({"doctor", "run/recipe.toml", "--json"}).json();
  EXPECT_EQ(of_a_run["layers"], of_its_recipe["layers"]);
  std::filesystem::create_directory(workshop / "two-layer");
  EXPECT_EQ(workshop.gradatim({"doctor", "two-layer"}).exit_code, 0) << "no run, though a folder";
  const Outcome text = workshop.gradatim({"doctor", "two-layer"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_CONTAINS(text.out, "layer 2 (sigmoid)");
  EXPECT_EQ(workshop.gradatim({"doctor", "no-such-recipe"}).exit_code, 2);
}

TEST(DataCommand, ListsWhereDataAre) {
  const auto json = trained().gradatim({"data", "list", "--data-dir", "data", "--json"}).json();
  EXPECT_EQ(json["datasets"].size(), catalogue().size() + generated_datasets().size());
}

}  // namespace
}  // namespace gradatim
