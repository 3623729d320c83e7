// Regression, several labels and classes from tables, from training to prediction.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "app/command.hpp"
#include "gradatim/core/random.hpp"
#include "gradatim/io/file.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::Outcome;
using test::Workshop;

// y = 100 + 3 a - 2 b, big = y > 100, of columns on very different scales.
void write_table(const Workshop& workshop) {
  std::string text = "id,a,\"b, in mm\",y,big,side\n";
  std::vector<float> draws(600);
  fill_uniform(draws, {.seed = 1}, -1, 1);
  for (std::size_t i = 0; i < 300; ++i) {
    const double a = draws[2 * i];
    const double b = 1000.0 * draws[2 * i + 1] + 5000;
    const double y = 3 * a - 2 * (b - 5000) / 1000;
    text += std::to_string(i) + "," + std::to_string(a) + ",\"" + std::to_string(b) + "\"," +
            std::to_string(y) + "," + (y > 0 ? "1" : "0") + "," + (a > 0 ? "right" : "left") + "\n";
  }
  write_file(workshop / "t.csv", text);
}

std::string recipe(const std::string& target, const std::string& ignored, const std::string& loss,
                   int outputs) {
  return "data = \"t.csv\"\ntable = { targets = [" + target + "], ignore = [\"id\", " + ignored +
         "] }\ninput = [2]\nlayers = [{kind = \"dense\", units = " + std::to_string(outputs) +
         ", weight = \"xavier\"}]\nloss = \"" + loss +
         "\"\noptimizer = {kind = \"adam\", learning_rate = 0.05}\nbatch = 20\nepochs = 30\n"
         "sampling = \"shuffled_epochs\"\nvalidation = { fraction = 0.1 }\n";
}

