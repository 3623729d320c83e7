// Settings that replace values of a recipe: --set.
#include <gtest/gtest.h>

#include "train/recipe_text.hpp"

namespace gradatim {
namespace {

using test::kSmall;
using test::parse;
using test::refusal_of_setting;

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

TEST(Setting, TakesPlacesAsMessagesNameThem) {
  EXPECT_EQ(parse(kSmall, {"layers[0].units=100"}), parse(kSmall, {"layers.0.units=100"}));
  EXPECT_CONTAINS(refusal_of_setting("layers[].units=1"), "layers[].units=1: ");
  EXPECT_CONTAINS(refusal_of_setting("layers[0=1"), "layers[0=1: ");
}

TEST(Setting, NeedsAValue) {
  for (const char* text : {"data=", "name= "})
    EXPECT_CONTAINS(refusal_of_setting(text), ": expected a value behind '='") << text;
}

TEST(Setting, TakesTheBeginningOfAFirstWordThatIsClear) {
  const Recipe expected = parse(kSmall, {"optimizer.learning_rate=0.05", "batch=7"});
  EXPECT_EQ(parse(kSmall, {"optim.learning_rate=0.05", "batc=7"}), expected);
  EXPECT_EQ(parse(kSmall, {" optim . 'learning_rate' = 0.05", "\"batch\"=7"}), expected);
  EXPECT_CONTAINS(refusal_of_setting("bat=7"), "bat: unknown key; did you mean 'batch'?");
  EXPECT_CONTAINS(refusal_of_setting("optimiser.kind=sgd"), "did you mean 'optimizer'?");
}

TEST(Setting, SetsOneKey) {
  for (const char* text : {"#batch=5", "[optimizer]#=1", "batch\n=1"})
    EXPECT_CONTAINS(refusal_of_setting(text), ": expected key=value") << text;
  EXPECT_CONTAINS(refusal_of_setting("optimizer.learning_rate=log(1e-4,1)"),
                  "; ranges of values are for `gradatim search`");
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

}  // namespace
}  // namespace gradatim
