#include "gradatim/train/recipe.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "gradatim/core/random.hpp"
#include "gradatim/io/file.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

constexpr std::string_view kSmall = R"(data = "mnist"
input = [4]
layers = [
  { kind = "dense", units = 3 },
  "sigmoid",
]
optimizer = { kind = "momentum", learning_rate = 0.5, momentum = 0.25 }
)";

Recipe parse(std::string_view text, const std::vector<std::string>& settings = {}) {
  std::vector<Setting> list;
  list.reserve(settings.size());
  for (const std::string& setting : settings) list.push_back({setting, "--set " + setting});
  return parse_recipe(text, "dir/small.toml", list);
}

std::string refusal(std::string_view text, const std::vector<std::string>& settings = {}) {
  return message_of<InvalidArgument>([&] { parse(text, settings); });
}

std::string refusal_of_line(std::string_view line) {
  return refusal(std::string(kSmall) + std::string(line));
}

std::string refusal_of_setting(const std::string& setting) { return refusal(kSmall, {setting}); }

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
  EXPECT_EQ(refusal("data = \"mnist\"\ninput = [4]\nlayers = [{ kind = \"dense\", unit = 3, "
                    "units = 3 }]"),
            "dir/small.toml:3:29: layers[0].unit: unknown key; did you mean 'units'?");
  EXPECT_EQ(
      refusal("data = \"mnist\"\ninput = [4]\nlayers = [\"relu\", \"sigmod\"]"),
      "dir/small.toml:3:19: layers[1]: unknown name 'sigmod'; did you mean 'sigmoid'? "
      "(one of dense, sigmoid, relu, tanh, softmax, leaky_relu, gelu, silu, softplus, flatten, "
      "conv2d, max_pool2d, avg_pool2d, global_avg_pool)");
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
                  "3:10: layers: expected an array of at least one layer, got an array");
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
    EXPECT_EQ(refusal(kSmall, {deep + "=1"}), "--set " + deep + "=1: " + message);
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
    EXPECT_CONTAINS(refusal(before + "\n" + deep), "at most 16 dotted parts") << before;
    EXPECT_CONTAINS(refusal(before + "\ny = 1\n" + std::string(kSmall)), "unknown key") << before;
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

TEST(Setting, ReplacesValuesAnywhere) {
  const Recipe recipe = parse(
      kSmall, {"optimizer.learning_rate=0.05", "batch=7", "data=fashion-mnist", "name=\"a b\"",
               "layers.0.units=100", "layers.0.weight.kind=xavier", "layers.1=tanh", "input=[9]"});
  EXPECT_EQ(recipe.options.optimizer, Optimizer(Momentum{0.05F, 0.25F}));
  EXPECT_EQ(recipe.options.batch, 7U);
  EXPECT_EQ(recipe.data, "fashion-mnist");
  EXPECT_EQ(recipe.name, "a b");
  EXPECT_EQ(parse(kSmall, {"name=007"}).name, "007");
  EXPECT_EQ(parse(kSmall, {"optimizer.learning_rate=99999999999999999999"}).options.optimizer,
            Optimizer(Momentum{1e20F, 0.25F}));
  EXPECT_EQ(recipe.network, Network({9}, {Dense{100, Xavier{}}, Tanh{}}));
}

TEST(Setting, ExpandsAKindThatWasAWordAlone) {
  EXPECT_EQ(parse(kSmall, {"loss=cross_entropy", "loss.epsilon=0.5"}).options.loss,
            Loss(CrossEntropy{0.5F}));
  EXPECT_EQ(parse(kSmall, {"layers.1.kind=dense", "layers.1.units=4"}).network.layers[1],
            Layer(Dense{4}));
}

TEST(Setting, AnotherKindClearsTheOptionsOfTheOneBefore) {
  EXPECT_EQ(parse(kSmall, {"optimizer.kind=sgd"}).options.optimizer, Optimizer(Sgd{}));
  EXPECT_EQ(parse(kSmall, {"optimizer.learning_rate=2", "optimizer.kind=sgd"}).options.optimizer,
            Optimizer(Sgd{2.0F}));
  EXPECT_EQ(parse(kSmall, {"optimizer.kind=momentum"}).options.optimizer,
            Optimizer(Momentum{0.5F, 0.25F}));
}

