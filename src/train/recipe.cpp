#include "gradatim/train/recipe.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/run_folder.hpp"
#include "train/recipe_reader.hpp"
#include "train/recipe_settings.hpp"
#include "train/recipe_writer.hpp"
#include "train/toml_document.hpp"

namespace gradatim {
namespace {

toml::table parse_document(std::string_view text, std::string_view name, std::size_t most_bytes) {
  try {
    return detail::parse_toml(text, name, most_bytes);
  } catch (const detail::TomlFault& fault) {
    const toml::source_region place{.begin = fault.where, .end = fault.where, .path = nullptr};
    throw InvalidArgument(fmt::format("{}: {}", detail::place_of(place, name), fault.what()));
  }
}

template <class Described>
void read_all(const toml::table& document, std::string_view name, Described& described) {
  detail::RecipeReader reader(document, document.source(), name, "");
  detail::describe(reader, described);
  reader.finish();
}

// A model file could not be loaded again whose network takes more.
void check_description(const Network& network, std::string_view name) {
  const std::size_t bytes = to_toml(network).size();
  if (bytes > detail::kLongestNetwork)
    throw InvalidArgument(
        fmt::format("{}: layers: written out they take {} bytes, expected at most {}", name, bytes,
                    detail::kLongestNetwork));
}

void check_recipe_file(const std::filesystem::path& given) {
  const auto refuse = [&given](std::string_view why) {
    throw InvalidArgument(fmt::format("recipe {}: {}", given.string(), why));
  };
  std::error_code ignored;
  if (!std::filesystem::exists(given, ignored)) refuse("no such file");
  if (given.extension() == ".safetensors")
    refuse("expected a recipe (.toml), got a model; a run is named by its folder");
  if (!std::filesystem::is_directory(given, ignored)) return;
  if (is_run_folder(given))
    refuse("expected a recipe, got the folder of a run, whose recipe is recipe.toml in it");
  refuse("expected a recipe, got a folder");
}

}  // namespace

Recipe parse_recipe(std::string_view text, std::string_view name,
                    std::span<const Setting> settings) {
  toml::table document = parse_document(text, name, detail::kLongestRecipe);
  detail::apply_settings(document, settings);
  Recipe recipe;
  recipe.name = detail::as_utf8(std::filesystem::path(name).stem().string());
  read_all(document, name, recipe);
  check_description(recipe.network, name);
  return recipe;
}

Recipe read_recipe(const std::filesystem::path& path, std::span<const Setting> settings) {
  return parse_recipe(read_file(path, detail::kLongestRecipe), path.string(), settings);
}

Network parse_network(std::string_view text, std::string_view name) {
  Network network;
  read_all(parse_document(text, name, detail::kLongestNetwork), name, network);
  return network;
}

Recipe resolve(Recipe recipe, std::size_t train_samples) {
  if (recipe.epochs == 0) return recipe;
  recipe.options.steps = std::exchange(recipe.epochs, 0) *
                         steps_per_epoch(train_samples, samples_per_step(recipe.options));
  return recipe;
}

std::filesystem::path find_recipe(std::string_view name_or_path,
                                  std::span<const std::filesystem::path> folders) {
  std::filesystem::path given(name_or_path);
  if (name_or_path.find('/') != std::string_view::npos || given.extension() == ".toml") {
    check_recipe_file(given);
    return given;
  }
  std::vector<std::string> names;
  for (const std::filesystem::path& folder : folders) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      if (entry.path().extension() != ".toml") continue;
      if (entry.path().stem() == given) return entry.path();
      names.push_back(entry.path().stem().string());
    }
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(given, ignored) || given.extension() == ".safetensors")
    check_recipe_file(given);
  if (names.empty())
    throw InvalidArgument(
        fmt::format("unknown recipe '{}', and no folder with recipes was found", name_or_path));
  std::ranges::sort(names);
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  throw InvalidArgument(
      fmt::format("unknown recipe '{}'{}", name_or_path, did_you_mean(name_or_path, candidates)));
}

}  // namespace gradatim
