#include "gradatim/train/run_folder.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "gradatim/io/file.hpp"
#include "support/datasets.hpp"
#include "support/errors.hpp"
#include "support/full_disk.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

Recipe sample_recipe() {
  Recipe recipe;
  recipe.name = "stripes";
  recipe.data = "striped";
  recipe.network = Network({36}, {Dense{12, Xavier{}}, Tanh{}, Dense{4, Xavier{}}});
  recipe.options.optimizer = Sgd{0.5F};
  recipe.options.batch = 20;
  recipe.options.steps = 45;
  return recipe;
}

TrainResult trained(const Recipe& recipe, const Dataset& data, TrainObserver* observer) {
  return train(recipe.network, data, recipe.options, observer);
}

// The cells of a CSV file without quotes.
std::vector<std::vector<std::string>> cells_of(const std::filesystem::path& path) {
  std::istringstream text(read_file(path));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(text, line);) {
    rows.emplace_back(1);
    for (const char c : line)
      if (c == ',')
        rows.back().emplace_back();
      else
        rows.back().back() += c;
  }
  return rows;
}

// Keeps all that it is told, and throws at a step if asked to.
struct Witness final : TrainObserver {
  explicit Witness(std::size_t last = SIZE_MAX) : last_step(last) {}
  bool on_step(const StepRecord& record) override {
    if (record.step == last_step) throw std::runtime_error("killed");
    steps.push_back(record);
    return true;
  }
  void on_epoch(const EpochRecord& record) override { epochs.push_back(record); }

  std::size_t last_step;
  std::vector<StepRecord> steps;
  std::vector<EpochRecord> epochs;
};

TEST(RunFolder, HoldsAllThatTheRunWas) {
  const test::TemporaryFolder folder;
  const Recipe recipe = sample_recipe();
  const Dataset data = test::striped_dataset();
  RunRecorder recorder(folder.path(), recipe, data);
  EXPECT_EQ(read_recipe(folder / "recipe.toml"), recipe);  // before the first step
  const TrainResult result = trained(recipe, data, &recorder);
  const RunSummary summary = recorder.finish(result);
  EXPECT_TRUE(recorder.notes().empty());

  const SavedRun run = load_run(folder.path());
  EXPECT_EQ(run.recipe, recipe);
  EXPECT_EQ(run.model.network, recipe.network);
  EXPECT_EQ(run.model.class_names, data.class_names);
  EXPECT_EQ(parameters_sha256(run.model.parameters.theta()), summary.parameters_sha256);

  const auto json = nlohmann::json::parse(read_file(folder / "summary.json"));
  EXPECT_EQ(json, nlohmann::json::parse(to_json(summary)));
  EXPECT_EQ(json["recipe"], "stripes");
  EXPECT_EQ(json["data"], "striped");
  EXPECT_EQ(json["stopped"], "steps_done");
  EXPECT_EQ(json["steps"], 45);
  EXPECT_EQ(json["parameters"], 36 * 12 + 12 + 12 * 4 + 4);
  EXPECT_EQ(json["test_accuracy"], result.test.accuracy);
  EXPECT_EQ(json["run"], folder.path().string());
  if (!gnuplot_version().empty()) {
    EXPECT_TRUE(std::filesystem::exists(folder / "curves.svg"));
    EXPECT_TRUE(std::filesystem::exists(folder / "curves.png"));
  }
}

TEST(RunFolder, MetricsAreWhatTheObserverWasTold) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  Recipe recipe = sample_recipe();
  recipe.options.optimizer = Sgd{0.02F};  // slow: training and test accuracy are not both 1 yet
  RunRecorder recorder(folder.path(), recipe, data);
  Witness witness;
  ObserverList both{&recorder, &witness};
  recorder.finish(trained(recipe, data, &both));
  const auto rows = cells_of(folder / "metrics.csv");
  ASSERT_EQ(rows.size(), 1 + 45U);
  ASSERT_EQ(witness.steps.size(), 45U);
  ASSERT_EQ(witness.epochs.size(), 3U);
  EXPECT_EQ(rows[0],
            (std::vector<std::string>{"step", "epoch", "loss", "train_accuracy", "test_accuracy"}));
  auto epoch = witness.epochs.begin();
  for (std::size_t i = 0; i < 45; ++i) {
    const auto& row = rows[i + 1];
    ASSERT_EQ(row.size(), 5U);
    EXPECT_EQ(row[0], std::to_string(i + 1));
    EXPECT_EQ(std::stod(row[2]), witness.steps[i].loss) << i;
    if (epoch != witness.epochs.end() && epoch->step == i + 1) {
      EXPECT_NE(epoch->train.accuracy, epoch->test.accuracy);  // or they might be exchanged
      EXPECT_EQ(row[1], std::to_string(epoch->epoch));
      EXPECT_EQ(std::stod(row[3]), epoch->train.accuracy);
      EXPECT_EQ(std::stod(row[4]), epoch->test.accuracy);
      ++epoch;
    } else {
      EXPECT_EQ(row[1] + row[3] + row[4], "") << i;
    }
  }
  EXPECT_EQ(epoch, witness.epochs.end());
}

