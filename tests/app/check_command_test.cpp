#include <gtest/gtest.h>

#include "app/command.hpp"
#include "gradatim/io/file.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::Outcome;
using test::Workshop;

TEST(CheckCommand, ChecksARecipeAndARun) {
  const Workshop workshop;
  ASSERT_EQ(workshop.train({"--out", "run"}).exit_code, 0);
  for (const std::string subject : {"tiny", "run"}) {
    const Outcome outcome =
        workshop.gradatim({"check", subject, "--data-dir", "data", "--batch", "10", "--json"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    const auto json = outcome.json();
    EXPECT_EQ(json["parameters"], 37 * 12 + 13 * 10);
    EXPECT_EQ(json["failed"], 0);
    EXPECT_EQ(json["passed"].get<int>() + json["kinks"].get<int>() + json["unresolved"].get<int>() +
                  json["skipped"].get<int>(),
              37 * 12 + 13 * 10);
    EXPECT_GT(json["passed"], 300);
    for (const char* key : {"name", "index", "backprop", "numerical", "error"})
      EXPECT_TRUE(json["worst"].contains(key)) << key;
    EXPECT_GT(json["seconds"].get<double>(), 0);
    EXPECT_GT(json["seen"]["0.001"].get<int>(), 300);
    EXPECT_LT(json["sample"]["backprop_error"].get<double>(), 1e-5);
    EXPECT_TRUE(json["wrong"].empty());
  }
}

TEST(CheckCommand, InputsAddATensor) {
  const Workshop workshop;
  const Outcome outcome = workshop.gradatim(
      {"check", "tiny", "--data-dir", "data", "--batch", "5", "--inputs", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_EQ(outcome.json()["parameters"], 37 * 12 + 13 * 10 + 5 * 36);
  EXPECT_EQ(outcome.json()["tensors"].back()["name"], "inputs");
}

TEST(CheckCommand, PrintsATableAndDrawsThePicture) {
  const Workshop workshop;
  const Outcome outcome =
      workshop.gradatim({"check", "tiny", "--data-dir", "data", "--plot", "errors.svg"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_CONTAINS(outcome.out, "dense1.weight");
  EXPECT_CONTAINS(outcome.out, "random sample of 48 parameters evaluated in full");
  EXPECT_CONTAINS(outcome.out,
                  "of the entries that passed, so many would have failed if off by 1e-06: ");
  EXPECT_CONTAINS(outcome.out, "passed: ");
  EXPECT_CONTAINS(read_file(workshop / "errors.svg"), "<svg");
}

// Weights of zero: no gradient reaches the first layer, and nothing can be said of it.
TEST(CheckCommand, ExitsWith1WhereNothingIsProved) {
  const Workshop workshop;
  std::string recipe(read_file(workshop / "recipes/tiny.toml"));
  const std::string before = "layers = [";
  recipe.replace(recipe.find(before), recipe.find(']', recipe.find(before)) - recipe.find(before),
                 "layers = [{kind = \"dense\", units = 4, weight = \"zeros\"}, \"relu\", "
                 "{kind = \"dense\", units = 10, weight = \"zeros\"}");
  write_file(workshop / "zeros.toml", recipe);
  const Outcome outcome =
      workshop.gradatim({"check", "./zeros.toml", "--data-dir", "data", "--json"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
  EXPECT_CONTAINS(outcome.json()["objections"].dump(), "dense1.weight: nothing passed");
}

// A recipe starts with biases of 0, which a blank image leaves on relu's kink; what was trained is
// checked as it is, and so is what has no kink.
TEST(CheckCommand, MovesBiasesOfZeroOffKinksAndSaysSo) {
  const Workshop workshop;
  std::string recipe(read_file(workshop / "recipes/tiny.toml"));
  recipe.replace(recipe.find("\"tanh\""), 6, "\"relu\"");
  write_file(workshop / "recipes/kinked.toml", recipe);
  ASSERT_EQ(workshop.train({"--out", "run"}).exit_code, 0);
  const auto check = [&](const std::string& subject, const std::string& option) {
    return workshop.gradatim({"check", subject, "--data-dir", "data", "--batch", "5", option});
  };
  const auto moved = [&](const std::string& subject) {
    return check(subject, "--json").json()["biases_moved_by_up_to"].get<double>();
  };
  std::string pooled(read_file(workshop / "recipes/tiny.toml"));
  pooled.replace(pooled.find("[36]"), 4, "[1, 6, 6]");
  pooled.replace(pooled.find("layers = ["), 10,
                 "layers = [{ kind = \"conv2d\", filters = 2, kernel = 3 }, \"max_pool2d\", "
                 "\"flatten\",");
  write_file(workshop / "recipes/pooled.toml", pooled);
  EXPECT_GT(moved("kinked"), 0);
  EXPECT_EQ(moved("pooled"), 0);
  EXPECT_EQ(moved("tiny"), 0);
  EXPECT_EQ(moved("run"), 0);
  EXPECT_CONTAINS(check("kinked", "--inputs").out,
                  "biases that start at 0 moved by up to 0.0625: relu has no derivative at 0");
  EXPECT_EQ(check("tiny", "--inputs").out.find("biases"), std::string::npos);

  // Equal pixels are ties of max_pool2d.
  const Outcome pooled_inputs = check("pooled", "--inputs");
  EXPECT_EQ(pooled_inputs.exit_code, 0) << pooled_inputs.out;
  EXPECT_CONTAINS(pooled_inputs.out, "inputs moved by up to 0.001953125: max_pool2d has no");
  EXPECT_EQ(check("tiny", "--inputs").out.find("inputs moved"), std::string::npos);
}

TEST(CheckCommand, RefusesWhatItCanNotFind) {
  const Workshop workshop;
  EXPECT_EQ(workshop.gradatim({"check", "tny", "--data-dir", "data"}).exit_code, 2);
  EXPECT_EQ(workshop.gradatim({"check", "tiny", "--batch", "0"}).exit_code, 2);
}

TEST(TrainCommand, TrainsByAnyGradient) {
  const Workshop workshop;
  const auto expected = workshop.train({"--steps", "20"}).json();
  for (const std::string method : {"numerical", "dual", "tape"}) {
    const Outcome outcome =
        workshop.train({"--steps", "20", "--gradient", method, "--out", method});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_NEAR(outcome.json()["train_loss"].get<double>(), expected["train_loss"].get<double>(),
                1e-5);
    EXPECT_CONTAINS(read_file(workshop / (method + "/recipe.toml")),
                    "gradient = \"" + method + "\"");
  }
  const Outcome unknown = workshop.train({"--gradient", "numericl"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_CONTAINS(unknown.err, "numerical");
}

}  // namespace
}  // namespace gradatim
