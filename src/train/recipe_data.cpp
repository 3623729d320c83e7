#include "gradatim/train/recipe_data.hpp"

#include <filesystem>
#include <utility>
#include <vector>

#include "gradatim/data/hold_out.hpp"
#include "gradatim/train/scores.hpp"

namespace gradatim {
namespace {

TableTargets targets_for(const Loss& loss) {
  if (std::holds_alternative<BinaryCrossEntropy>(loss)) return TableTargets::answers;
  const bool of_classes = std::holds_alternative<SoftmaxCrossEntropy>(loss) ||
                          std::holds_alternative<CrossEntropy>(loss);
  return of_classes ? TableTargets::classes : TableTargets::values;
}

Dataset load(const Recipe& recipe, const DataPaths& paths) {
  if (!is_table(recipe.data)) return load_dataset(recipe.data, paths);
  std::filesystem::path file = recipe.data;
  if (const auto chosen = paths.chosen / file;
      !std::filesystem::exists(file) && !paths.chosen.empty() && std::filesystem::exists(chosen))
    file = chosen;
  return dataset_of(read_table(file), recipe.table, targets_for(recipe.options.loss),
                    recipe.options.seed);
}

void scale(Dataset& data, std::vector<Column> Columns::*columns, Tensor Split::*values,
           const Columns& scaling) {
  if ((data.train.*values).size() == 0) return;
  data.columns.*columns = !(scaling.*columns).empty()
                              ? scaling.*columns
                              : measured(std::move(data.columns.*columns), data.train.*values);
  for (Split* split : {&data.train, &data.validation, &data.test})
    if ((split->*values).size() != 0) apply_scaling(data.columns.*columns, (split->*values).view());
}

}  // namespace

bool is_table(std::string_view data) { return data.ends_with(".csv"); }

Dataset load_recipe_data(const Recipe& recipe, const DataPaths& paths, const Columns& scaling) {
  Dataset data = hold_out(load(recipe, paths), recipe.validation, recipe.options.seed);
  scale(data, &Columns::features, &Split::features, scaling);
  if (target_kind(recipe.options.loss, data.train) == TargetKind::values)
    scale(data, &Columns::targets, &Split::targets, scaling);
  return data;
}

}  // namespace gradatim