TEST(RunFolder, HoldsTheModelOfTheLastEpochWhateverEndsTheRun) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  RunRecorder recorder(folder.path(), sample_recipe(), data);
  Witness witness(30);  // the epochs end at 20, 40 and 45
  ObserverList both{&recorder, &witness};
  EXPECT_THROW(trained(sample_recipe(), data, &both), std::runtime_error);
  Recipe epoch = sample_recipe();
  epoch.options.steps = 20;
  const SavedRun run = load_run(folder.path());
  EXPECT_EQ(parameters_sha256(run.model.parameters.theta()),
            parameters_sha256(trained(epoch, data, nullptr).parameters.theta()));
  EXPECT_EQ(run.model.class_names, data.class_names);
  EXPECT_FALSE(std::filesystem::exists(folder / "summary.json"));
}

TEST(RunFolder, SavesTheModelBeforeItReportsThatMetricsFail) {
  const Dataset data = test::striped_dataset();
  Recipe recipe = sample_recipe();
  // A checkpoint fits, the rows don't: at an epoch's end, and within the first of 200,000 steps,
  // when the rows no longer fit memory.
  for (const auto& [batch, bytes] : {std::pair{20U, 12'000U}, std::pair{1U, 20'000U}}) {
    const test::TemporaryFolder folder;
    recipe.options.batch = batch;
    recipe.options.steps = 200'000;
    Dataset many = data;
    if (batch == 1) many.train = test::striped_split(200'000, 1);
    const std::string message = [&] {
      const test::FullDisk full(bytes);
      return message_of<DataError>([&] {
        RunRecorder recorder(folder.path(), recipe, many);
        recorder.finish(trained(recipe, many, &recorder));
      });
    }();
    EXPECT_EQ(message, "write " + (folder / "metrics.csv").string() + ": File too large");
    EXPECT_NO_THROW(load_run(folder.path())) << batch;
  }
}

TEST(RunFolder, IsCompleteAlsoWhereTheParametersAreNot) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  RunRecorder recorder(folder.path(), sample_recipe(), data);
  TrainResult result = trained(sample_recipe(), data, &recorder);
  EXPECT_TRUE(recorder.notes().empty());
  result.parameters["dense2.bias"].values()[3] = NAN;
  recorder.finish(result);
  ASSERT_EQ(recorder.notes().size(), gnuplot_version().empty() ? 2U : 1U);
  EXPECT_EQ(recorder.notes()[0],
            "model.safetensors holds values that are not finite: it can't be loaded");
  EXPECT_TRUE(std::filesystem::exists(folder / "summary.json"));
  EXPECT_CONTAINS(message_of<DataError>([&] { load_run(folder.path()); }),
                  "model.safetensors: tensor 'dense2.bias': expected finite values, got nan at 3");
}

TEST(RunFolder, IsCompleteWithoutGnuplotAndSaysSo) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  RunRecorder recorder(folder.path(), sample_recipe(), data);
  recorder.finish(trained(sample_recipe(), data, &recorder), "/no/gnuplot");
  ASSERT_EQ(recorder.notes().size(), 1U);
  EXPECT_EQ(recorder.notes()[0],
            "no curves were drawn: run /no/gnuplot: No such file or directory");
  EXPECT_TRUE(std::filesystem::exists(folder / "summary.json"));
  EXPECT_FALSE(std::filesystem::exists(folder / "curves.svg"));
}

TEST(RunFolder, ReplayingItsRecipeGivesTheSameParameters) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  RunRecorder recorder(folder.path(), sample_recipe(), data);
  const TrainResult first = trained(sample_recipe(), data, &recorder);
  const TrainResult again = trained(read_recipe(folder / "recipe.toml"), data, nullptr);
  EXPECT_EQ(parameters_sha256(first.parameters.theta()),
            parameters_sha256(again.parameters.theta()));
  Recipe other = sample_recipe();
  other.options.seed = 2;
  EXPECT_NE(parameters_sha256(trained(other, data, nullptr).parameters.theta()),
            parameters_sha256(first.parameters.theta()));
}

TEST(RunFolder, RecordsARunThatDiverges) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  Recipe recipe = sample_recipe();
  recipe.options.optimizer = Sgd{1e38F};
  RunRecorder recorder(folder.path(), recipe, data);
  recorder.finish(trained(recipe, data, &recorder));
  const auto json = nlohmann::json::parse(read_file(folder / "summary.json"));
  EXPECT_EQ(json["stopped"], "non_finite");
  EXPECT_CONTAINS(json["message"].get<std::string>(), "step ");
}

