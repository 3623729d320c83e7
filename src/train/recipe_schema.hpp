#pragma once

#include "gradatim/train/recipe.hpp"
#include "train/recipe_network.hpp"
#include "train/recipe_training.hpp"

// The keys of a recipe, each in one place for reading and for writing. A visitor (RecipeReader,
// RecipeWriter) is shown every key with the value it stands for and the range it must lie in.
//
// A new layer, loss, optimizer or initialiser needs: its alternative in the variant and its name in
// kind(), and, if it has options, a describe() in recipe_network.hpp or recipe_training.hpp.
namespace gradatim::detail {

template <class Visitor>
void describe(Visitor& v, Recipe& recipe) {
  v.field("name", recipe.name);
  v.field("description", recipe.description);
  v.required("data", recipe.data);
  v.table("table", recipe.table);
  describe(v, recipe.network);
  v.field("loss", recipe.options.loss);
  v.field("gradient", recipe.options.gradient);
  v.field("optimizer", recipe.options.optimizer);
  v.field("schedule", recipe.options.schedule);
  v.field("warmup", recipe.options.warmup, kWhole);
  v.field("clipping", recipe.options.clipping);
  v.field("weight_decay", recipe.options.weight_decay);
  v.field("no_decay", recipe.options.no_decay);
  v.field("batch", recipe.options.batch, kCount);
  v.field("accumulation", recipe.options.accumulation, kCount);
  v.either("steps", recipe.options.steps, "epochs", recipe.epochs, kCount);
  v.field("sampling", recipe.options.sampling);
  v.field("seed", recipe.options.seed, kSeed);
  describe_training(v, recipe);
}

}  // namespace gradatim::detail
