// What to_toml writes reads back as the same recipe.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>

#include "gradatim/core/random.hpp"
#include "train/recipe_text.hpp"

namespace gradatim {
namespace {

using test::kSmall;
using test::parse;

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
    const std::array<Layer, 18> all{
        Dense{1 + below(1000), initializer(), initializer()},
        Sigmoid{},
        Relu{},
        Tanh{},
        Softmax{},
        LeakyRelu{random_float(word())},
        Gelu{},
        Silu{},
        Softplus{},
        Flatten{},
        Conv2d{1 + below(9), 1 + below(9), 1 + below(9), below(9), 1 + below(9), initializer(),
               initializer()},
        MaxPool2d{1 + below(9), 1 + below(9), below(9)},
        AvgPool2d{1 + below(9), 1 + below(9), below(9)},
        GlobalAvgPool{},
        Dropout{0.75F},
        Residual{1 + below(9)},
        LayerNorm{random_float(word())},
        BatchNorm{random_float(word()), static_cast<float>(below(256)) / 256}};
    recipe.network.layers.push_back(all[below(18)]);
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
  recipe.options.augmentation = {fraction(), fraction(), fraction(),
                                 fraction(), fraction(), 1 + fraction()};
  recipe.options.evaluation.train_samples = below(9);
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
augmentation = { shift = 0.0, rotate = 0.0, scale = 0.0, flip = 0.0, erase = 0.0, erase_size = 8.0 }
evaluation = { train_samples = 0 }
checkpoints = { every = 0, keep = 2 }
)");
}

}  // namespace
}  // namespace gradatim
