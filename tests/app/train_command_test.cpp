#include <gtest/gtest.h>

#include <chrono>

#include "app/command.hpp"
#include "gradatim/data/catalogue.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/run_folder.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::Outcome;
using test::Workshop;

TEST(TrainCommand, LeavesACompleteRunAndSaysWhatItCameTo) {
  const Workshop workshop;
  const Outcome outcome = workshop.train();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = outcome.json();
  EXPECT_EQ(json["recipe"], "tiny");
  EXPECT_EQ(json["data"], "mnist");
  EXPECT_EQ(json["steps"], 50);
  EXPECT_GT(json["seconds"].get<double>(), 0);
  EXPECT_GT(json["steps_per_second"].get<double>(), 0);
  EXPECT_GT(json["train_loss"].get<double>(), 0);
  EXPECT_GT(json["train_accuracy"].get<double>(), 0.5);
  EXPECT_EQ(json["train_samples"], 400);
  EXPECT_GT(json["test_accuracy"].get<double>(), 0.5);
  EXPECT_EQ(json["parameters"], 37 * 12 + 13 * 10);
  EXPECT_EQ(json["parameters_sha256"].get<std::string>().size(), 64U);
  EXPECT_EQ(json["run"], "runs/tiny-1");
  EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1);  // nothing but the object
  for (const auto* file : {"recipe.toml", "metrics.csv", "model.safetensors", "summary.json"})
    EXPECT_TRUE(std::filesystem::exists(workshop / "runs/tiny-1" / file)) << file;
  EXPECT_EQ(nlohmann::json::parse(read_file(workshop / "runs/tiny-1/summary.json")), json);
  EXPECT_EQ(workshop.train().json()["run"], "runs/tiny-2");
}

