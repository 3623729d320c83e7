#include "gradatim/train/recipe.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gradatim/io/file.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"
#include "train/recipe_text.hpp"

namespace gradatim {
namespace {

using test::kSmall;
using test::message_of;
using test::parse;
using test::refusal;
using test::refusal_of_line;
using test::refusal_of_setting;

TEST(Recipe, TheChaptersIsWhatTheChapterSays) {
  const Recipe recipe = read_recipe(RECIPE_FOLDER "/two-layer.toml");
  EXPECT_EQ(recipe.name, "two-layer");
  EXPECT_EQ(recipe.data, "fashion-mnist");
  const Gaussian narrow{.standard_deviation = 0.01F};
  EXPECT_EQ(recipe.network, Network({784}, {Dense{50, narrow}, Sigmoid{}, Dense{10, narrow}}));
  EXPECT_EQ(recipe.options, (TrainOptions{.loss = SoftmaxCrossEntropy{},
                                          .optimizer = Sgd{.learning_rate = 0.1F},
                                          .batch = 100,
                                          .steps = 10'000,
                                          .sampling = Sampling::with_replacement,
                                          .seed = 1}));
}

TEST(Recipe, HasTheDefaultsOfTrainOptions) {
  const Recipe recipe = parse("data = \"mnist\"\ninput = [4]\nlayers = [\"relu\"]");
  EXPECT_EQ(recipe.name, "small");
  EXPECT_EQ(recipe.options, TrainOptions{});
  EXPECT_EQ(recipe.network, Network({4}, {Relu{}}));
}

TEST(Recipe, LayersMayBeSections) {
  EXPECT_EQ(parse("data = \"mnist\"\ninput = [2, 3]\n[[layers]]\nkind = \"dense\"\nunits = 3\n"
                  "weight = \"he\"\nbias = { kind = \"gaussian\", standard_deviation = 1 }\n"
                  "[[layers]]\nkind = \"tanh\"\n")
                .network,
            Network({2, 3}, {Dense{3, He{}, Gaussian{1.0F}}, Tanh{}}));
}

TEST(Recipe, NamesUnknownKeysAndKindsWithThePlaceAndTheNearest) {
  EXPECT_EQ(refusal_of_line("bach = 10"),
            "dir/small.toml:8:1: bach: unknown key; did you mean 'batch'?");
  EXPECT_EQ(refusal("data = \"mnist\"\ninput = [4]\nlayers = [{ kind = \"dense\", unit = 3 }]"),
            "dir/small.toml:3:29: layers[0].unit: unknown key; did you mean 'units'?");
  EXPECT_EQ(refusal("data = \"mnist\"\ninput = [4]\nlayers = [\"relu\", \"sigmod\"]"),
            "dir/small.toml:3:19: layers[1]: unknown name 'sigmod'; did you mean 'sigmoid'?");
  EXPECT_EQ(
      refusal("data = \"mnist\"\ninput = [4]\nlayers = [\"relu\", \"lstm\"]"),
      "dir/small.toml:3:19: layers[1]: unknown name 'lstm'; expected one of dense, sigmoid, relu, "
      "tanh, softmax, leaky_relu, gelu, silu, softplus, flatten, conv2d, max_pool2d, avg_pool2d, "
      "global_avg_pool, dropout, residual, layer_norm, "
      "batch_norm");
  EXPECT_CONTAINS(refusal_of_line("loss = \"cross_entropie\""), "did you mean 'cross_entropy'?");
  EXPECT_CONTAINS(refusal_of_setting("optimizer.kind=sdg"), "did you mean 'sgd'?");
  EXPECT_CONTAINS(refusal_of_line("sampling = \"shuffled\""), "did you mean 'shuffled_epochs'?");
  EXPECT_CONTAINS(
      refusal("data = \"mnist\"\ninput = [4]\n"
              "layers = [{kind = \"dense\", units = 2, weight = \"xavir\"}]"),
      "dir/small.toml:3:48: layers[0].weight: unknown name 'xavir'; did you mean 'xavier'");
}

TEST(Recipe, NamesWrongTypesWithThePlace) {
  EXPECT_EQ(refusal_of_line("batch = \"ten\""),
            "dir/small.toml:8:9: batch: expected an integer, got the string 'ten'");
  EXPECT_EQ(refusal_of_line("batch = 1.5"),
            "dir/small.toml:8:9: batch: expected an integer, got 1.5");
  EXPECT_EQ(refusal_of_line("name = 3"), "dir/small.toml:8:8: name: expected a string, got 3");
  EXPECT_EQ(refusal_of_line("loss = true"),
            "dir/small.toml:8:8: loss: expected a name or a table with a 'kind', got true");
  EXPECT_EQ(refusal_of_line("loss = { epsilon = 1 }"),
            "dir/small.toml:8:8: loss: the key 'kind' is missing");
  EXPECT_CONTAINS(refusal_of_line("loss = { kind = 4 }"), "8:17: loss: expected one of softmax_");
  EXPECT_EQ(refusal("data = \"mnist\"\ninput = 784\nlayers = [\"relu\"]"),
            "dir/small.toml:2:9: input: expected an array of 1 to 6 integers, got 784");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [3.5]\nlayers = [\"relu\"]"),
                  "2:10: input[0]: expected an integer, got 3.5");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [3]\nlayers = []"),
                  "3:10: layers: expected an array of at least one layer, got an empty array");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [3]\nlayers = [7]"),
                  "3:11: layers[0]: expected a name or a table with a 'kind', got 7");
  EXPECT_CONTAINS(refusal("data = 1979-05-27\ninput = [3]\nlayers = [7]"),
                  "1:8: data: expected a string, got a date or time");
  EXPECT_CONTAINS(refusal_of_setting("optimizer.learning_rate=\"fast\""),
                  "optimizer.learning_rate: expected a number, got the string 'fast'");
}

