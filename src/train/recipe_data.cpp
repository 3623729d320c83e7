#include "gradatim/train/recipe_data.hpp"

#include <filesystem>

#include "gradatim/data/hold_out.hpp"

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

}  // namespace

bool is_table(std::string_view data) { return data.ends_with(".csv"); }

Dataset load_recipe_data(const Recipe& recipe, const DataPaths& paths,
                         const std::vector<Feature>& scaling) {
  Dataset data = hold_out(load(recipe, paths), recipe.validation, recipe.options.seed);
  if (data.features.empty()) return data;
  data.features = scaling.empty() ? scaling_of(data) : scaling;
  for (Split* split : {&data.train, &data.validation, &data.test})
    apply_scaling(data.features, split->features);
  return data;
}

}  // namespace gradatim
