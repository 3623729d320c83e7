#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/checkpoint.hpp"
#include "gradatim/train/search_folder.hpp"
#include "gradatim/train/train.hpp"
#include "train/fit.hpp"

namespace gradatim {
namespace {

// scores.json: what each rung that was reached came to.
struct RungScores {
  std::map<std::size_t, double> by_steps{};
  std::string failure{};
  bool ended = false;  // early stopping: there is nothing more to train

  std::optional<TrialScore> at(std::size_t steps) const {
    if (!failure.empty()) return TrialScore{.failure = failure};
    if (const auto found = by_steps.find(steps); found != by_steps.end())
      return TrialScore{.score = found->second, .failure = {}};
    if (ended) return TrialScore{.score = by_steps.rbegin()->second, .failure = {}};
    return std::nullopt;
  }
};

RungScores read_scores(const std::filesystem::path& file) {
  RungScores scores;
  if (!std::filesystem::exists(file)) return scores;
  try {
    const auto json = nlohmann::json::parse(read_file(file));
    for (const auto& rung : json.at("rungs")) {
      const auto& score = rung.at("score");
      scores.by_steps[rung.at("steps").get<std::size_t>()] =
          score.is_null() ? Scores::kNothing : score.get<double>();
    }
    scores.failure = json.at("failure").get<std::string>();
    scores.ended = json.at("ended").get<bool>();
  } catch (const nlohmann::json::exception&) {
    throw DataError(fmt::format(
        "{}: it is damaged, or holds no scores of a trial; without it the trial is scored anew",
        file.string()));
  }
  return scores;
}

// JSON has no number for what is not finite.
nlohmann::ordered_json score_json(double score) {
  return std::isfinite(score) ? nlohmann::ordered_json(score) : nlohmann::ordered_json(nullptr);
}

void write_scores(const std::filesystem::path& file, const RungScores& scores) {
  nlohmann::ordered_json rungs = nlohmann::ordered_json::array();
  for (const auto& [steps, score] : scores.by_steps)
    rungs.push_back({{"steps", steps}, {"score", score_json(score)}});
  write_file(
      file,
      nlohmann::ordered_json{{"rungs", rungs}, {"failure", scores.failure}, {"ended", scores.ended}}
              .dump() +
          "\n");
}

// Ends a training at the rung, or when the search is stopped, and keeps the newest checkpoint.
class TrialObserver final : public TrainObserver {
 public:
  TrialObserver(std::filesystem::path folder, std::string recipe, std::size_t rung,
                const std::function<bool()>& stop)
      : folder_(std::move(folder)), recipe_(std::move(recipe)), rung_(rung), stop_(stop) {}

  bool on_step(const StepRecord& record) override {
    reached_ = record.step >= rung_;
    return !reached_ && !stop_();
  }
  void on_checkpoint(const TrainState& state) override {
    save_checkpoint(folder_,
                    {.recipe = recipe_, .data_sha256 = {}, .metrics_bytes = 0, .state = state}, 1);
  }
  bool reached() const { return reached_; }

 private:
  std::filesystem::path folder_;
  std::string recipe_;
  std::size_t rung_;
  const std::function<bool()>& stop_;
  bool reached_ = false;
};

// Where to go on, unless that is beyond the rung.
std::optional<StoredCheckpoint> find_start(const std::filesystem::path& checkpoints,
                                           const std::string& recipe, std::size_t steps) {
  auto newest = find_checkpoint(checkpoints).newest;
  if (newest && (newest->checkpoint.state.step > steps || newest->checkpoint.recipe != recipe))
    newest.reset();
  return newest;
}

bool fits(const Recipe& recipe, const Dataset& data) {
  try {
    check_fit(recipe.network, data, recipe.options);
    return true;
  } catch (const InvalidArgument&) {
    return false;
  }
}

}  // namespace

// That one trial does not fit is its failure; if the recipe does not and none does, there is
// nothing to search.
void check_search(const SearchDescription& description, const Dataset& data) {
  if (data.validation.size() == 0)
    throw InvalidArgument(
        "search: there are no validation samples to score by; hold some out: "
        "--set validation.fraction=0.1");
  const Recipe& recipe = description.recipe;
  if (fits(recipe, data)) return;
  const SearchOptions& options = description.options;
  for (const Trial& trial : draw_trials(search_keys(description), options.seed, options.trials))
    if (fits(trial_recipe(description, trial), data)) return;
  check_fit(recipe.network, data, recipe.options);
}

TrialTrainer::TrialTrainer(std::filesystem::path folder, const SearchDescription& description,
                           const Dataset& data, std::function<bool()> stop)
    : folder_(std::move(folder)), description_(description), data_(data), stop_(std::move(stop)) {
  check_search(description, data);
}

std::optional<TrialScore> TrialTrainer::operator()(const Trial& trial, std::size_t steps) const {
  const std::filesystem::path folder = folder_ / "trials" / fmt::format("{}", trial.number);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw DataError(fmt::format("make the folder {}: {}", folder.string(), error.message()));
  remove_temporaries(folder);
  remove_temporaries(folder / "checkpoints");
  RungScores scores = read_scores(folder / "scores.json");
  if (auto known = scores.at(steps)) return known;

  Recipe recipe = trial_recipe(description_, trial);
  recipe.options.threads = 1;
  const std::string text = to_toml(recipe);
  const auto start = find_start(folder / "checkpoints", text, steps);
  // Trained to the rung but not scored, by a process that ended between the two.
  if (start && start->checkpoint.state.step == steps) recipe.options.steps = steps;
  TrialObserver observer(folder / "checkpoints", text, steps, stop_);
  try {
    const TrainResult result = train(recipe.network, data_, recipe.options, &observer,
                                     start ? &start->checkpoint.state : nullptr);
    if (result.reason == StopReason::stopped_by_observer && !observer.reached())
      return std::nullopt;
    if (result.reason == StopReason::non_finite) scores.failure = result.message;
    scores.ended = result.reason == StopReason::early_stopped;
    const Figure figure = figures(target_kind(recipe.options.loss, data_.validation)).front();
    const double score = result.validation.*figure.value;
    scores.by_steps[steps] = std::isfinite(score) ? score : Scores::kNothing;  // as it is read back
  } catch (const InvalidArgument& unfit) {  // a network that does not fit
    scores.failure = unfit.what();
  }
  if (!scores.failure.empty()) scores.by_steps.clear();
  write_scores(folder / "scores.json", scores);
  return scores.at(steps);
}

}  // namespace gradatim
