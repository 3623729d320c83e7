#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "app/command.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/io/plot.hpp"
#include "gradatim/train/recipe.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::Outcome;
using test::Workshop;

Outcome search(const Workshop& workshop, const std::vector<std::string>& more) {
  std::vector<std::string> words{"search", "--data-dir", "data", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  return workshop.gradatim(words);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

const std::vector<std::string> kNineTrials{"tiny",
                                           "--set",
                                           "optimizer.learning_rate=log(1e-5,1)",
                                           "--set",
                                           "layers.0.units=int(4,16)",
                                           "--set",
                                           "steps=90",
                                           "--trials",
                                           "9"};

// One validation sample has no r2.
TEST(SearchCommand, NamesNoBestWithoutAScore) {
  const Workshop workshop;
  const Outcome outcome =
      workshop.gradatim({"search", "friedman1", "--set", "optimizer.learning_rate=log(1e-3,1e-1)",
                         "--set", "validation.fraction=0", "--set", "validation.count=1",
                         "--trials", "3", "--steps", "9", "--json", "--out", "found"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(outcome.json()["best"].is_null());
  EXPECT_FALSE(std::filesystem::exists(workshop / "found/best.toml"));
}

TEST(SearchCommand, TrainsFewerTrialsWhereThereAreNoMoreCombinations) {
  const Workshop workshop;
  const Outcome outcome = search(workshop, {"tiny", "--set", "layers.0.units=choice(4,8,16)",
                                            "--set", "steps=30", "--trials", "9"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["trials"], 3);
  EXPECT_NE(outcome.err.find("3 trials, not 9"), std::string::npos) << outcome.err;
  if (!gnuplot_version().empty()) {  // a choice has its names for numbers
    const std::string picture = read_file(workshop / "searches/tiny-1/search.svg");
    for (const char* text : {"trial 1", "trial 2", "layers.0.units", ">16<"})
      EXPECT_NE(picture.find(text), std::string::npos) << text;
  }
}

TEST(SearchCommand, SaysThatItsDescriptionIsDamaged) {
  const Workshop workshop;
  ASSERT_EQ(search(workshop, {"tiny", "--set", "layers.0.units=choice(4,8)", "--set", "steps=9",
                              "--trials", "2", "--out", "found"})
                .exit_code,
            0);
  const std::string good = read_file(workshop / "found/search.json");
  const auto refusal = [&](const std::string& text) {
    write_file(workshop / "found/search.json", text);
    const Outcome outcome =
        workshop.gradatim({"search", "--resume", "found", "--data-dir", "data"});
    EXPECT_EQ(outcome.exit_code, 2);
    return outcome.err;
  };
  EXPECT_CONTAINS(refusal(good.substr(0, good.size() / 2)), "search.json: it is damaged");
  std::string negative = good;
  negative.replace(negative.find("\"trials\": 2"), 11, "\"trials\": -3");
  EXPECT_CONTAINS(refusal(negative), "expected a whole number of trials, got -3");
}

TEST(SearchCommand, FindsALearningRateThatLearnsAndLeavesItsRecipe) {
  const Workshop workshop;
  const Outcome outcome = search(workshop, kNineTrials);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = outcome.json();
  EXPECT_EQ(json["trials"], 9);
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["search"], "searches/tiny-1");
  EXPECT_EQ(json["best"]["steps"], 90);
  EXPECT_GT(json["best"]["score"].get<double>(), 0.5);
  const double rate =
      std::stod(json["best"]["settings"]["optimizer.learning_rate"].get<std::string>());
  EXPECT_GT(rate, 0.01);  // those below learn nothing in 90 steps

  const auto table = lines_of(read_file(workshop / "searches/tiny-1/trials.csv"));
  ASSERT_EQ(table.size(), 10U);
  EXPECT_EQ(table[0], "trial,steps,score,optimizer.learning_rate,layers.0.units,failure");
  const auto with_steps = [&](const std::string& steps) {  // the second column
    return std::ranges::count_if(table, [&](const std::string& line) {
      return line.substr(line.find(',') + 1).starts_with(steps + ",");
    });
  };
  EXPECT_EQ(with_steps("10"), 6);
  EXPECT_EQ(with_steps("30"), 2);
  EXPECT_EQ(with_steps("90"), 1);

  const auto best =
      workshop.gradatim({"train", "searches/tiny-1/best.toml", "--data-dir", "data", "--json"})
          .json();
  EXPECT_EQ(best["validation_accuracy"], json["best"]["score"]);  // to the same bits
  EXPECT_TRUE(std::filesystem::exists(workshop / "searches/tiny-1/search.png"));
}

TEST(SearchCommand, IsTheSameForAnyThreadsAndAfterAnInterruption) {
  const Workshop workshop;
  const auto table = [&](const char* folder) {
    return read_file(workshop / folder / "trials.csv");
  };
  const auto run = [&](const char* folder, const char* threads) {
    std::vector<std::string> words = kNineTrials;
    words.insert(words.end(), {"--out", folder, "--threads", threads});
    return search(workshop, words);
  };
  ASSERT_EQ(run("one", "1").exit_code, 0);
  ASSERT_EQ(run("three", "3").exit_code, 0);
  EXPECT_EQ(table("one"), table("three"));

  std::vector<std::string> words = kNineTrials;
  words.insert(words.end(), {"--out", "cut", "--budget", "1ms"});
  EXPECT_EQ(search(workshop, words).exit_code, 2);  // no unit of ours
  words.back() = "0.000001s";
  const Outcome cut = search(workshop, words);
  EXPECT_EQ(cut.exit_code, 0) << cut.err;
  EXPECT_EQ(cut.json()["complete"], false);
  EXPECT_CONTAINS(cut.err, "gradatim search --resume cut goes on");
  EXPECT_NE(table("cut"), table("one"));
  const Outcome resumed = search(workshop, {"--resume", "cut"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(table("cut"), table("one"));
}

TEST(SearchCommand, GoesOnAfterAKill) {
  const Workshop workshop;
  std::vector<std::string> words = kNineTrials;
  words.insert(words.end(), {"--out", "whole"});
  ASSERT_EQ(search(workshop, words).exit_code, 0);
  std::vector<std::string> killed = kNineTrials;
  killed.insert(killed.end(), {"--out", "killed", "--data-dir", "data", "--threads", "1"});
  killed.insert(killed.begin(), "search");
  const auto in_the_midst = [&] {
    if (std::filesystem::exists(workshop / "killed/trials.csv")) return false;
    for (int trial = 1; trial <= 9; ++trial)
      if (const auto folder = workshop / "killed/trials" / std::to_string(trial) / "checkpoints";
          std::filesystem::exists(folder) && !std::filesystem::is_empty(folder))
        return true;
    return false;
  };
  for (double seconds = 0.02; !in_the_midst() && seconds < 60; seconds *= 1.1) {
    std::filesystem::remove_all(workshop / "killed");
    workshop.gradatim_under({"timeout", "-s", "KILL", std::to_string(seconds)}, killed);
  }
  ASSERT_TRUE(in_the_midst());
  write_file(workshop / "killed/.search.png.1-0.tmp", "cut");
  const Outcome resumed = search(workshop, {"--resume", "killed"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(read_file(workshop / "killed/trials.csv"), read_file(workshop / "whole/trials.csv"));
  EXPECT_FALSE(std::filesystem::exists(workshop / "killed/.search.png.1-0.tmp"));
}

TEST(SearchCommand, OptionsStandForKeysAsTheyDoForTrain) {
  const Workshop workshop;
  std::filesystem::rename(workshop / "data", workshop / "elsewhere");
  write_file(workshop / "points.csv", [] {
    std::string rows = "x,y\n";
    for (int i = 0; i < 60; ++i)
      rows += std::to_string(i % 7) + "," + std::to_string(2 * (i % 7)) + "\n";
    return rows;
  }());
  write_file(workshop / "recipes/line.toml",
             "data = \"mnist\"\ninput = [1]\nlayers = [{ kind = \"dense\", units = 1 }]\n"
             "loss = \"mean_squared_error\"\ntable = { targets = [\"y\"] }\n");
  const std::vector<std::string> words{"line",
                                       "--data",
                                       "points.csv",
                                       "--steps",
                                       "12",
                                       "--batch",
                                       "7",
                                       "--trials",
                                       "2",
                                       "--out",
                                       "lines",
                                       "--set",
                                       "optimizer.learning_rate=log(0.01,0.1)"};
  const Outcome outcome = search(workshop, words);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["data"], "points.csv");
  const Recipe best = read_recipe(workshop / "lines/best.toml");
  EXPECT_EQ(best.options.steps, 12U);
  EXPECT_EQ(best.options.batch, 7U);

  EXPECT_CONTAINS(workshop.shell("flock lines \"$GRADATIM\" search --resume lines").err,
                  "lines is in use by another process");

  write_file(workshop / "points.csv", read_file(workshop / "points.csv") + "3,6\n");
  const Outcome other = search(workshop, {"--resume", "lines"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_CONTAINS(other.err, "are not those that the search began with");
  EXPECT_CONTAINS(search(workshop, {"--resume", "lines", "--steps", "3"}).err, "excludes");
}

TEST(SearchCommand, ATrialThatDivergesOrDoesNotFitIsAFailureAndNotTheEnd) {
  const Workshop workshop;
  const Outcome outcome = search(workshop, {"tiny", "--set", "layers.2.units=choice(10,3)", "--set",
                                            "steps=9", "--trials", "8"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["best"]["settings"]["layers.2.units"], "10");
  EXPECT_CONTAINS(read_file(workshop / "searches/tiny-1/trials.csv"), "10 classes");
  EXPECT_CONTAINS(outcome.err, " failed: ");
  EXPECT_CONTAINS(outcome.err, "'mnist' has 10 classes, the network 3 outputs");
}

TEST(SearchCommand, AnErrorOfATrialIsSaidOnce) {
  const Workshop workshop;
  EXPECT_CONTAINS(search(workshop, {"tiny", "--set", "batch=choice(a,b)"}).err,
                  "gradatim: trial 1: batch=");
}

TEST(SearchCommand, AdviceQuotesAFolderThatNeedsIt) {
  const Workshop workshop;
  std::vector<std::string> words = kNineTrials;
  words.insert(words.end(), {"--out", "se 1", "--budget", "0.000001s"});
  EXPECT_CONTAINS(search(workshop, words).err, "gradatim search --resume 'se 1' goes on");
}

TEST(SearchCommand, RunsAndSearchesAreToldApart) {
  const Workshop workshop;
  ASSERT_EQ(workshop.train({"--out", "run", "--steps", "2"}).exit_code, 0);
  EXPECT_CONTAINS(search(workshop, {"--resume", "run"}).err, "it is a run, which `train --resume`");
  ASSERT_EQ(search(workshop, {"tiny", "--set", "batch=int(5,9)", "--trials", "2", "--steps", "2",
                              "--out", "all found"})
                .exit_code,
            0);
  EXPECT_CONTAINS(workshop.gradatim({"train", "--resume", "all found", "--data-dir", "data"}).err,
                  "it is a search: `gradatim search --resume 'all found'` goes on, and `gradatim "
                  "train 'all found/best.toml'` trains the best it has found");
}

TEST(SearchCommand, WithoutAScoreThereIsNoBest) {
  const Workshop workshop;
  const Outcome outcome =
      search(workshop, {"tiny", "--set", "layers.2.units=int(3,9)", "--trials", "3"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(outcome.json()["best"].is_null()) << outcome.out;
}

TEST(SearchCommand, WrongInputIsRefusedBeforeAnythingIsTrained) {
  const Workshop workshop;
  const auto refused = [&](const std::vector<std::string>& words, std::string_view why) {
    const Outcome outcome = search(workshop, words);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_CONTAINS(outcome.err, why);
    EXPECT_FALSE(std::filesystem::exists(workshop / "searches"));
  };
  refused({"tiny"}, "nothing to search");
  refused({}, "expected a recipe, or the folder of a search to --resume");
  refused({"tiny", "--set", "optimizer.lerning_rate=log(1e-4,1)"}, "learning_rate");
  refused({"tiny", "--set", "batch=uniform(1,2)"}, "batch");
  refused({"tiny", "--set", "batch=choice(5,4000000000)"}, "batch=4000000000: tiny: a step of 4");
  refused({"tiny", "--set", "batch=int(5,1)"}, "expected int(LOW, HIGH)");
  refused({"tiny", "--set", "seed=int(1,9)", "--trials", "0"}, "--trials");
  refused({"tiny", "--set", "seed=int(1,9)"}, "'seed=int(1,9)' can't be searched");
  refused({"tiny", "--set", "validation.fraction=uniform(0.1,0.5)"}, "can't be searched");
  refused({"tiny", "--set", "valid.fraction=uniform(0.1,0.5)"}, "can't be searched");
  refused({"tiny", "--set", "'seed'\t=int(1,9)"}, "can't be searched");
  refused({"tiny", "--set", "\"s\\u0065ed\"=int(1,9)"}, "can't be searched");
  refused({"tiny", "--batch", "7", "--set", "batch=int(1,9)"}, "'batch' is given twice");
  refused({"tiny", "--set", "batch=int(1,9)", "--budget=-3s"}, "--budget: expected more than 0 s");
  refused({"tiny", "--set", "batch=int(1,9)", "--out", "recipes"},
          "the folder recipes is not empty");
  refused({"--resume", "recipes"}, "search.json");
  refused({"--resume", "nowhere"}, "search nowhere: no such folder");
  refused({"tiny", "--data", "discs", "--set", "batch=int(5,9)"},
          "expects inputs of shape (36), a sample of 'discs' has shape (2)");
  refused({"tiny", "--set", "batch=int(5,9)", "--seed", "-1"}, "expected 0 or more, got -1");
  refused({"tiny", "--resume", "recipes"}, "expected a recipe, or the folder");
  refused({"tiny", "--resume", "recipes"}, ", not both");
}

}  // namespace
}  // namespace gradatim