TEST(Tables, RegressionFromTrainingToPrediction) {
  const Workshop workshop;
  write_table(workshop);
  write_file(workshop / "line.toml", recipe("\"y\"", "\"big\", \"side\"", "mean_squared_error", 1));
  const Outcome trained = workshop.gradatim({"train", "./line.toml", "--out", "run", "--json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_GT(trained.json()["test_r2"].get<double>(), 0.999);
  EXPECT_CONTAINS(read_file(workshop / "run/metrics.csv"),
                  "step,epoch,loss,train_r2,test_r2,train_mae,test_mae,train_mse,test_mse,"
                  "validation_loss,validation_r2,validation_mae,validation_mse\n");
  const auto evaluated = workshop.gradatim({"eval", "run", "--json"}).json();
  EXPECT_EQ(evaluated["r2"], trained.json()["test_r2"]);
  const Outcome elsewhere = workshop.shell("cd recipes && $GRADATIM eval ../run --json");
  ASSERT_EQ(elsewhere.exit_code, 0) << elsewhere.err;
  EXPECT_EQ(elsewhere.json()["r2"], evaluated["r2"]);
  EXPECT_EQ(evaluated["outputs"][0]["name"], "y");
  EXPECT_EQ(workshop.gradatim({"check", "./line.toml", "--json"}).exit_code, 0);

  const auto row = workshop.gradatim({"predict", "run", "--row", "0.5,5500", "--json"}).json();
  EXPECT_NEAR(row["predictions"][0]["values"]["y"].get<double>(), 0.5, 0.1);
  write_file(workshop / "new.csv", "\"b, in mm\",a\n5500,0.5\n4000,-1\n");
  const auto rows = workshop.gradatim({"predict", "run", "new.csv", "--json"}).json();
  EXPECT_EQ(rows["predictions"][0]["values"], row["predictions"][0]["values"]);
  EXPECT_EQ(rows["predictions"][1]["table"], "new.csv");
  EXPECT_EQ(rows["predictions"][1]["line"], 3);
  EXPECT_NEAR(rows["predictions"][1]["values"]["y"].get<double>(), -1, 0.1);
  EXPECT_EQ(workshop.gradatim({"predict", "run/model.safetensors", "new.csv", "--json"})
                .json()["predictions"],
            rows["predictions"]);
  EXPECT_CONTAINS(workshop.gradatim({"predict", "run", "--row", "1"}).err,
                  "--row: expected 2 values, got 1");
  EXPECT_CONTAINS(workshop.gradatim({"predict", "run", "--row", "1,tall"}).err,
                  "--row:1: row 1, column 'b, in mm': expected a finite number, got 'tall'");
}

// Prices as they stand in the file: the network learns them scaled, every figure is in their unit.
TEST(Tables, TargetsFarFromOneAreScaledAndBack) {
  const Workshop workshop;
  std::string text = "rooms,area,price,big,side\n";
  std::vector<float> draws(600);
  fill_uniform(draws, {.seed = 2}, 0, 1);
  for (std::size_t i = 0; i < 300; ++i) {
    const double rooms = 1.0 + std::floor(5.0 * draws[2 * i]);
    const double area = 30 + 150.0 * draws[2 * i + 1];
    text += fmt::format("{},{},{},0,a\n", rooms, area, 120'000 + 2'500 * area + 8'000 * rooms);
  }
  write_file(workshop / "t.csv", text);
  std::string toml = recipe("\"price\"", "\"big\", \"side\"", "mean_squared_error", 1);
  toml.replace(toml.find("\"id\", "), 6, "");
  write_file(workshop / "price.toml", toml);
  const Outcome trained = workshop.gradatim({"train", "./price.toml", "--out", "run", "--json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_GT(trained.json()["test_r2"].get<double>(), 0.999);
  const auto rows = workshop.gradatim({"predict", "run", "t.csv", "--json"}).json()["predictions"];
  double absolute = 0;
  for (const auto& row : rows) {
    const std::size_t i = row["row"].get<std::size_t>() - 1;
    const double price = 120'000 + 2'500 * (30 + 150.0 * draws[2 * i + 1]) +
                         8'000 * (1.0 + std::floor(5.0 * draws[2 * i]));
    absolute += std::abs(row["values"]["price"].get<double>() - price) / 300;
  }
  EXPECT_LT(absolute, 4'000);
  const auto evaluated = workshop.gradatim({"eval", "run", "--json"}).json();
  EXPECT_NEAR(evaluated["mae"].get<double>() / absolute, 1, 0.3);  // of the test rows alone
  EXPECT_EQ(evaluated["mae"], trained.json()["test_mae"]);
  EXPECT_GT(trained.json()["validation_r2"].get<double>(), 0.999);
  // Smaller and cheaper houses, by the scaling of the model.
  std::string small = "rooms,area,price,big,side\n";
  for (std::size_t i = 0; i < 100; ++i) {
    const double area = 30 + 40.0 * draws[i];
    small += fmt::format("1,{},{},0,a\n", area, 128'000 + 2'500 * area);
  }
  write_file(workshop / "small.csv", small);
  EXPECT_GT(workshop.gradatim({"eval", "run", "--data", "small.csv", "--json"})
                .json()["r2"]
                .get<double>(),
            0.95);
  // Keys of a table are of none of these.
  for (const char* command : {"check", "eval"})
    EXPECT_CONTAINS(workshop.gradatim({command, "run", "--data", "discs"}).err,
                    "discs: expected the features that the model was trained on");
  const Outcome other = workshop.gradatim({"eval", "run", "--data", "discs"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_CONTAINS(other.err,
                  "discs: expected the features that the model was trained on "
                  "('rooms', 'area'), got 'x', 'y'");
  EXPECT_LT(evaluated["loss"].get<double>(), 0.01);
}

TEST(Tables, LabelsAndClasses) {
  const Workshop workshop;
  write_table(workshop);
  write_file(workshop / "big.toml",
             recipe("\"big\"", "\"y\", \"side\"", "binary_cross_entropy", 1));
  const Outcome labels = workshop.gradatim({"train", "./big.toml", "--out", "big", "--json"});
  ASSERT_EQ(labels.exit_code, 0) << labels.err;
  EXPECT_GT(labels.json()["test_f1"].get<double>(), 0.9);
  EXPECT_EQ(workshop.gradatim({"eval", "big", "--json"}).json()["f1"], labels.json()["test_f1"]);

  write_file(workshop / "side.toml",
             recipe("\"side\"", "\"y\", \"big\"", "softmax_cross_entropy", 2));
  const Outcome classes = workshop.gradatim({"train", "./side.toml", "--out", "side", "--json"});
  ASSERT_EQ(classes.exit_code, 0) << classes.err;
  EXPECT_GT(classes.json()["test_accuracy"].get<double>(), 0.9);
  const auto guess = workshop.gradatim({"predict", "side", "--row", "0.9,5000", "--json"}).json();
  EXPECT_EQ(guess["predictions"][0]["class"], "right");
  const double sure = guess["predictions"][0]["probability"].get<double>();
  EXPECT_EQ(guess["predictions"][0]["probabilities"]["right"].get<double>(), sure);
  EXPECT_CONTAINS(workshop.gradatim({"predict", "side", "--row", "0.9,5000"}).out,
                  fmt::format("--row: right {:.4f}", sure));
}

// A table of some classes only, of others, and of rows that the run has not seen.
TEST(Tables, AreEvaluatedWholeByTheClassesOfTheModel) {
  const Workshop workshop;
  write_table(workshop);
  write_file(workshop / "side.toml",
             recipe("\"side\"", "\"y\", \"big\"", "softmax_cross_entropy", 2));
  ASSERT_EQ(workshop.gradatim({"train", "./side.toml", "--out", "side"}).exit_code, 0);
  const std::string header = "id,a,\"b, in mm\",y,big,side\n";
  write_file(workshop / "rights.csv", header + "1,0.9,5000,0,0,right\n2,0.8,4500,0,0,right\n");
  const auto rights = workshop.gradatim({"eval", "side", "--data", "rights.csv", "--json"}).json();
  EXPECT_EQ(rights["samples"], 2);
  EXPECT_EQ(rights["accuracy"], 1);
  EXPECT_EQ(rights["classes"][1]["name"], "right");
  EXPECT_EQ(rights["confusion"][1][1], 2);
  EXPECT_TRUE(rights["classes"][0]["recall"].is_null()) << "no sample is left";
  EXPECT_EQ(workshop.gradatim({"eval", "side", "--data", "rights.csv"}).out.find("nan"),
            std::string::npos);
  write_file(workshop / "others.csv", header + "1,0.9,5000,0,0,above\n");
  const Outcome others = workshop.gradatim({"eval", "side", "--data", "others.csv"});
  EXPECT_EQ(others.exit_code, 2);
  EXPECT_CONTAINS(others.err, "trained on ('left', 'right'), got 'above'");
}

TEST(Tables, ATableThatChangedOrMovedIsToldFromTheRuns) {
  const Workshop workshop;
  write_table(workshop);
  write_file(workshop / "line.toml", recipe("\"y\"", "\"big\", \"side\"", "mean_squared_error", 1));
  ASSERT_EQ(workshop.gradatim({"train", "./line.toml", "--out", "run"}).exit_code, 0);
  const auto before = workshop.gradatim({"eval", "run", "--json"}).json();
  std::filesystem::create_directory(workshop / "there");
  std::filesystem::rename(workshop / "t.csv", workshop / "there/t.csv");
  EXPECT_CONTAINS(workshop.gradatim({"eval", "run"}).err, "no such file");
  const auto moved = workshop.gradatim({"eval", "run", "--data-dir", "there", "--json"}).json();
  EXPECT_EQ(moved["r2"], before["r2"]);
  EXPECT_EQ(workshop.gradatim({"train", "--resume", "run", "--epochs", "31", "--data-dir", "there"})
                .exit_code,
            0);
  write_file(workshop / "t.csv",
             read_file(workshop / "there/t.csv") + "301,0.5,5500,0.5,1,right\n");
  const Outcome changed = workshop.gradatim({"eval", "run"});
  EXPECT_EQ(changed.exit_code, 2);
  EXPECT_CONTAINS(changed.err, "run: the data 't.csv' are not those that it was trained on");
  EXPECT_EQ(workshop.gradatim({"eval", "run", "--data", "t.csv", "--json"}).json()["samples"], 301);
  const auto own = workshop.gradatim({"eval", "run", "--data", "there/t.csv", "--json"}).json();
  EXPECT_EQ(own["samples"], 60) << "none of the rows it was trained on";
}

TEST(Tables, ARunIsResumedOnItsTableByName) {
  const Workshop workshop;
  write_table(workshop);
  write_file(workshop / "line.toml", recipe("\"y\"", "\"big\", \"side\"", "mean_squared_error", 1));
  ASSERT_EQ(workshop.gradatim({"train", "./line.toml", "--out", "run"}).exit_code, 0);
  const Outcome resumed =
      workshop.gradatim({"train", "--resume", "run", "--data", "t.csv", "--epochs", "31"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
}

TEST(Tables, ASettingOfATableIsRefusedOnOtherDataAndTheRecipesOwnKeysAreNot) {
  const Workshop workshop;
  write_table(workshop);
  std::string toml = recipe("\"y\"", "\"big\", \"side\"", "mean_squared_error", 3);
  write_file(workshop / "line.toml", toml);
  const std::vector<std::string> on_discs{"train",    "./line.toml", "--data", "discs",
                                          "--epochs", "1",           "--out",  "run"};
  std::vector<std::string> set = on_discs;
  set.insert(set.end(), {"--set", "table.test=0.5"});
  const Outcome refused = workshop.gradatim(set);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_CONTAINS(refused.err, "table: its keys are of a table's file");
  const Outcome trained = workshop.gradatim(on_discs);
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  for (const std::string setting : {"data=t.csv", "data = \"t.csv\"", "data='t.csv'"}) {
    const Outcome back = workshop.gradatim({"train", "./line.toml", "--data", "discs", "--set",
                                            setting, "--epochs", "1", "--out", "back"});
    EXPECT_CONTAINS(back.err, "'t.csv' has 1 targets");  // by the keys that go with its own data
  }
  std::vector<std::string> twice = on_discs;
  twice.back() = "twice";
  twice.insert(twice.end(), {"--set", "data=discs"});
  EXPECT_EQ(workshop.gradatim(twice).exit_code, 0);
}

TEST(Tables, AShareForTestingThatComesToNoRowIsRefused) {
  const Workshop workshop;
  write_file(workshop / "line.toml",
             "data = \"t.csv\"\ntable = { targets = [\"y\"] }\ninput = [1]\n"
             "layers = [{ kind = \"dense\", units = 1 }]\nloss = \"mean_squared_error\"\n"
             "steps = 3\nbatch = 2\n");
  std::string text = "x,y\n";
  for (int row = 1; row <= 25; ++row) {
    text += fmt::format("{},{}\n", row, 2 * row);
    if (row < 24) continue;
    write_file(workshop / "t.csv", text);
    const std::string none = fmt::format("table.test: 0.02 of {} samples are none", row);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"train"}, {"search", "--set", "batch=int(2,3)"}}) {
      std::vector<std::string> arguments = words;
      arguments.insert(arguments.end(), {"./line.toml", "--set", "table.test=0.02"});
      const Outcome outcome = workshop.gradatim(arguments);
      EXPECT_EQ(outcome.exit_code, 2);
      EXPECT_CONTAINS(outcome.err, none);
    }
  }
  write_file(workshop / "t.csv", "x,y\n1,2\n2,4\n");
  EXPECT_EQ(workshop.gradatim({"train", "./line.toml"}).exit_code, 0) << "a share by default";
}

TEST(Tables, GeneratedDataAreListedAndTrained) {
  const Workshop workshop;
  EXPECT_CONTAINS(workshop.gradatim({"data", "list"}).out, "friedman1");
  EXPECT_EQ(workshop.gradatim({"data", "info", "discs", "--json"}).json()["name"], "discs");
  const Outcome outcome = workshop.gradatim({"train", "friedman1", "--epochs", "5", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_GT(outcome.json()["test_r2"].get<double>(), 0.9);
  EXPECT_LT(outcome.json()["test_r2"].get<double>(), 0.965);  // the noise is not to be learned
}

}  // namespace
}  // namespace gradatim
