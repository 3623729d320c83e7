#include "gradatim/train/recipe_data.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "gradatim/core/error.hpp"
#include "gradatim/data/generated.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/checkpoint.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

Recipe recipe_of(const std::string& data, const Loss& loss) {
  Recipe recipe;
  recipe.data = data;
  recipe.options.loss = loss;
  recipe.validation.fraction = 0.25F;
  return recipe;
}

void expect_scaled(ConstTensorView values, double tolerance) {
  for (std::size_t k = 0; k < values.row_size(); ++k) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < values.rows(); ++i)
      sum += values(i, k), squares += std::pow(values(i, k), 2);
    const auto rows = static_cast<double>(values.rows());
    EXPECT_NEAR(sum / rows, 0, tolerance);
    EXPECT_NEAR(squares / rows, 1, tolerance);
  }
}

Model model_of(const Columns& columns) {
  const Network network({1}, {Dense{1}});
  return {
      .network = network, .parameters = Parameters(parameter_layout(network)), .columns = columns};
}

TEST(RecipeData, ScalesFeaturesAndValuesByTheTrainingSamples) {
  const Dataset data = load_recipe_data(recipe_of("friedman1", MeanSquaredError{}));
  EXPECT_EQ(data.columns.targets[0].name, "y");
  expect_scaled(data.train.features, 1e-4);
  expect_scaled(data.train.targets, 1e-4);
  // The others by the same columns: near, not exact.
  for (const Split* split : {&data.validation, &data.test}) {
    expect_scaled(split->features, 0.1);
    expect_scaled(split->targets, 0.1);
  }
}

// Answers of yes and no, and distributions, are not numbers to come close to.
TEST(RecipeData, LeavesLabelsAndDistributionsAsTheyAre) {
  const Dataset discs = find_generated("discs")->make();
  for (const Loss& loss : {Loss(BinaryCrossEntropy{}), Loss(SoftmaxCrossEntropy{})}) {
    const Dataset data = load_recipe_data(recipe_of("discs", loss));
    EXPECT_EQ(data.test.targets, discs.test.targets);
    EXPECT_EQ(data.columns.targets[0], Column{"left"});
  }
}

TEST(RecipeData, TakesTheScalingOfATrainedModel) {
  const Recipe recipe = recipe_of("friedman1", MeanSquaredError{});
  Model trained = model_of(load_recipe_data(recipe).columns);
  trained.columns.targets[0].mean = 100;
  trained.columns.targets[0].deviation = 50;
  const Dataset data = load_recipe_data(recipe, {}, &trained);
  EXPECT_EQ(data.columns.targets, trained.columns.targets);
  const Dataset raw = find_generated("friedman1")->make();
  for (std::size_t i = 0; i < raw.test.size(); ++i)
    ASSERT_EQ(data.test.targets.values()[i], (raw.test.targets.values()[i] - 100) / 50);
}

TEST(RecipeData, RefusesOtherColumnsThanTheModelsWithBothLists) {
  const Recipe recipe = recipe_of("discs", BinaryCrossEntropy{});
  const auto refusal = [&](const Columns& columns) {
    const Model trained = model_of(columns);
    return test::message_of<InvalidArgument>([&] { load_recipe_data(recipe, {}, &trained); });
  };
  const Columns good = find_generated("discs")->make().columns;
  EXPECT_EQ(refusal({{{"y"}, {"x"}}, good.targets}),
            "discs: expected the features that the model was trained on ('y', 'x'), got 'x', 'y'");
  EXPECT_EQ(refusal({good.features, {}}),
            "discs: expected the targets that the model was trained on (none), got 'left', "
            "'right', 'below'");
  const Model trained = model_of(good);
  EXPECT_EQ(load_recipe_data(recipe, {}, &trained).columns.targets, good.targets);
}

// By the names of the model, of which a table may hold some only.
TEST(RecipeData, NumbersClassesAsTheModelDoes) {
  const test::TemporaryFolder folder;
  write_file(folder / "t.csv", "x,side\n1,right\n2,right\n3,above\n");
  Recipe recipe = recipe_of((folder / "t.csv").string(), SoftmaxCrossEntropy{});
  recipe.table = {.targets = {"side"}, .test = 0};
  recipe.validation = {};
  EXPECT_EQ(load_recipe_data(recipe).train.labels, (std::vector<std::int32_t>{1, 1, 0}));
  Model trained = model_of({{{"x"}}, {}});
  trained.class_names = {"above", "left", "right"};
  const Dataset data = load_recipe_data(recipe, {}, &trained);
  EXPECT_EQ(data.train.labels, (std::vector<std::int32_t>{2, 2, 0}));
  EXPECT_EQ(data.class_names, trained.class_names);
  trained.class_names = {"above", "left"};
  EXPECT_CONTAINS(
      test::message_of<InvalidArgument>([&] { load_recipe_data(recipe, {}, &trained); }),
      "expected the classes that the model was trained on ('above', 'left'), got 'right'");
}

TEST(RecipeData, RefusesNamesThatAModelCanNotHold) {
  const test::TemporaryFolder folder;
  Recipe recipe = recipe_of((folder / "t.csv").string(), SoftmaxCrossEntropy{});
  recipe.table = {.targets = {"side"}, .test = 0};
  recipe.validation = {};
  const auto refusal = [&](const char* text) {
    write_file(folder / "t.csv", text);
    return test::message_of<DataError>([&] { load_recipe_data(recipe); });
  };
  EXPECT_CONTAINS(refusal("x,side\n1,a\n2,f\xfcr\n"),
                  "t.csv:3: row 2, column 'side': expected a name in UTF-8");
  EXPECT_CONTAINS(refusal("\xfc,side\n1,a\n2,b\n"), "t.csv:1: expected names in UTF-8");
}

TEST(RecipeData, FindsATableThatHasMoved) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "there");
  write_file(folder / "there/t.csv", "x,y\n1,2\n2,3\n3,4\n");
  Recipe recipe = recipe_of((folder / "here/t.csv").string(), MeanSquaredError{});
  recipe.table = {.targets = {"y"}, .test = 0};
  recipe.validation = {};
  EXPECT_CONTAINS(test::message_of<DataError>([&] { load_recipe_data(recipe); }), "no such file");
  EXPECT_EQ(load_recipe_data(recipe, {.chosen = folder / "there"}).train.size(), 3U);
}

// Twice the targets are the same numbers once they are scaled; a run on them is another.
TEST(RecipeData, ItsHashTellsScalingsApart) {
  Dataset data = load_recipe_data(recipe_of("friedman1", MeanSquaredError{}));
  const std::string hash = data_sha256(data);
  data.columns.targets[0].deviation *= 2;
  EXPECT_NE(data_sha256(data), hash);
  data.columns.targets[0].deviation /= 2;
  EXPECT_EQ(data_sha256(data), hash);
  data.columns.features[3].name = "x5";
  EXPECT_NE(data_sha256(data), hash);
}

}  // namespace
}  // namespace gradatim
