#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gradatim/data/dataset.hpp"
#include "gradatim/io/plot.hpp"
#include "gradatim/train/recipe.hpp"
#include "gradatim/train/search.hpp"

namespace gradatim {

/// All that decides the outcome of a search: what a search folder keeps in search.json.
struct SearchDescription {
  Recipe recipe;                  // of every trial before its own settings; resolved
  std::vector<std::string> keys;  // "optimizer.learning_rate=log(1e-4, 1e-1)"
  SearchOptions options;          // but for threads
  std::string data_sha256{};      // see data_sha256()
};

/// Writes search.json into the folder. Throws DataError.
void save_search(const std::filesystem::path& folder, const SearchDescription& description);
/// Throws DataError if the folder is no search, or search.json can't be read.
SearchDescription load_search(const std::filesystem::path& folder);

/// What the keys of a description parse to. Throws as parse_search_key, and InvalidArgument if
/// there is none.
std::vector<SearchKey> search_keys(const SearchDescription& description);

/// The recipe of a trial. Throws as parse_recipe; errors name the trial and the setting.
Recipe trial_recipe(const SearchDescription& description, const Trial& trial);

/// Throws InvalidArgument if the data have no validation samples: a search that chose by the test
/// samples would have learnt them; as train() if neither the recipe nor any trial fits the data.
void check_search(const SearchDescription& description, const Dataset& data);

/// Trains trials one by one in FOLDER/trials/N, on one thread each, and scores them on
/// data.validation: by the figure that says most (figures()), the higher the better. A trial leaves
/// a checkpoint and scores.json behind, so that it goes on where it was left, in a later rung or by
/// a later process; a rung that is already scored is not trained again.
class TrialTrainer {
 public:
  /// Throws as check_search. `stop`, asked at each step, ends a training at once.
  TrialTrainer(std::filesystem::path folder, const SearchDescription& description,
               const Dataset& data, std::function<bool()> stop);

  /// See TrainTrial. A network that does not fit and a loss that is not finite are the trial's
  /// failure; DataError is thrown if files can't be written.
  std::optional<TrialScore> operator()(const Trial& trial, std::size_t steps) const;

 private:
  std::filesystem::path folder_;
  const SearchDescription& description_;
  const Dataset& data_;
  std::function<bool()> stop_;
};

/// Writes trials.csv (a row a trial, the best first) and, where a trial was scored, best.toml: the
/// best one's recipe, which `gradatim train` takes. Throws DataError.
void save_trials(const std::filesystem::path& folder, const SearchDescription& description,
                 const std::vector<Trial>& trials);

/// Beside each other: the scores of the trials against the steps they were trained to, the best of
/// them named, and against the first two keys. `history` holds each trial as it was at each of its
/// rungs.
Plot search_plot(const SearchDescription& description, const std::vector<Trial>& history);

}  // namespace gradatim