TEST(Recipe, NamesValuesOutOfRange) {
  EXPECT_EQ(refusal_of_line("batch = 0"),
            "dir/small.toml:8:9: batch: expected an integer in [1, 4294967295], got 0");
  EXPECT_CONTAINS(refusal_of_line("steps = -1"), "8:9: steps: expected an integer in [1, ");
  EXPECT_CONTAINS(refusal_of_line("seed = -1"), "seed: expected an integer in [0, ");
  EXPECT_CONTAINS(refusal_of_line("steps = 99999999999999999999"), "8:");
  EXPECT_EQ(refusal_of_setting("steps=99999999999999999999"),
            "--set steps=99999999999999999999: steps: expected an integer in [1, 4294967295], got "
            "1e+20");
  EXPECT_EQ(refusal_of_line("steps = -1e30"),
            "dir/small.toml:8:9: steps: expected an integer in [1, 4294967295], got -1e+30");
  for (const std::string value : {"0", "-0.1", "nan", "inf", "1e39", "1e-60"})
    EXPECT_CONTAINS(refusal_of_setting("optimizer.learning_rate=" + value),
                    "optimizer.learning_rate: expected a float32 number above 0, got");
  EXPECT_CONTAINS(refusal_of_setting("optimizer.momentum=1"),
                  "optimizer.momentum: expected a float32 number in [0, 1), got 1");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [0]\nlayers = [\"relu\"]"), "input[0]");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [4294967295, 4294967295, 4294967295]\n"
                          "layers = [\"relu\"]"),
                  "dir/small.toml:2:9: input: shape (4294967295, 4294967295, 4294967295): the "
                  "number of elements overflows");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [4]\n"
                          "layers = [{kind = \"dense\", units = 0}]"),
                  "layers[0].units: expected an integer in [1, 4294967295], got 0");
}

TEST(Recipe, NamesWhatIsMissing) {
  EXPECT_CONTAINS(refusal("input = [4]\nlayers = [\"relu\"]"), "the key 'data' is missing");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\nlayers = [\"relu\"]"), "the key 'input' is missing");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [4]"), "the key 'layers' is missing");
  EXPECT_EQ(refusal("data = \"mnist\"\ninput = [4]\nlayers = [{kind = \"dense\"}]"),
            "dir/small.toml:3:11: layers[0]: the key 'units' is missing");
  EXPECT_EQ(refusal("data = \"mnist\"\ninput = [4]\nlayers = [\"relu\", \"dense\"]"),
            "dir/small.toml:3:19: layers[1]: the key 'units' is missing");
  EXPECT_EQ(refusal_of_setting("layers.1=dense"),
            "--set layers.1=dense: layers[1]: the key 'units' is missing");
  EXPECT_EQ(refusal_of_setting("layers.0.kind=conv2d"),
            "--set layers.0.kind=conv2d: layers[0]: the key 'filters' is missing");
}

