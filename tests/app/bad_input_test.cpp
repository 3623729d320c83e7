#include <gtest/gtest.h>

#include "app/command.hpp"
#include "gradatim/io/file.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

using test::Outcome;
using test::Workshop;

// One line on stderr that begins with the command's name, exit code 2, no run folder left behind.
void expect_refused(const Workshop& workshop, const Outcome& outcome, std::string_view message) {
  EXPECT_EQ(outcome.exit_code, 2) << message;
  EXPECT_TRUE(outcome.err.starts_with("gradatim: ")) << outcome.err;
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
  EXPECT_CONTAINS(outcome.err, message);
  EXPECT_EQ(outcome.out, "");
  std::error_code absent;
  EXPECT_TRUE(std::filesystem::is_empty(workshop / "runs", absent) || absent) << message;
}

struct Refusal {
  std::vector<std::string> arguments;
  std::string message;
};

TEST(BadInput, Usage) {
  const Workshop workshop;
  const std::vector<Refusal> refusals{
      {{}, "A subcommand is required"},
      {{"trian", "tiny"}, "unknown command 'trian'; did you mean 'train'?"},
      {{"train"}, "expected a recipe, or a run folder to --resume"},
      {{"train", "tiny", "--stpes", "3"}, "--stpes"},
      {{"train", "tiny", "--threads", "many"}, "--threads"},
      {{"train", "tiny", "--threads", "1025"}, "--threads"},
      {{"train", "tiny", "--steps", "3", "--epochs", "2"}, "--steps excludes --epochs"},
      {{"train", "tiny", "--steps", ""}, "--steps: expected a value, got ''"},
      {{"train", "tiny", "--epochs", ""}, "--epochs: expected a value, got ''"},
      {{"train", "tiny", "--batch", ""}, "--batch: expected a value, got ''"},
      {{"train", "tiny", "--lr", ""}, "--lr: expected a value, got ''"},
      {{"train", "tiny", "--seed", ""}, "--seed: expected a value, got ''"},
      {{"train", "tiny", "--data", ""}, "--data: expected a value, got ''"},
      {{"train", "tiny", "--data-dir", ""}, "--data-dir: expected a value, got ''"},
      {{"train", "tiny", "--out", ""}, "--out: expected a value, got ''"},
      {{"check", "tiny", "--data", ""}, "--data: expected a value, got ''"},
      {{"check", "tiny", "--plot", ""}, "--plot: expected a value, got ''"},
      {{"doctor", "--data-dir", ""}, "--data-dir: expected a value, got ''"},
      {{"data", "list", "--data-dir", ""}, "--data-dir: expected a value, got ''"},
      {{"derive", "x", "--at", "1", "--plot", ""}, "--plot: expected a value, got ''"},
      {{"check", "tiny", "--batch", "-3"}, "--batch: expected more than 0 samples, got -3"},
      {{"check", "tiny", "--seed", "-1"}, "--seed: expected 0 or more, got -1"},
      {{"check", "tiny", "--seed", " -1"}, "--seed: expected 0 or more, got  -1"},
      {{"check", "tiny", "--plot", "a.pdf"}, "--plot: expected the extension .svg or .png"},
      {{"derive", "x", "--at", "1", "--plot", "a.pdf"}, "--plot: expected the extension"},
      {{"data", "fetch", "discs"}, "dataset 'discs' is generated: there are no files of it"},
      {{"data", "fetch", "mnst"}, "data fetch: unknown dataset 'mnst'; did you mean 'mnist'?"},
      {{"data", "fetch", "cifar"}, "unknown dataset 'cifar'; expected one of fashion-mnist, mnist"},
      {{"evolve"}, "unknown command 'evolve'; expected one of "},
      {{"eval", "run", "--data", ""}, "--data: expected a value, got ''"},
      {{"eval"}, "run is required"},
      {{"predict", "x"}, "predict: expected PNG or CSV files, or a --row"},
      {{"data"}, "A subcommand is required"},
  };
  for (const Refusal& refusal : refusals)
    expect_refused(workshop, workshop.gradatim(refusal.arguments), refusal.message);
}

