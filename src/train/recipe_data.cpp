#include "gradatim/train/recipe_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/data/hold_out.hpp"
#include "train/recipe_writer.hpp"

namespace gradatim {
namespace {

TableTargets targets_for(const Loss& loss) {
  if (std::holds_alternative<BinaryCrossEntropy>(loss)) return TableTargets::answers;
  const bool of_classes = std::holds_alternative<SoftmaxCrossEntropy>(loss) ||
                          std::holds_alternative<CrossEntropy>(loss);
  return of_classes ? TableTargets::classes : TableTargets::values;
}

std::filesystem::path table_file(const Recipe& recipe, const DataPaths& paths) {
  std::filesystem::path file = recipe.data;
  if (const auto chosen = paths.chosen / file;
      !std::filesystem::exists(file) && !paths.chosen.empty() && std::filesystem::exists(chosen))
    return chosen;
  return file;
}

Dataset load(const Recipe& recipe, const DataPaths& paths) {
  if (!is_table(recipe.data)) return load_dataset(recipe.data, paths);
  return dataset_of(read_table(table_file(recipe, paths)), recipe.table,
                    targets_for(recipe.options.loss), recipe.options.seed);
}

std::string names_of(const std::vector<Column>& columns) {
  std::string names;
  for (const Column& column : columns)
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", column.name);
  return names.empty() ? "none" : names;
}

void check_names(const Dataset& data, std::string_view of, const std::vector<Column>& found,
                 const std::vector<Column>& trained) {
  if (!std::ranges::equal(found, trained, {}, &Column::name, &Column::name))
    throw InvalidArgument(
        fmt::format("{}: expected the {} that the model was trained on ({}), got {}", data.name, of,
                    names_of(trained), names_of(found)));
}

void scale(Dataset& data, Tensor Split::*values, const std::vector<Column>& columns) {
  for (Split* split : {&data.train, &data.validation, &data.test})
    if ((split->*values).size() != 0) apply_scaling(columns, (split->*values).view());
}

}  // namespace

bool is_table(std::string_view data) { return data.ends_with(".csv"); }

Recipe with_absolute_table(Recipe recipe, const DataPaths& paths) {
  if (!is_table(recipe.data)) return recipe;
  const std::string file =
      std::filesystem::absolute(table_file(recipe, paths)).lexically_normal().string();
  if (detail::as_utf8(file) == file) recipe.data = file;  // else a recipe can't hold it
  return recipe;
}

Dataset load_recipe_data(const Recipe& recipe, const DataPaths& paths, const Columns* trained) {
  Dataset data = hold_out(load(recipe, paths), recipe.validation, recipe.options.seed);
  Columns& columns = data.columns;
  if (trained != nullptr) {
    check_names(data, "features", columns.features, trained->features);
    check_names(data, "targets", columns.targets, trained->targets);
    columns = *trained;
  } else {
    if (!columns.features.empty())
      columns.features = measured(std::move(columns.features), data.train.features);
    if (!columns.targets.empty() && targets_for(recipe.options.loss) == TableTargets::values)
      columns.targets = measured(std::move(columns.targets), data.train.targets);
  }
  if (!columns.features.empty()) scale(data, &Split::features, columns.features);
  if (!columns.targets.empty()) scale(data, &Split::targets, columns.targets);
  return data;
}

}  // namespace gradatim