TEST(RunFolder, NamesTheFileOnAFullDisk) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  const auto write_run = [&](const std::filesystem::path& path, rlim_t bytes) {
    std::filesystem::create_directory(path);
    const test::FullDisk full(bytes);
    return message_of<DataError>([&] {
      RunRecorder recorder(path, sample_recipe(), data);
      recorder.finish(trained(sample_recipe(), data, &recorder));
    });
  };
  EXPECT_EQ(write_run(folder / "a", 40),
            "write " + (folder / "a/recipe.toml").string() + ": File too large");
  EXPECT_EQ(write_run(folder / "b", 2000),
            "write " + (folder / "b/model.safetensors").string() + ": File too large");
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path()))
    EXPECT_NE(file.path().extension(), ".tmp") << file.path();
}

TEST(RunFolder, IsNumberedAndNeverOverwritten) {
  const test::TemporaryFolder folder;
  const auto runs = folder / "a/runs";
  EXPECT_EQ(create_numbered_run_folder(runs, "two-layer"), runs / "two-layer-1");
  EXPECT_EQ(create_numbered_run_folder(runs, "two-layer"), runs / "two-layer-2");
  EXPECT_EQ(create_numbered_run_folder(runs, "../x y\n"), runs / "-x-y--1");
  EXPECT_EQ(create_numbered_run_folder(runs, ".."), runs / "run-1");
  EXPECT_EQ(create_run_folder(folder / "b/c"), folder / "b/c");
  EXPECT_EQ(create_run_folder(folder / "b/c"), folder / "b/c");  // still empty
  write_file(folder / "b/c/x", "");
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { create_run_folder(folder / "b/c"); }),
                  "is not empty, and nothing in it is overwritten");
  EXPECT_CONTAINS(message_of<Error>([&] { create_run_folder(folder / "b/c/x"); }), "b/c/x");
  EXPECT_CONTAINS(message_of<DataError>([&] { create_run_folder(folder / "b/c/x/y"); }),
                  "Not a directory");
  EXPECT_CONTAINS(message_of<DataError>([&] { create_numbered_run_folder("/proc/no", "x"); }),
                  "/proc/no");
}

TEST(LoadRun, NamesWhatIsMissingOrBad) {
  const test::TemporaryFolder folder;
  EXPECT_CONTAINS(message_of<DataError>([&] { load_run(folder / "none"); }), "no such folder");
  EXPECT_CONTAINS(message_of<DataError>([&] { load_run(folder.path()); }),
                  "no run, it has no recipe.toml");
  write_file(folder / "recipe.toml", to_toml(sample_recipe()));
  EXPECT_CONTAINS(message_of<DataError>([&] { load_run(folder.path()); }),
                  "model.safetensors: No such file");
  const Network wider({36}, {Dense{13}, Tanh{}, Dense{4}});
  save_model(folder / "model.safetensors", {wider, initialize(wider, 1), {}});
  EXPECT_CONTAINS(message_of<DataError>([&] { load_run(folder.path()); }),
                  "tensor 'dense1.weight': expected shape (36, 12), got (36, 13)");
  Network relu = sample_recipe().network;
  relu.layers[1] = Relu{};
  save_model(folder / "model.safetensors", {relu, initialize(relu, 1), {}});
  EXPECT_CONTAINS(message_of<DataError>([&] { load_run(folder.path()); }),
                  "holds another network than recipe.toml");
}

TEST(RunSummary, IsJsonWhateverItHolds) {
  RunSummary summary;
  summary.recipe = "a\"b\n\xff";
  summary.train_loss = NAN;
  const auto json = nlohmann::json::parse(to_json(summary));
  EXPECT_TRUE(json["train_loss"].is_null());
  EXPECT_EQ(to_json(summary).find('\n'), std::string::npos);
}

struct Voter : TrainObserver {
  explicit Voter(bool v) : vote(v) {}
  bool on_step(const StepRecord&) override {
    ++steps;
    return vote;
  }
  void on_epoch(const EpochRecord&) override { ++epochs; }
  bool vote;
  int steps = 0;
  int epochs = 0;
};

TEST(ObserverList, TellsAllAndStopsIfOneSaysSo) {
  Voter no(false);
  Voter yes(true);
  ObserverList both{&no, &yes};
  EXPECT_FALSE(both.on_step({}));
  both.on_epoch({});
  EXPECT_EQ(yes.steps, 1);
  EXPECT_EQ(no.epochs + yes.epochs, 2);
  ObserverList one{&yes};
  EXPECT_TRUE(one.on_step({}));
}

}  // namespace
}  // namespace gradatim