TEST(BadInput, RecipesAndOptions) {
  const Workshop workshop;
  const std::vector<Refusal> refusals{
      {{"--steps", "0"}, "--steps 0: steps: expected an integer in [1, "},
      {{"--steps", "-5"}, "--steps -5: steps: expected an integer in [1, "},
      {{"--steps", "many"}, "--steps many: steps: expected an integer, got the string 'many'"},
      {{"--steps", "99999999999999999999"}, "expected an integer in [1, 4294967295], got 1e+20"},
      {{"--seed", "-99999999999999999999"},
       "seed: expected an integer in [0, 9223372036854774784], got -1e+20"},
      {{"--batch", "1.5"}, "--batch 1.5: batch: expected an integer, got 1.5"},
      {{"--batch", "4000000000"}, "tiny: a step of 4000000000 samples takes at least "},
      {{"--lr", "0"}, "--lr 0: optimizer.learning_rate: expected a float32 number above 0, got 0"},
      {{"--lr", "nan"}, "--lr nan: optimizer.learning_rate"},
      {{"--seed", "-1"}, "--seed -1: seed: expected an integer in [0, "},
      {{"--seed", "1\nsteps = 5"}, "expected key=value"},
      {{"--data", "mnst"}, "unknown dataset 'mnst'"},
      {{"--data", "mni\"st\n"}, "unknown dataset"},
      {{"--set", "optimiser.learning_rate=1"}, "did you mean 'optimizer'?"},
      {{"--set", "layers.0.kind=dens"}, "unknown name 'dens'; did you mean 'dense'?"},
      {{"--set", "loss=softmax_cross_entrop"}, "did you mean 'softmax_cross_entropy'?"},
      {{"--set", "batch"}, "--set batch: expected key=value"},
      {{"--set", "table.targets=[\"x\"]"}, "table: its keys are of a table's file"},
      {{"--set", "validation.fraction=1e-9"}, "validation: 1e-09 of 400 samples are none"},
      {{"--set", "input=[35]"},
       "expects inputs of shape (35), a sample of 'mnist' has shape (6, 6)"},
      {{"--set", "layers.2.units=9"}, "'mnist' has 10 classes, the network 9 outputs"},
      {{"--set", "sampling=shuffled_epochs", "--batch", "401"}, "at most the 400"},
      {{"--out", "recipes"}, "the folder recipes is not empty, and nothing in it is overwritten"},
      {{"--out", "recipes/tiny.toml"}, "make the folder recipes/tiny.toml: File exists"},
      {{"--out", "recipes/tiny.toml/x"}, "Not a directory"},
      {{"--out", "/proc/nowhere/x"}, "make the folder /proc/nowhere: "},
  };
  for (const Refusal& refusal : refusals)
    expect_refused(workshop, workshop.train(refusal.arguments), refusal.message);
}

TEST(BadInput, RecipeFilesWithLineAndColumn) {
  const Workshop workshop;
  const auto refused = [&](std::string_view text, std::string_view message) {
    write_file(workshop / "bad.toml", text);
    expect_refused(workshop, workshop.gradatim({"train", "bad.toml", "--data-dir", "data"}),
                   message);
  };
  refused("data = \"mnist\"\ninput = [36]\nlayrs = [\"relu\"]\nlayers = [\"relu\"]",
          "gradatim: bad.toml:3:1: layrs: unknown key; did you mean 'layers'?");
  refused("data = \"mnist\"\ninput = [36\n", "gradatim: bad.toml:2:13: ");
  refused("data = \"mnist\"\ninput = [36]\nlayers = [\"rulu\"]",
          "bad.toml:3:11: layers[0]: unknown name 'rulu'; did you mean 'relu'?");
  refused("\x01\x02", "bad.toml:1:1: ");
  refused("data = \"mnist\"\ninput = [36]\nlayers = [\"relu\"]\nbatch = \"\\u001b[31mred\\n\"",
          "got the string ' [31mred '");
  expect_refused(workshop, workshop.gradatim({"train", "./none.toml"}), "none.toml: no such file");
  expect_refused(workshop, workshop.gradatim({"train", "tny"}),
                 "unknown recipe 'tny'; did you mean 'tiny'?");
  expect_refused(workshop, workshop.gradatim({"train", "recipes/"}),
                 "recipe recipes/: expected a recipe, got a folder");
  std::filesystem::create_directory(workshop / "a_run");
  write_file(workshop / "a_run/recipe.toml", "");
  write_file(workshop / "a_run/model.safetensors", "x");
  expect_refused(workshop, workshop.gradatim({"train", "./a_run"}),
                 "expected a recipe, got the folder of a run, whose recipe is recipe.toml in it");
  expect_refused(workshop, workshop.gradatim({"train", "a_run"}), "got the folder of a run");
  expect_refused(workshop, workshop.gradatim({"train", "data"}), "expected a recipe, got a folder");
  expect_refused(workshop, workshop.gradatim({"check", "a_run/model.safetensors"}),
                 "expected a recipe (.toml), got a model; a run is named by its folder");
}

