#include <gtest/gtest.h>

#include <algorithm>

#include "app/command.hpp"
#include "gradatim/core/random.hpp"
#include "gradatim/io/file.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::Outcome;
using test::Workshop;

const std::vector<std::string> kRun{"train",
                                    "tiny",
                                    "--data-dir",
                                    "data",
                                    "--json",
                                    "--steps",
                                    "600",
                                    "--set",
                                    "optimizer.kind=adam",
                                    "--checkpoint-every",
                                    "45",
                                    "--out",
                                    "run"};
const std::vector<std::string> kResume{"train", "--resume", "run", "--data-dir", "data", "--json"};

struct Whole {
  Workshop workshop;
  nlohmann::json summary = workshop.gradatim(kRun).json();
  std::string metrics = read_file(workshop / "run/metrics.csv", 1U << 26U);
};

void expect_same(const Workshop& workshop, const nlohmann::json& summary, const Whole& whole) {
  EXPECT_EQ(summary["parameters_sha256"], whole.summary["parameters_sha256"]);
  EXPECT_EQ(summary["steps"], 600);
  EXPECT_EQ(summary["stopped"], "steps_done");
  EXPECT_EQ(read_file(workshop / "run/metrics.csv", 1U << 26U), whole.metrics);
}

// Goes on with the run, or begins it where nothing is there yet.
std::vector<std::string> next_arguments(const Workshop& workshop) {
  if (std::filesystem::exists(workshop / "run/recipe.toml")) return kResume;
  std::filesystem::remove_all(workshop / "run");
  return kRun;
}

// kill -9 at random times, in the midst of whatever the process is doing, until it gets through.
TEST(ResumeCommand, KilledAgainAndAgainEndsWithTheSameBits) {
  const Whole whole;
  const Workshop workshop;
  int killed = 0;
  for (std::uint32_t i = 0; i < 300; ++i) {
    std::vector<std::string> arguments = next_arguments(workshop);
    arguments.insert(arguments.end(), {"--threads", std::to_string(1 + i % 3)});
    // Ever longer, lest a slow machine never get to the next checkpoint.
    const double seconds = (0.01 + 1e-3 * (philox({.seed = 1}, i)[0] % 30)) * (1 + 0.3 * i);
    const Outcome outcome =
        workshop.gradatim_under({"timeout", "-s", "KILL", std::to_string(seconds)}, arguments);
    if (outcome.exit_code == 0) {
      expect_same(workshop, outcome.json(), whole);
      break;
    }
    ASSERT_EQ(outcome.err.find("gradatim: "), std::string::npos) << outcome.err;
    ++killed;
  }
  EXPECT_GT(killed, 0);
  EXPECT_TRUE(std::filesystem::exists(workshop / "run/summary.json"));
  for (const auto& file : std::filesystem::recursive_directory_iterator(workshop / "run"))
    EXPECT_NE(file.path().extension(), ".tmp") << file.path();
}

TEST(ResumeCommand, CtrlCIsResumed) {
  const Whole whole;
  const Workshop workshop;
  int interrupted = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string seconds = std::to_string(0.02 * (1 + i));
    const Outcome outcome = workshop.gradatim_under(
        {"timeout", "--preserve-status", "-s", "INT", seconds}, next_arguments(workshop));
    if (outcome.exit_code == 0) {
      expect_same(workshop, outcome.json(), whole);
      break;
    }
    ASSERT_EQ(outcome.exit_code, 130) << outcome.err;
    if (!outcome.out.empty()) {
      EXPECT_EQ(outcome.json()["stopped"], "interrupted");
    }
    ++interrupted;
  }
  EXPECT_GT(interrupted, 0);
}

TEST(ResumeCommand, BeginsNotAnewOverAModelWithoutCheckpoints) {
  const Workshop workshop;
  ASSERT_EQ(workshop.gradatim(kRun).exit_code, 0);
  const std::string model = read_file(workshop / "run/model.safetensors");
  std::filesystem::remove_all(workshop / "run/checkpoints");
  const Outcome outcome = workshop.gradatim(kResume);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_CONTAINS(outcome.err, "no checkpoint to go on from");
  EXPECT_EQ(read_file(workshop / "run/model.safetensors"), model);
}

