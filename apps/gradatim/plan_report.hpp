#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "gradatim/train/recipe.hpp"

namespace gradatim::app {

/// The plan of a recipe's training step: its layers, where their values lie, and how much memory it
/// takes. `subject` names a recipe, its file or a run's folder; the settings replace values of it.
/// Throws as find_recipe, read_recipe, require_memory and Program.
nlohmann::ordered_json plan_of(const std::string& subject, std::span<const Setting> settings);

void print_plan(const nlohmann::ordered_json& plan);

}  // namespace gradatim::app
