#include "gradatim/train/search_folder.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "gradatim/core/error.hpp"
#include "gradatim/io/csv.hpp"
#include "gradatim/io/file.hpp"

namespace gradatim {
namespace {

std::string key_of(const Setting& setting) {
  return setting.text.substr(0, setting.text.find('='));
}

std::string value_of(const Setting& setting) {
  return setting.text.substr(setting.text.find('=') + 1);
}

// Keys that the trials of a search have in common.
void check_searchable(const SearchKey& key, const std::string& text) {
  const std::string_view section = std::string_view(key.key).substr(0, key.key.find('.'));
  const auto refuse = [&](std::string_view why) {
    throw InvalidArgument(fmt::format("search: '{}' can't be searched: {}", text, why));
  };
  if (section == "data" || section == "table" || section == "validation")
    refuse("all trials are trained and scored on the same samples");
  if (section == "seed")
    refuse("it chooses the validation samples too, and all trials are scored on the same");
  if (section == "steps" || section == "epochs")
    refuse("the rungs of the search decide how long a trial is trained");
}

}  // namespace

void save_search(const std::filesystem::path& folder, const SearchDescription& description) {
  const nlohmann::ordered_json json{
      {"recipe", to_toml(description.recipe)},
      {"name", description.recipe.name},
      {"keys", description.keys},
      {"trials", description.options.trials},
      {"steps", description.options.steps},
      {"factor", description.options.factor},
      {"rungs", description.options.most_rungs},
      {"seed", description.options.seed},
      {"data_sha256", description.data_sha256},
  };
  write_file(folder / "search.json", json.dump(2) + "\n");
}

SearchDescription load_search(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "search.json";
  try {
    const auto json = nlohmann::json::parse(read_file(file));
    SearchDescription description{
        .recipe = parse_recipe(json.at("recipe").get<std::string>(), file.string()),
        .keys = json.at("keys").get<std::vector<std::string>>(),
        .options = {.trials = json.at("trials").get<std::size_t>(),
                    .steps = json.at("steps").get<std::size_t>(),
                    .factor = json.at("factor").get<std::size_t>(),
                    .most_rungs = json.at("rungs").get<std::size_t>(),
                    .seed = json.at("seed").get<std::uint64_t>()},
        .data_sha256 = json.at("data_sha256").get<std::string>()};
    description.recipe.name = json.at("name").get<std::string>();
    return description;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

std::vector<SearchKey> search_keys(const SearchDescription& description) {
  std::vector<SearchKey> keys;
  for (const std::string& text : description.keys) {
    auto key = parse_search_key({.text = text, .origin = "--set " + text});
    if (!key) throw InvalidArgument(fmt::format("search: '{}' gives no range of values", text));
    check_searchable(*key, text);
    keys.push_back(*std::move(key));
  }
  if (keys.empty())
    throw InvalidArgument(
        "search: nothing to search; give a key a range: --set optimizer.learning_rate=log(1e-4,1)");
  require_distinct(keys);
  return keys;
}

Recipe trial_recipe(const SearchDescription& description, const Trial& trial) {
  Recipe recipe =
      parse_recipe(to_toml(description.recipe), description.recipe.name, trial.settings);
  recipe.options.steps = description.options.steps;
  recipe.epochs = 0;
  return recipe;
}

void save_trials(const std::filesystem::path& folder, const SearchDescription& description,
                 const std::vector<Trial>& trials) {
  std::vector<std::string> names{"trial", "steps", "score"};
  for (const Setting& setting : trials.front().settings) names.push_back(key_of(setting));
  names.emplace_back("failure");
  const std::filesystem::path temporary = folder / ".trials.csv.tmp";
  {
    CsvWriter table(temporary, std::vector<std::string_view>(names.begin(), names.end()));
    for (const Trial& trial : trials) {
      table.cell(trial.number).cell(trial.steps);
      if (trial.steps != 0)
        table.cell(trial.result.score);
      else
        table.blank();
      for (const Setting& setting : trial.settings) table.cell(value_of(setting));
      table.cell(trial.result.failure);
      table.end_row();
    }
    table.sync();
  }
  std::error_code error;
  std::filesystem::rename(temporary, folder / "trials.csv", error);
  if (error)
    throw DataError(fmt::format("write {}: {}", (folder / "trials.csv").string(), error.message()));
  const Trial& best = trials.front();
  if (best.steps == 0 || !best.result.failure.empty()) return;
  Recipe recipe = trial_recipe(description, best);
  recipe.description =
      fmt::format("Trial {} of {}, the best of a search", best.number, trials.size());
  write_file(folder / "best.toml", to_toml(recipe));
}

Plot search_plot(const SearchDescription& description, const std::vector<Trial>& history) {
  const auto scored = [](const Trial& trial) { return trial.result.failure.empty(); };
  Panel by_steps{.title = "validation score of each trial",
                 .x_label = "steps",
                 .y_label = "score",
                 .logarithmic_x = true,
                 .legend = Legend::outside};
  std::map<std::size_t, Series> lines;
  for (const Trial& trial : history) {
    if (!scored(trial)) continue;
    Series& line = lines[trial.number];
    line.style = LineStyle::line_with_points;
    line.color = static_cast<int>(trial.number);
    line.x.push_back(static_cast<double>(trial.steps));
    line.y.push_back(trial.result.score);
  }
  for (auto& [number, line] : lines) by_steps.series.push_back(std::move(line));
  Plot plot{
      .title = fmt::format("search of {} on {}", description.recipe.name, description.recipe.data),
      .panels = {std::move(by_steps)}};

  const std::vector<SearchKey> keys = search_keys(description);
  std::map<std::size_t, const Trial*> last;  // of each trial
  for (const Trial& trial : history)
    if (scored(trial)) last[trial.number] = &trial;
  for (std::size_t k = 0; k < keys.size() && plot.panels.size() < 3; ++k) {
    if (std::holds_alternative<ChoiceValues>(keys[k].values)) continue;
    Panel panel{.title = keys[k].key,
                .x_label = "value",
                .y_label = "score",
                .logarithmic_x = std::holds_alternative<LogUniformValues>(keys[k].values),
                .legend = Legend::outside};
    std::map<std::size_t, Series> rungs;
    for (const auto& [number, trial] : last) {
      Series& points = rungs[trial->steps];
      points.x.push_back(std::stod(value_of(trial->settings[k])));
      points.y.push_back(trial->result.score);
    }
    for (auto& [steps, points] : rungs) {
      points.label = fmt::format("{} steps", steps);
      points.style = LineStyle::points;
      points.color = static_cast<int>(panel.series.size());
      panel.series.push_back(std::move(points));
    }
    plot.panels.push_back(std::move(panel));
  }
  return plot;
}

}  // namespace gradatim
