#include "gradatim/train/search_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "gradatim/core/error.hpp"
#include "gradatim/core/number_text.hpp"
#include "gradatim/io/csv.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/run_folder.hpp"

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
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    throw DataError(fmt::format("search {}: no such folder", folder.string()));
  if (is_run_folder(folder) && !std::filesystem::exists(file))
    throw DataError(fmt::format(
        "search {}: no search, it has no search.json; it is a run, which `train --resume` goes on "
        "with",
        folder.string()));
  try {
    const auto json = nlohmann::json::parse(read_file(file));
    for (const char* count : {"trials", "steps", "factor", "rungs", "seed"})
      if (!json.at(count).is_number_unsigned())
        throw DataError(fmt::format("{}: expected a whole number of {}, got {}", file.string(),
                                    count, json.at(count).dump()));
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
  } catch (const nlohmann::json::exception&) {
    throw DataError(fmt::format(
        "{}: it is damaged, or no description of a search; begin the search anew", file.string()));
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
  if (!is_scored(best)) return;
  Recipe recipe = trial_recipe(description, best);
  recipe.description =
      fmt::format("Trial {} of {}, the best of a search", best.number, trials.size());
  write_file(folder / "best.toml", to_toml(recipe));
}

namespace {

constexpr std::size_t kNamedTrials = 6;  // in the legend, each in a colour of its own

// What is known last of each trial that has a score, the best first.
std::vector<const Trial*> ranked(const std::vector<Trial>& history) {
  std::map<std::size_t, const Trial*> last;
  for (const Trial& trial : history)
    if (trial.result.failure.empty()) last[trial.number] = &trial;
  std::vector<const Trial*> trials;
  for (const auto& [number, trial] : last) trials.push_back(trial);
  std::ranges::sort(trials, [](const Trial* a, const Trial* b) { return is_better(*a, *b); });
  return trials;
}

Panel panel_by_steps(const std::vector<Trial>& history, const std::vector<const Trial*>& best) {
  std::map<std::size_t, Series> lines;
  for (const Trial& trial : history) {
    if (!trial.result.failure.empty()) continue;
    Series& line = lines[trial.number];
    line.x.push_back(static_cast<double>(trial.steps));
    line.y.push_back(trial.result.score);
  }
  Panel panel{.title = "validation score of each trial",
              .x_label = "steps",
              .y_label = "score",
              .logarithmic_x = true,
              .legend = Legend::outside};
  for (std::size_t rank = kNamedTrials; rank < best.size(); ++rank) {  // below the named
    Series& line = lines[best[rank]->number];
    line.style = line.x.size() > 1 ? LineStyle::thin : LineStyle::points;
    panel.series.push_back(std::move(line));
  }
  for (std::size_t rank = 0; rank < std::min(kNamedTrials, best.size()); ++rank) {
    Series& line = lines[best[rank]->number];
    line.style = LineStyle::line_with_points;
    line.color = static_cast<int>(rank);
    line.label = fmt::format("trial {}", best[rank]->number);
    panel.series.push_back(std::move(line));
  }
  return panel;
}

// Where a trial's value of a key is drawn: the place of a choice among its values, else the number.
double place_of(const SearchKey& key, const std::string& value) {
  const auto* const choice = std::get_if<ChoiceValues>(&key.values);
  if (choice == nullptr) return number_in<double>(value).value_or(std::nan(""));
  return static_cast<double>(std::ranges::find(choice->values, value) - choice->values.begin());
}

Panel panel_by_value(const SearchKey& key, std::size_t k, const std::vector<const Trial*>& best) {
  Panel panel{.title = key.key,
              .x_label = "value",
              .y_label = "score",
              .logarithmic_x = std::holds_alternative<LogUniformValues>(key.values),
              .legend = Legend::outside};
  if (const auto* const choice = std::get_if<ChoiceValues>(&key.values)) {
    panel.x_names = choice->values;
    panel.x_range = {-0.5, static_cast<double>(choice->values.size()) - 0.5};
  }
  std::map<std::size_t, Series> rungs;
  for (const Trial* const trial : best) {
    Series& points = rungs[trial->steps];
    points.x.push_back(place_of(key, value_of(trial->settings[k])));
    points.y.push_back(trial->result.score);
  }
  for (auto& [steps, points] : rungs) {
    points.label = fmt::format("{} steps", steps);
    points.style = LineStyle::points;
    points.color = static_cast<int>(panel.series.size());
    panel.series.push_back(std::move(points));
  }
  return panel;
}

}  // namespace

Plot search_plot(const SearchDescription& description, const std::vector<Trial>& history) {
  constexpr std::size_t kPanels = 3;
  const std::vector<const Trial*> best = ranked(history);
  Plot plot{
      .title = fmt::format("search of {} on {}", description.recipe.name, description.recipe.data),
      .panels = {panel_by_steps(history, best)}};
  const std::vector<SearchKey> keys = search_keys(description);
  for (std::size_t k = 0; k < keys.size() && plot.panels.size() < kPanels; ++k)
    plot.panels.push_back(panel_by_value(keys[k], k, best));
  return plot;
}

}  // namespace gradatim