TEST(Setting, ErrorsNameItAndNotTheFile) {
  EXPECT_EQ(refusal_of_setting("optimizer.learning_rat=0.05"),
            "--set optimizer.learning_rat=0.05: optimizer.learning_rat: unknown key; did you mean "
            "'learning_rate'?");
  EXPECT_EQ(refusal_of_setting("batch=0"),
            "--set batch=0: batch: expected an integer in [1, 4294967295], got 0");
  EXPECT_EQ(refusal_of_setting("batch"), "--set batch: expected key=value");
  EXPECT_EQ(refusal_of_setting("=3"), "--set =3: expected key=value");
  EXPECT_CONTAINS(refusal_of_setting("batch="), "--set batch=: ");
  EXPECT_CONTAINS(refusal_of_setting("batch=[1"), "--set batch=[1: ");
  EXPECT_CONTAINS(refusal_of_setting("a b=1"), "--set a b=1: ");
  EXPECT_EQ(refusal_of_setting("layers.2.units=1"),
            "--set layers.2.units=1: layers: expected an index below 2, got '2'");
  EXPECT_CONTAINS(refusal_of_setting("layers.x.units=1"), "expected an index below 2, got 'x'");
  EXPECT_CONTAINS(refusal_of_setting("batch.size=1"), "--set batch.size=1: batch: expected");
  EXPECT_CONTAINS(refusal_of_setting("batch=1\nseed=2"), "expected key=value");
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

// ---- parse(to_toml(r)) == r

float random_float(std::uint32_t word) {
  const auto value = std::bit_cast<float>(word & 0x7FFFFFFFU);  // not negative
  return std::isfinite(value) && value > 0 ? value : 0.5F;
}

Recipe random_recipe(std::uint64_t seed) {
  std::uint32_t drawn = 0;
  const auto word = [&] { return philox({.seed = seed}, drawn++)[0]; };
  const auto below = [&](std::uint32_t n) { return word() % n; };
  const auto initializer = [&]() -> Initializer {
    const std::array<Initializer, 5> all{Gaussian{random_float(word())}, Xavier{}, He{}, Zeros{},
                                         Automatic{}};
    return all[below(5)];
  };
  Recipe recipe;
  for (std::uint32_t i = below(20); i > 0; --i) recipe.name += static_cast<char>(below(128));
  recipe.description = "\xC3\xA9 \"\\ #'";
  recipe.data = "mnist";
  std::vector<std::size_t> extents(1 + below(6));
  for (auto& extent : extents) extent = 1 + below(9);
  recipe.network.input = Shape(extents);
  for (std::uint32_t i = below(5) + 1; i > 0; --i) {
    const std::array<Layer, 14> all{Dense{1 + below(1000), initializer(), initializer()},
                                    Sigmoid{},
                                    Relu{},
                                    Tanh{},
                                    Softmax{},
                                    LeakyRelu{random_float(word())},
                                    Gelu{},
                                    Silu{},
                                    Softplus{},
                                    Flatten{},
                                    Conv2d{1 + below(9), 1 + below(9), 1 + below(9), below(9),
                                           1 + below(9), initializer(), initializer()},
                                    MaxPool2d{1 + below(9), 1 + below(9), below(9)},
                                    AvgPool2d{1 + below(9), 1 + below(9), below(9)},
                                    GlobalAvgPool{}};
    recipe.network.layers.push_back(all[below(14)]);
  }
  const std::array<Loss, 6> losses{SoftmaxCrossEntropy{0.25F}, CrossEntropy{0.125F},
                                   SumOfSquaredErrors{},       BinaryCrossEntropy{},
                                   MeanSquaredError{},         Huber{random_float(word())}};
  recipe.options.loss = losses[below(6)];
  const auto fraction = [&] { return static_cast<float>(below(1U << 24U)) * 0x1p-24F; };
  const float rate = random_float(word());
  const std::array<Optimizer, 8> optimizers{
      Sgd{rate},
      Momentum{rate, fraction()},
      Nesterov{rate, fraction()},
      AdaGrad{rate, fraction()},
      RmsProp{rate, fraction(), fraction()},
      Adam{rate, fraction(), fraction(), fraction()},
      AdamW{rate, fraction(), fraction(), fraction(), fraction()},
      Lion{rate, fraction(), fraction()}};
  recipe.options.optimizer = optimizers[below(8)];
  const std::array<Schedule, 5> schedules{
      ConstantSchedule{}, StepSchedule{1 + below(9), 0.5F}, ExponentialSchedule{1 + below(9), 1.0F},
      CosineSchedule{fraction()}, OneCycle{fraction(), fraction(), fraction()}};
  recipe.options.schedule = schedules[below(5)];
  recipe.options.warmup = below(1000);
  const std::array<Clipping, 3> clippings{NoClipping{}, ClipByValue{rate}, ClipByGlobalNorm{rate}};
  recipe.options.clipping = clippings[below(3)];
  const std::array<WeightDecay, 3> decays{NoDecay{}, L2Decay{rate}, DecoupledDecay{fraction()}};
  recipe.options.weight_decay = decays[below(3)];
  if (below(2) == 0) recipe.options.no_decay = {"dense1", "\"quoted\""};
  recipe.options.batch = 1 + below(1000);
  recipe.options.sampling = below(2) == 0 ? Sampling::with_replacement : Sampling::shuffled_epochs;
  recipe.options.seed = (static_cast<std::uint64_t>(word()) << 31U) ^ word();
  if (below(2) == 0) recipe.table = {.targets = {"y", "z"}, .ignore = {"a \"b\""}, .test = 0};
  if (below(2) == 0) recipe.validation.fraction = fraction();
  recipe.validation.count = below(9);
  recipe.options.accumulation = 1 + below(9);
  recipe.options.early_stopping = {below(9), fraction(),
                                   below(2) == 0 ? Monitor::loss : Monitor::score};
  recipe.options.average.decay = fraction();
  const std::array<ClassWeights, 3> weights{EqualClasses{}, BalancedClasses{},
                                            ListedClasses{{fraction(), 2.5F}}};
  recipe.options.class_weights = weights[below(3)];
  recipe.options.augmentation = {fraction(), fraction(), fraction(), fraction(), 1 + fraction()};
  recipe.options.checkpoints = {.every = below(9), .keep = 1 + below(9)};
  if (below(2) == 0)
    recipe.epochs = 1 + below(100);
  else
    recipe.options.steps = 1 + below(1'000'000);
  return recipe;
}

TEST(ToToml, ReadsBackAsTheSameRecipe) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const Recipe recipe = random_recipe(seed);
    const std::string text = to_toml(recipe);
    ASSERT_EQ(parse_recipe(text, "x.toml"), recipe) << seed << "\n" << text;
    ASSERT_EQ(parse_network(to_toml(recipe.network), "x"), recipe.network) << text;
  }
}

TEST(ToToml, ReadsWell) {
  EXPECT_EQ(to_toml(parse(kSmall, {"layers.0.weight=he"})), R"(name = "small"
description = ""
data = "mnist"
table = { targets = [], ignore = [], test = 0.2 }
input = [4]
layers = [
  { kind = "dense", units = 3, weight = "he", bias = "zeros" },
  "sigmoid",
]
loss = { kind = "softmax_cross_entropy", label_smoothing = 0.0 }
gradient = "backprop"
optimizer = { kind = "momentum", learning_rate = 0.5, momentum = 0.25 }
schedule = "constant"
warmup = 0
clipping = "none"
weight_decay = "none"
no_decay = ["bias"]
batch = 100
accumulation = 1
steps = 10000
sampling = "with_replacement"
seed = 1
validation = { fraction = 0.0, count = 0 }
early_stopping = { patience = 0, min_delta = 0.0, monitor = "loss" }
average = { decay = 0.0 }
class_weights = "equal"
augmentation = { shift = 0.0, rotate = 0.0, scale = 0.0, erase = 0.0, erase_size = 8.0 }
checkpoints = { every = 0, keep = 2 }
)");
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