TEST(TrainCommand, PipedPrintsALineAnEpochAndNoBar) {
  const Workshop workshop;
  const Outcome outcome = workshop.gradatim({"train", "tiny", "--data-dir", "data"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_CONTAINS(outcome.out, "epoch 1/3  step 20  loss ");
  EXPECT_CONTAINS(outcome.out, "epoch 3/3  step 50  loss ");
  EXPECT_CONTAINS(outcome.out, "tiny on mnist: 50 steps in ");
  EXPECT_CONTAINS(outcome.out, "  run             runs/tiny-1\n");
  EXPECT_EQ(outcome.out.find('\r'), std::string::npos);
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST(TrainCommand, ATerminalGetsABarWithRateLossAndTimeLeft) {
  const Workshop workshop;
  const Outcome outcome = workshop.shell(
      "script -qec true /dev/null >/dev/null 2>&1 || exit 77\n"
      "script -qec \"$GRADATIM train tiny --data-dir data --steps 3000\" /dev/null");
  if (outcome.exit_code == 77) GTEST_SKIP() << "script(1) can make no terminal here";
  ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_CONTAINS(outcome.out, "\r[");
  EXPECT_CONTAINS(outcome.out, "/3000  ");
  EXPECT_CONTAINS(outcome.out, " steps/s  loss ");
  EXPECT_CONTAINS(outcome.out, " left\x1b[K");
  EXPECT_CONTAINS(outcome.out, "epoch 150/150");
}

TEST(TrainCommand, ParametersAreTheSameForAnyNumberOfThreads) {
  const Workshop workshop;
  const auto sha = [&](const char* threads) {
    return workshop.train({"--threads", threads}).json()["parameters_sha256"].get<std::string>();
  };
  const std::string one = sha("1");
  for (const auto* threads : {"2", "3", "7"}) EXPECT_EQ(sha(threads), one) << threads;
}

TEST(TrainCommand, TheRunsRecipeReplaysIt) {
  const Workshop workshop;
  const auto first = workshop.train({"--seed", "9", "--lr", "0.25", "--epochs", "2"}).json();
  const auto again =
      workshop.gradatim({"train", "runs/tiny-1/recipe.toml", "--data-dir", "data", "--json"})
          .json();
  EXPECT_EQ(again["parameters_sha256"], first["parameters_sha256"]);
  EXPECT_EQ(again["recipe"], "tiny");
  EXPECT_EQ(read_file(workshop / "runs/tiny-1/recipe.toml"),
            read_file(workshop / "runs/tiny-2/recipe.toml"));
  EXPECT_NE(
      workshop.train({"--seed", "10", "--lr", "0.25", "--epochs", "2"}).json()["parameters_sha256"],
      first["parameters_sha256"]);
}

TEST(TrainCommand, OptionsEndUpInTheResolvedRecipe) {
  const Workshop workshop;
  const Outcome outcome = workshop.train({"--batch", "7", "--epochs", "2", "--lr", "1e-3", "--seed",
                                          "5", "--data", "mnist", "--set", "layers.1=relu", "--set",
                                          "optimizer.kind=momentum", "--out", "deep/er"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Recipe recipe = read_recipe(workshop / "deep/er/recipe.toml");
  EXPECT_EQ(recipe.options.batch, 7U);
  EXPECT_EQ(recipe.options.steps, 2U * 58U);
  EXPECT_EQ(recipe.epochs, 0U);
  EXPECT_EQ(recipe.options.seed, 5U);
  EXPECT_EQ(recipe.options.optimizer, Optimizer(Momentum{1e-3F, 0.9F}));
  EXPECT_EQ(recipe.network.layers[1], Layer(Relu{}));
}

TEST(TrainCommand, ASettingHasTheLastWordOverData) {
  const Workshop workshop;
  const Outcome outcome =
      workshop.train({"--data", "mnst", "--set", "data=mnist", "--steps", "1", "--out", "run"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(read_recipe(workshop / "run/recipe.toml").data, "mnist");
}

TEST(TrainCommand, ARecipeWhoseNameIsNotUtf8LeavesARunThatCanBeRead) {
  const Workshop workshop;
  std::filesystem::copy_file(workshop / "recipes/tiny.toml", workshop / "x\xFF.toml");
  const Outcome outcome =
      workshop.gradatim({"train", "x\xFF.toml", "--data-dir", "data", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["recipe"], "x\xEF\xBF\xBD");
  const Outcome evaluated =
      workshop.gradatim({"eval", outcome.json()["run"], "--data-dir", "data", "--json"});
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
}

// Twice in a millisecond: timeout signals the command and then its process group.
TEST(TrainCommand, CtrlCStopsAfterTheStepAndLeavesACompleteRun) {
  const Workshop workshop;
  for (const auto& [signal, exit_code] : {std::pair{"INT", 130}, std::pair{"TERM", 143}}) {
    const Outcome outcome = workshop.gradatim_under(
        {"timeout", "-k", "30", "--preserve-status", "-s", signal, "2"},
        {"train", "tiny", "--data-dir", "data", "--json", "--steps", "4000000000"});
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    const auto json = outcome.json();
    EXPECT_EQ(json["stopped"], "interrupted");
    EXPECT_GT(json["steps"].get<std::size_t>(), 0U);
    const std::string run = json["run"];
    EXPECT_EQ(nlohmann::json::parse(read_file(workshop / run / "summary.json")), json);
    const auto evaluated = workshop.gradatim({"eval", run, "--data-dir", "data", "--json"}).json();
    EXPECT_EQ(evaluated["parameters_sha256"], json["parameters_sha256"]);
    EXPECT_EQ(evaluated["accuracy"], json["test_accuracy"]);
  }
}

// Ctrl-C goes to the whole group of the command, and gnuplot can hang on it: this one always does.
TEST(TrainCommand, CtrlCWhileCurvesAreDrawnDoesNotReachGnuplot) {
  const Workshop workshop;
  const std::filesystem::path programs = workshop / "programs";
  std::filesystem::create_directory(programs);
  write_file(programs / "gnuplot",
             "#!/bin/sh\n"
             "trap 'sleep 1000' INT\n"
             "read -r _ _ _ _ group _ <\"/proc/$PPID/stat\"\n"
             "kill -s INT -- \"-$group\" && echo drawn >>drawn\n");
  std::filesystem::permissions(programs / "gnuplot", std::filesystem::perms::owner_all);
  // In a group of its own: `timeout`, hit too, would pass a second signal on, which ends a process.
  const Outcome outcome = workshop.gradatim_under(
      {"timeout", "30", "setsid", "--wait", "env", "PATH=" + programs.string() + ":/usr/bin:/bin"},
      {"train", "tiny", "--data-dir", "data", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["stopped"], "steps_done");
  EXPECT_EQ(read_file(workshop / "drawn", 100), "drawn\n");
}

TEST(TrainCommand, ATrainingThatFailsExitsWith1) {
  const Workshop workshop;
  const Outcome outcome = workshop.train({"--lr", "1e38"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_CONTAINS(outcome.err, "gradatim: training failed: step ");
  EXPECT_EQ(outcome.json()["stopped"], "non_finite");
  EXPECT_TRUE(std::filesystem::exists(workshop / "runs/tiny-1/summary.json"));
}

TEST(TrainCommand, WorksWithoutGnuplotAndSaysSo) {
  const Workshop workshop;
  const Outcome outcome =
      workshop.gradatim_under({"env", "PATH=/nowhere"}, {"train", "tiny", "--data-dir", "data"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err,
            "gradatim: no curves were drawn: run gnuplot: No such file or directory\n");
}

}  // namespace
}  // namespace gradatim