// The weights are whole, whatever became of what was written of the steps before.
TEST(ResumeCommand, GoesOnWithoutTheMetricsOfTheStepsBefore) {
  for (const char* left : {"", "step,loss\n1,2\nnonsense\n", "cut"}) {
    const bool lost = std::string(left).empty();
    const Workshop workshop;
    std::vector<std::string> half = kRun;
    std::ranges::replace(half, "600", "60");
    ASSERT_EQ(workshop.gradatim(half).exit_code, 0);
    if (lost)
      std::filesystem::remove(workshop / "run/metrics.csv");
    else
      write_file(workshop / "run/metrics.csv",
                 left == std::string("cut") ? read_file(workshop / "run/metrics.csv").substr(0, 200)
                                            : left);
    std::vector<std::string> rest = kResume;
    rest.insert(rest.end(), {"--steps", "80"});
    const Outcome outcome = workshop.gradatim(rest);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_CONTAINS(outcome.err, "metrics and curves begin anew behind step 60");
    EXPECT_EQ(outcome.json()["steps"], 80);
    EXPECT_CONTAINS(read_file(workshop / "run/metrics.csv"), "\n61,");
    EXPECT_EQ(std::filesystem::exists(workshop / "run/metrics.csv.damaged"), !lost);
  }
}

TEST(ResumeCommand, AFinishedRunSaysSoAndMoreStepsTrainOn) {
  const Whole whole;
  const Outcome again = whole.workshop.gradatim(kResume);
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_CONTAINS(again.err, "run is finished: 600 steps are done");
  EXPECT_EQ(again.json(), whole.summary);

  const Workshop longer;
  std::vector<std::string> arguments = kRun;
  arguments.insert(arguments.end(), {"--set", "steps=660"});
  const auto expected = longer.gradatim(arguments).json();
  arguments = kResume;
  arguments.insert(arguments.end(), {"--steps", "660"});
  const auto json = whole.workshop.gradatim(arguments).json();
  EXPECT_EQ(json["parameters_sha256"], expected["parameters_sha256"]);
  EXPECT_EQ(read_file(whole.workshop / "run/metrics.csv", 1U << 26U),
            read_file(longer / "run/metrics.csv", 1U << 26U));
}

// More steps would be refused: those that were taken would have had other learning rates.
TEST(ResumeCommand, ARunAtTheEndOfItsScheduleSaysSoAndAdvisesNoMoreSteps) {
  const Workshop workshop;
  ASSERT_EQ(workshop.train({"--out", "run", "--steps", "20", "--set", "schedule=cosine"}).exit_code,
            0);
  const Outcome again = workshop.gradatim(kResume);
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_CONTAINS(again.err, "20 steps are done, which its cosine schedule spans");
  EXPECT_EQ(again.err.find("give it more"), std::string::npos) << again.err;
}

TEST(ResumeCommand, AnEarlyStoppedRunSaysSoAndAdvisesNoMoreSteps) {
  const Workshop workshop;
  const Outcome first =
      workshop.train({"--out", "run", "--steps", "600", "--set", "validation.fraction=0.2", "--set",
                      "early_stopping={patience=1,min_delta=100.0}"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  ASSERT_EQ(first.json()["stopped"], "early_stopped");
  for (const char* steps : {"600", "1200"}) {
    std::vector<std::string> arguments = kResume;
    arguments.insert(arguments.end(), {"--steps", steps});
    const Outcome again = workshop.gradatim(arguments);
    EXPECT_EQ(again.exit_code, 0);
    EXPECT_CONTAINS(again.err, "early stopping ended it after");
    EXPECT_EQ(again.err.find("give it more"), std::string::npos) << again.err;
  }
}

TEST(ResumeCommand, SaysWhatCanNotBeResumed) {
  const Workshop workshop;
  const auto refused = [&](const std::vector<std::string>& arguments, std::string_view message) {
    const Outcome outcome = workshop.gradatim(arguments);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_CONTAINS(outcome.err, message);
  };
  refused({"train", "--resume", "nowhere"}, "run nowhere: no such folder");
  refused({"train", "tiny", "--resume", "nowhere"}, "expected a recipe, or a run folder");
  refused({"train", "tiny", "--resume", "nowhere"}, ", not both");
  refused({"train", "--resume", "nowhere", "--out", "x"}, "--resume excludes --out");
  ASSERT_EQ(workshop.train({"--out", "run"}).exit_code, 0);
  refused({"train", "--resume", "run", "--data-dir", "data", "--lr", "0.1"},
          "resume run: 'optimizer' differs from what the run began with");
  refused({"train", "--resume", "run", "--data-dir", "data", "--steps", "7"},
          "it has taken 50 steps already, steps is 7");
}

TEST(ResumeCommand, NamesADamagedCheckpoint) {
  const Workshop workshop;
  const auto expected =
      workshop.train({"--out", "run", "--checkpoint-every", "20"}).json()["parameters_sha256"];
  write_file(workshop / "run/checkpoints/step-50.safetensors", "x");
  const Outcome outcome = workshop.gradatim(kResume);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_CONTAINS(outcome.err, "gradatim: damaged, the one before it is used: ");
  EXPECT_CONTAINS(outcome.err, "step-50.safetensors");
  EXPECT_CONTAINS(outcome.err, "run goes on at step 40 of 50");
  EXPECT_EQ(outcome.json()["parameters_sha256"], expected);
}

}  // namespace
}  // namespace gradatim