TEST(Recipe, NamesThePlaceOfASyntaxError) {
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [4\n"), "dir/small.toml:2:12: ");
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ndata = \"mnist\""), "dir/small.toml:2:");
  EXPECT_CONTAINS(refusal("data = \"\xff\""), "dir/small.toml:1:");
  EXPECT_CONTAINS(refusal("a = " + std::string(100'000, '[')), "dir/small.toml:1:");
}

// "a.a.a" of so many parts.
std::string dotted(std::size_t parts) {
  std::string key = "a";
  for (std::size_t i = 1; i < parts; ++i) key += ".a";
  return key;
}

// toml++ makes a table of each part, and destroying or merging 400,000 of them takes the stack.
TEST(Recipe, RefusesKeysOfTooManyParts) {
  const std::string message = "expected a key of at most 16 dotted parts";
  for (const std::size_t parts : {17U, 400'000U}) {
    const std::string deep = dotted(parts);
    EXPECT_EQ(refusal("x = 1\n" + deep + " = 1"), "dir/small.toml:2:32: " + message);
    EXPECT_EQ(refusal("[" + deep + "]"), "dir/small.toml:1:33: " + message);
    EXPECT_EQ(refusal("[[" + deep + "]]"), "dir/small.toml:1:34: " + message);
    EXPECT_EQ(refusal("x = {y = 1, " + deep + " = 1}"), "dir/small.toml:1:44: " + message);
    EXPECT_EQ(refusal(kSmall, {deep + "=1"}), fmt::format("--set {}=1: {}", deep, message));
    EXPECT_EQ(
        message_of<InvalidArgument>([&] { parse_network(deep + "=1", "net"); }),
        parts < 100 ? "net:1:32: " + message : "net: expected at most 65536 bytes, got 800001");
  }
  EXPECT_CONTAINS(refusal(dotted(16) + " = 1\n" + std::string(kSmall)), "a: unknown key");
  EXPECT_CONTAINS(refusal(std::string(kSmall) + "[" + dotted(16) + "]"), "a: unknown key");
  EXPECT_CONTAINS(refusal_of_setting(dotted(16) + "=1"), "a: unknown key");
}

// What hides a key from the guard must hide it from toml++: strings and comments end where it
// says that they end.
TEST(Recipe, FindsKeysOfTooManyPartsBehindAnyText) {
  const std::string deep = dotted(400'000) + " = 1";
  for (const std::string before : {"# \"",
                                   "# '''",
                                   "x = '\"'",
                                   "x = '\\'",
                                   R"(x = "\"")",
                                   R"(x = "\\")",
                                   "x = ''",
                                   "x = \"\"",
                                   R"(x = """a\"""")",
                                   R"(x = """a"""" # ")",
                                   R"(x = """a""""" # ")",
                                   "x = '''a'''",
                                   "x = '''a''''",
                                   "x = '''a''''' # '",
                                   "x = '''a\\'''",
                                   "x = '''''' # '",
                                   "'x' = 1",
                                   "\"x#\" = 1",
                                   "x = '#'",
                                   "x = [ # ]\n]",
                                   "\xEF\xBB\xBFx = 1"}) {
    EXPECT_CONTAINS(refusal(fmt::format("{}\n{}", before, deep)), "at most 16 dotted parts")
        << before;
    EXPECT_CONTAINS(refusal(fmt::format("{}\ny = 1\n{}", before, kSmall)), "unknown key") << before;
  }
  std::string quoted = "'a'";
  for (int i = 0; i < 16; ++i) quoted += " . \"a\"";
  EXPECT_CONTAINS(refusal(quoted + " = 1"), "at most 16 dotted parts");
}

TEST(Recipe, TakesAnyNumberOfDotsInStringsAndComments) {
  const std::string dots(100, '.');
  const auto description = [&](const std::string& quoted) {
    return parse("# " + dots + "\ndescription = " + quoted + " # " + dots + "\n" +
                 std::string(kSmall))
        .description;
  };
  EXPECT_EQ(description("\"" + dots + "\""), dots);
  EXPECT_EQ(description("'" + dots + "'"), dots);
  EXPECT_EQ(description("'''\n" + dots + "\n" + dots + "'''''"), dots + "\n" + dots + "''");
  EXPECT_EQ(description("\"\"\"" + dots + "\\\"\"\"\""), dots + "\"");
}

TEST(Recipe, BoundsItsNestingAndLength) {
  std::string nested = "1";
  for (int i = 0; i < 17; ++i) nested = fmt::format("{{{} = {}}}", dotted(16), nested);
  EXPECT_CONTAINS(refusal("x = " + nested), "expected at most 16 brackets within another");
  EXPECT_CONTAINS(refusal_of_setting("x=" + nested), "expected at most 16 brackets");
  EXPECT_EQ(refusal(std::string((1U << 20U) + 1, '#')),
            "dir/small.toml: expected at most 1048576 bytes, got 1048577");
  std::string layers = "\"relu\"";
  for (int i = 0; i < 7000; ++i) layers += ", \"relu\"";
  EXPECT_CONTAINS(refusal("data = \"mnist\"\ninput = [4]\nlayers = [" + layers + "]"),
                  "layers: written out they take 70035 bytes, expected at most 65536");
}

TEST(Recipe, ANameThatIsNotUtf8CanBeReadBack) {
  const Recipe recipe = parse_recipe(kSmall, "dir/x\xFFy.toml");
  EXPECT_EQ(recipe.name, "x\xEF\xBF\xBDy");
  EXPECT_EQ(parse_recipe(to_toml(recipe), "recipe.toml"), recipe);
  Recipe described = recipe;
  described.description = "\xC3(";
  EXPECT_EQ(parse_recipe(to_toml(described), "recipe.toml").description, "\xEF\xBF\xBD(");
}

TEST(Recipe, StepsOrEpochsButNotBoth) {
  EXPECT_EQ(refusal_of_line("steps = 7\nepochs = 2"),
            "dir/small.toml:9:10: epochs: expected at most one of 'steps' and 'epochs'");
  const Recipe epochs = parse(std::string(kSmall) + "steps = 7\nbatch = 30", {"epochs=3"});
  EXPECT_EQ(epochs.epochs, 3U);
  const Recipe resolved = resolve(epochs, 100);
  EXPECT_EQ(resolved.options.steps, 12U);
  EXPECT_EQ(resolved.epochs, 0U);
  EXPECT_EQ(resolve(resolved, 999), resolved);
  EXPECT_EQ(parse(std::string(kSmall) + "epochs = 7", {"steps=5"}).options.steps, 5U);
}

TEST(Recipe, SaysHowItDescends) {
  const TrainOptions options =
      parse(
          "data = \"mnist\"\ninput = [4]\nlayers = [\"relu\"]\n"
          "optimizer = { kind = \"adamw\", beta1 = 0.5, weight_decay = 0.25 }\n"
          "schedule = { kind = \"one_cycle\", rise = 0.5 }\nwarmup = 7\n"
          "clipping = { kind = \"global_norm\", limit = 3 }\n"
          "weight_decay = { kind = \"l2\", rate = 0.5 }\nno_decay = [\"dense1\", \"bias\"]\n")
          .options;
  EXPECT_EQ(options.optimizer, Optimizer(AdamW{.beta1 = 0.5F, .weight_decay = 0.25F}));
  EXPECT_EQ(options.schedule, Schedule(OneCycle{.rise = 0.5F}));
  EXPECT_EQ(options.warmup, 7U);
  EXPECT_EQ(options.clipping, Clipping(ClipByGlobalNorm{3.0F}));
  EXPECT_EQ(options.weight_decay, WeightDecay(L2Decay{0.5F}));
  EXPECT_EQ(options.no_decay, (std::vector<std::string>{"dense1", "bias"}));
  EXPECT_CONTAINS(refusal_of_line("no_decay = [1]"), "8:13: no_decay[0]: expected a string, got 1");
  EXPECT_CONTAINS(refusal_of_line("no_decay = \"bias\""), "expected an array of strings");
  EXPECT_CONTAINS(refusal_of_line("schedule = \"cosin\""), "did you mean 'cosine'?");
  EXPECT_CONTAINS(refusal_of_line("schedule = { kind = \"step\", factor = 0 }"),
                  "schedule.factor: expected a float32 number in (0, 1], got 0");
}

TEST(FindRecipe, ByPathOrByNameInTheFirstFolderThatHasIt) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a");
  std::filesystem::create_directories(folder / "b");
  write_file(folder / "b/two-layer.toml", "");
  write_file(folder / "b/notes.txt", "");
  const std::vector<std::filesystem::path> folders{folder / "none", folder / "a", folder / "b"};
  EXPECT_EQ(find_recipe("two-layer", folders), folder / "b/two-layer.toml");
  write_file(folder / "a/two-layer.toml", "");
  EXPECT_EQ(find_recipe("two-layer", folders), folder / "a/two-layer.toml");
  const std::string path = folder / "a/two-layer.toml";
  EXPECT_EQ(find_recipe(path, {}), path);
  EXPECT_EQ(message_of<InvalidArgument>([&] { find_recipe("two-layers", folders); }),
            "unknown recipe 'two-layers'; did you mean 'two-layer'?");
  EXPECT_EQ(message_of<InvalidArgument>([&] { find_recipe("./x.toml", folders); }),
            "recipe ./x.toml: no such file");
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { find_recipe("x", {}); }),
                  "unknown recipe 'x', and no folder with recipes was found");
}

}  // namespace
}  // namespace gradatim
