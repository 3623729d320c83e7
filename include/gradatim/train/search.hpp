#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gradatim/train/recipe.hpp"

/// Random search over the keys of a recipe (Bergstra and Bengio, 2012) with successive halving
/// (Jamieson and Talwalkar, 2016): every trial trains for a few steps, the best of them go on for
/// more, the best of those for more again, until few are trained to the end.
namespace gradatim {

/// "uniform(0, 0.5)": every number of the interval is as likely.
struct UniformValues {
  double low = 0;
  double high = 1;
  friend bool operator==(const UniformValues&, const UniformValues&) = default;
};
/// "log(1e-4, 1e-1)": every ratio is as likely, 0 < low < high.
struct LogUniformValues {
  double low = 1e-4;
  double high = 1;
  friend bool operator==(const LogUniformValues&, const LogUniformValues&) = default;
};
/// "int(16, 256)": every integer is as likely, both ends included.
struct IntegerValues {
  std::int64_t low = 0;
  std::int64_t high = 1;
  friend bool operator==(const IntegerValues&, const IntegerValues&) = default;
};
/// "choice(relu, tanh)": every value is as likely; each is TOML or a bare word, as in a Setting.
struct ChoiceValues {
  std::vector<std::string> values;
  friend bool operator==(const ChoiceValues&, const ChoiceValues&) = default;
};
using SearchValues = std::variant<UniformValues, LogUniformValues, IntegerValues, ChoiceValues>;

/// A key of the recipe and the values it may take.
struct SearchKey {
  std::string key;
  SearchValues values;
  friend bool operator==(const SearchKey&, const SearchKey&) = default;
};

/// "optimizer.learning_rate=log(1e-4,1e-1)"; nothing where the value is none of the four forms.
/// Throws InvalidArgument that names the setting for another form, "lg(1,2)", and for one of the
/// four that is malformed: bounds that are missing, no numbers, or in the wrong order.
std::optional<SearchKey> parse_search_key(const Setting& setting);

/// Throws InvalidArgument that names a key which is searched twice, or searched and fixed.
void require_distinct(std::span<const SearchKey> keys, std::span<const Setting> fixed = {});

/// What trial `number` (the first is 1) sets: numbers of six significant digits. A function of its
/// arguments alone, and of each key alone: another key more leaves the values of this one.
std::vector<Setting> draw_settings(std::span<const SearchKey> keys, std::uint64_t seed,
                                   std::size_t number);

/// So many trials are trained to so many steps.
struct Rung {
  std::size_t trials = 0;
  std::size_t steps = 0;
  friend bool operator==(const Rung&, const Rung&) = default;
};

/// The rungs of successive halving: all trials first, and of each rung the best 1/factor (rounded
/// down, at least one) go on to `factor` times as many steps; the last rung is trained to `steps`.
/// As many rungs as leave one trial in the last, but at most `most_rungs`, and none of less than
/// one step. Throws InvalidArgument if trials, steps or most_rungs is 0 or factor less than 2.
std::vector<Rung> halving(std::size_t trials, std::size_t steps, std::size_t factor = 3,
                          std::size_t most_rungs = 4);

/// What training a trial so far came to.
struct TrialScore {
  double score = std::numeric_limits<double>::quiet_NaN();  // higher is better
  std::string failure;  // why it can't go on, such as a loss that is not finite; else empty
  friend bool operator==(const TrialScore&, const TrialScore&) = default;
};

struct Trial {
  std::size_t number = 0;  // the first is 1
  std::vector<Setting> settings;
  std::size_t steps = 0;  // trained so far
  TrialScore result{};
};

/// Whether it has come to a score.
bool is_scored(const Trial& trial);

/// By steps reached, then by score; what failed is behind what did not.
bool is_better(const Trial& a, const Trial& b);

/// `count` trials that differ in their settings: draws that were drawn before are passed over, so
/// that numbers may have gaps. Fewer where there are no more combinations. A function of its
/// arguments alone.
std::vector<Trial> draw_trials(std::span<const SearchKey> keys, std::uint64_t seed,
                               std::size_t count);

struct SearchOptions {
  std::size_t trials = 27;     // to begin with; fewer where there are not as many combinations
  std::size_t steps = 10'000;  // of the trials of the last rung
  std::size_t factor = 3;
  std::size_t most_rungs = 4;
  std::uint64_t seed = 1;
  std::size_t threads = 0;  // trials at a time; 0: one a core
};

/// Trains a trial up to `steps`, from where it was left or from the start, and scores it; nothing
/// if the search was stopped meanwhile. Called from several threads at once, each with its own
/// trial. It must be a function of the trial and the steps: then so is the search, whatever the
/// number of threads.
using TrainTrial = std::function<std::optional<TrialScore>(const Trial& trial, std::size_t steps)>;

/// Is told, one call at a time, of each trial that has reached a rung.
using TrialReport = std::function<void(const Trial& trial, const Rung& rung)>;

struct SearchResult {
  std::vector<Trial> trials;  // the best first
  bool complete = false;      // false: stopped
};

/// Throws as halving(), and what train_trial throws.
SearchResult search(std::span<const SearchKey> keys, const SearchOptions& options,
                    const TrainTrial& train_trial, const TrialReport& report = {});

}  // namespace gradatim
