#include "gradatim/train/recipe_data.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

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
  const std::filesystem::path file = recipe.data;
  if (paths.chosen.empty() || std::filesystem::exists(file)) return file;
  for (const auto& moved : {paths.chosen / file, paths.chosen / file.filename()})
    if (std::filesystem::exists(moved)) return moved;
  return file;
}

void check_utf8(const TextTable& table, const Dataset& data, const TableOptions& options) {
  for (const auto* columns : {&data.columns.features, &data.columns.targets})
    for (const Column& column : *columns)
      if (detail::as_utf8(column.name) != column.name)
        throw DataError(fmt::format("{}:1: expected names in UTF-8, got the column '{}'",
                                    table.name, detail::as_utf8(column.name)));
  if (data.class_names.empty()) return;
  const auto column = static_cast<std::size_t>(
      std::ranges::find(table.columns, options.targets[0]) - table.columns.begin());
  for (std::size_t row = 0; row < table.rows(); ++row)
    if (const std::string& name = table.cell(row, column); detail::as_utf8(name) != name)
      throw DataError(fmt::format("{}:{}: row {}, column '{}': expected a name in UTF-8, got '{}'",
                                  table.name, table.lines[row], row + 1, options.targets[0],
                                  detail::as_utf8(name)));
}

Dataset load(const Recipe& recipe, const DataPaths& paths) {
  if (!is_table(recipe.data)) {
    if (recipe.table != TableOptions{})
      throw InvalidArgument(fmt::format(
          "table: its keys are of a table's file, as data = \"FILE.csv\", and the data are '{}'",
          recipe.data));
    return load_dataset(recipe.data, paths);
  }
  const TextTable table = read_table(table_file(recipe, paths));
  Dataset data =
      dataset_of(table, recipe.table, targets_for(recipe.options.loss), recipe.options.seed);
  check_utf8(table, data, recipe.table);
  return data;
}

// Labels become places in `classes`.
void number_as(Dataset& data, const std::vector<std::string>& classes) {
  if (data.class_names == classes || data.class_names.empty() || classes.empty()) return;
  std::vector<std::int32_t> numbers;
  for (const std::string& name : data.class_names) {
    const auto found = std::ranges::find(classes, name);
    if (found == classes.end())
      throw InvalidArgument(
          fmt::format("{}: expected the classes that the model was trained on ('{}'), got '{}'",
                      data.name, fmt::join(classes, "', '"), name));
    numbers.push_back(static_cast<std::int32_t>(found - classes.begin()));
  }
  for (Split* split : {&data.train, &data.validation, &data.test})
    for (std::int32_t& label : split->labels) label = numbers[static_cast<std::size_t>(label)];
  data.class_names = classes;
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

Dataset load_recipe_data(const Recipe& recipe, const DataPaths& paths, const Model* trained) {
  Dataset data = hold_out(load(recipe, paths), recipe.validation, recipe.options.seed);
  Columns& columns = data.columns;
  if (trained != nullptr) {
    check_names(data, "features", columns.features, trained->columns.features);
    check_names(data, "targets", columns.targets, trained->columns.targets);
    columns = trained->columns;
    number_as(data, trained->class_names);
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

Recipe on_data(Recipe recipe, const std::string& data) {
  if (data.empty()) return recipe;
  recipe.data = data;
  if (!is_table(data)) recipe.table = {};
  return recipe;
}

}  // namespace gradatim
