#pragma once

#include <string_view>

#include "gradatim/data/catalogue.hpp"
#include "gradatim/train/model_file.hpp"
#include "gradatim/train/recipe.hpp"

namespace gradatim {

/// Whether a recipe's `data` names a file of comma-separated values: it ends in ".csv".
bool is_table(std::string_view data);

/// The recipe with its table file, found as load_recipe_data finds it, named from the root: so that
/// a run is resumed and evaluated from any folder.
Recipe with_absolute_table(Recipe recipe, const DataPaths& paths = {});

/// The data that a recipe is trained on: loaded, its validation samples held out, and its features,
/// and targets that are numbers to come close to, scaled: as the columns of the model `trained`, or
/// so that the training samples have mean 0 and deviation 1. Classes are numbered as the model's
/// outputs. A table file is looked for as it is named, then in paths.chosen, there by its file name
/// too: it may have moved. Throws as load_dataset, read_table, dataset_of and hold_out; DataError
/// that names the column and the row of a name that is not UTF-8, which a model can't hold;
/// InvalidArgument, with both lists, if the data have other columns than the model, or the same in
/// another order, or a class that it does not know, or if the recipe has keys of [table] and its
/// data are no table.
Dataset load_recipe_data(const Recipe& recipe, const DataPaths& paths = {},
                         const Model* trained = nullptr);

/// The recipe on other data, unless `data` is empty: keys of [table] go if those are no table.
Recipe on_data(Recipe recipe, const std::string& data);

}  // namespace gradatim