TEST(BadInput, RecipesThatWouldTakeTheStackOrTheTime) {
  const Workshop workshop;
  const auto dotted = [](std::size_t parts) {
    std::string key = "a";
    for (std::size_t i = 1; i < parts; ++i) key += ".a";
    return key;
  };
  const std::string message = "expected a key of at most 16 dotted parts";
  const std::string deep = dotted(400'000);
  write_file(workshop / "key.toml", deep + "=1");
  write_file(workshop / "header.toml", "[" + deep + "]");
  expect_refused(workshop, workshop.gradatim({"train", "key.toml"}), "key.toml:1:32: " + message);
  expect_refused(workshop, workshop.gradatim({"train", "header.toml"}), message);
  const Outcome outcome = workshop.train({"--set", dotted(60'000) + "=1"});
  expect_refused(workshop, outcome, "a.a...: " + message);
  EXPECT_LT(outcome.err.size(), 200U);
  expect_refused(workshop,
                 workshop.shell("mkfifo pipe.toml && timeout 20 $GRADATIM train pipe.toml"),
                 "read pipe.toml: expected a regular file");
}

TEST(BadInput, Data) {
  const Workshop workshop;
  expect_refused(workshop, workshop.gradatim({"train", "tiny"}), "mnist");
  expect_refused(workshop, workshop.gradatim({"train", "tiny", "--data-dir", "nowhere"}),
                 "nowhere");
  const auto images = workshop / "data/train-images-idx3-ubyte";
  const std::string whole = read_file(images);
  const auto refused_with = [&](std::string_view bytes, std::string_view message) {
    write_file(images, bytes);
    expect_refused(workshop, workshop.train(), message);
  };
  refused_with(std::string_view(whole).substr(0, whole.size() - 1), "train-images-idx3-ubyte");
  refused_with(whole + "x", "train-images-idx3-ubyte");
  refused_with("PK", "train-images-idx3-ubyte");
  write_file(images, whole);
  test::write_idx(workshop / "data/train-labels-idx1-ubyte", ByteTensor({399}));
  expect_refused(workshop, workshop.train(), "399");
}

TEST(BadInput, AFullDiskIsNamed) {
  const Workshop workshop;
  const auto refused = [&](const std::string& blocks, std::string_view message) {
    // A limit on the size of files stands in for the full disk; its signal would not be sent there.
    const Outcome outcome = workshop.shell("trap '' XFSZ; ulimit -f " + blocks +
                                           "; exec $GRADATIM train tiny --data-dir data --json");
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_CONTAINS(outcome.err, message);
  };
  refused("0", "recipe.toml: File too large");
  EXPECT_FALSE(std::filesystem::exists(workshop / "runs/tiny-1"));  // it never began
  refused("2", "model.safetensors: File too large");
  // The metrics of 1000 steps are too long: the model is there nonetheless.
  const Outcome outcome = workshop.shell(
      "trap '' XFSZ; ulimit -f 16; exec $GRADATIM train tiny --data-dir data --steps 1000");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_CONTAINS(outcome.err, "runs/tiny-2/metrics.csv: File too large");
  EXPECT_EQ(workshop.gradatim({"eval", "runs/tiny-2", "--data-dir", "data"}).exit_code, 0);
}

TEST(BadInput, AFullStdoutIsNamed) {
  const Workshop workshop;
  const Outcome outcome = workshop.shell("$GRADATIM doctor > /dev/full");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "gradatim: write to stdout: No space left on device\n");
}

TEST(BadInput, RunsAndModels) {
  const Workshop workshop;
  ASSERT_EQ(workshop.train({"--out", "run"}).exit_code, 0);
  const std::string model = read_file(workshop / "run/model.safetensors");
  const auto refused = [&](std::string_view message) {
    const Outcome outcome = workshop.gradatim({"eval", "run", "--data-dir", "data"});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_TRUE(outcome.err.starts_with("gradatim: ")) << outcome.err;
    EXPECT_CONTAINS(outcome.err, message);
  };
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{100}, model.size() - 1}) {
    write_file(workshop / "run/model.safetensors", std::string_view(model).substr(0, size));
    refused("run/model.safetensors: not a safetensors file: ");
  }
  std::string hostile = model;
  hostile[7] = '\x7f';
  write_file(workshop / "run/model.safetensors", hostile);
  refused("the header claims ");
  ASSERT_EQ(workshop.train({"--out", "other", "--set", "layers.0.units=11"}).exit_code, 0);
  std::filesystem::copy_file(workshop / "other/model.safetensors",
                             workshop / "run/model.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  refused("tensor 'dense1.weight': expected shape (36, 12), got (36, 11)");
  std::filesystem::remove(workshop / "run/model.safetensors");
  refused("run/model.safetensors: No such file");
  expect_refused(workshop, workshop.gradatim({"eval", "nowhere"}), "run nowhere: no such folder");
  std::filesystem::create_directory(workshop / "empty");
  for (const auto& arguments :
       {std::vector<std::string>{"eval", "empty"}, {"train", "--resume", "empty"}})
    expect_refused(workshop, workshop.gradatim(arguments),
                   "run empty: no run, it has no recipe.toml");
  expect_refused(workshop, workshop.gradatim({"eval", "other", "--data", "mnst"}),
                 "unknown dataset 'mnst'");
}

}  // namespace
}  // namespace gradatim
