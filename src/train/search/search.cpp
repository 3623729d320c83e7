#include "gradatim/train/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

// Each trial takes seconds to hours, so threads of its own are cheap, and none waits for another
// that the pool of a training step would.
void for_each_in_parallel(std::span<Trial* const> trials, std::size_t threads,
                          const std::function<bool(Trial&)>& body) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> stopped = false;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    for (std::size_t i = next++; i < trials.size() && !stopped; i = next++) {
      try {
        if (!body(*trials[i])) stopped = true;
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        stopped = true;
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 1; i < std::min(threads, trials.size()); ++i) workers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

void check_halving(std::size_t trials, std::size_t steps, std::size_t factor,
                   std::size_t most_rungs) {
  if (trials == 0 || steps == 0 || most_rungs == 0 || factor < 2)
    throw InvalidArgument(
        fmt::format("search: expected at least 1 trial, 1 step, 1 rung and a factor of 2, got {}, "
                    "{}, {} and {}",
                    trials, steps, most_rungs, factor));
}

void sort_best_first(std::vector<Trial>& trials) { std::ranges::sort(trials, is_better); }

}  // namespace

bool is_scored(const Trial& trial) {
  return trial.steps != 0 && trial.result.failure.empty() && !std::isnan(trial.result.score);
}

bool is_better(const Trial& a, const Trial& b) {
  if (a.result.failure.empty() != b.result.failure.empty()) return a.result.failure.empty();
  if (a.steps != b.steps) return a.steps > b.steps;
  const bool a_is_number = !std::isnan(a.result.score);
  const bool b_is_number = !std::isnan(b.result.score);
  if (a_is_number != b_is_number) return a_is_number;
  if (a_is_number && a.result.score != b.result.score) return a.result.score > b.result.score;
  return a.number < b.number;
}

std::vector<Trial> draw_trials(std::span<const SearchKey> keys, std::uint64_t seed,
                               std::size_t count) {
  std::vector<Trial> trials;
  std::set<std::string> drawn;
  std::size_t repeats = 0;  // since the last new one
  // Were there one more that is as likely as each of these, so many draws would miss it in one of
  // e^64 searches.
  const auto are_all = [&] { return repeats >= 64 * (trials.size() + 1); };
  for (std::size_t number = 1; trials.size() < count && !are_all(); ++number) {
    std::vector<Setting> settings = draw_settings(keys, seed, number);
    std::string all;
    for (const Setting& setting : settings) all += setting.text + '\n';
    ++repeats;
    if (!drawn.insert(all).second) continue;
    repeats = 0;
    trials.push_back({.number = number, .settings = std::move(settings), .steps = 0, .result = {}});
  }
  return trials;
}

std::vector<Rung> halving(std::size_t trials, std::size_t steps, std::size_t factor,
                          std::size_t most_rungs) {
  check_halving(trials, steps, factor, most_rungs);
  std::vector<Rung> rungs{{.trials = trials, .steps = steps}};
  std::size_t left = trials;
  for (std::size_t share = factor;
       rungs.size() < most_rungs && left / factor >= 1 && steps / share >= 1; share *= factor) {
    left /= factor;
    rungs.push_back({.trials = left, .steps = steps});
  }
  for (std::size_t i = rungs.size() - 1; i-- > 0;) rungs[i].steps = rungs[i + 1].steps / factor;
  return rungs;
}

SearchResult search(std::span<const SearchKey> keys, const SearchOptions& options,
                    const TrainTrial& train_trial, const TrialReport& report) {
  check_halving(options.trials, options.steps, options.factor, options.most_rungs);
  SearchResult search{.trials = draw_trials(keys, options.seed, options.trials)};
  const std::size_t threads =
      options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  std::mutex reporting;
  std::atomic<bool> stopped = false;
  for (const Rung& rung :
       halving(search.trials.size(), options.steps, options.factor, options.most_rungs)) {
    sort_best_first(search.trials);
    std::vector<Trial*> going_on;
    for (Trial& trial : std::span(search.trials).first(rung.trials))
      if (trial.result.failure.empty()) going_on.push_back(&trial);
    for_each_in_parallel(going_on, threads, [&](Trial& trial) {
      const auto score = train_trial(trial, rung.steps);
      if (!score) {
        stopped = true;
        return false;
      }
      trial.steps = rung.steps;
      trial.result = *score;
      const std::lock_guard lock(reporting);
      if (report) report(trial, rung);
      return true;
    });
    if (stopped) break;
  }
  sort_best_first(search.trials);
  search.complete = !stopped;
  return search;
}

}  // namespace gradatim
