#include "gradatim/train/search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gradatim/core/error.hpp"
#include "support/errors.hpp"

namespace gradatim {
namespace {

SearchKey key_of(const std::string& text) {
  const auto key = parse_search_key({.text = text, .origin = "--set " + text});
  if (!key) throw InvalidArgument(text + " is no search key");
  return *key;
}

double number_of(const Setting& setting) {
  return std::stod(setting.text.substr(setting.text.find('=') + 1));
}

TEST(SearchKey, ReadsTheFourForms) {
  EXPECT_EQ(key_of("a.b=log(1e-4,1e-1)"), (SearchKey{"a.b", LogUniformValues{1e-4, 1e-1}}));
  EXPECT_EQ(key_of("optim.learning_rate=log(1e-4,1e-1)").key, "optimizer.learning_rate");
  EXPECT_EQ(key_of("a = uniform( 0 , 0.5 )"), (SearchKey{"a", UniformValues{0, 0.5}}));
  EXPECT_EQ(key_of("layers.0.units=int(-3,256)"),
            (SearchKey{"layers.0.units", IntegerValues{-3, 256}}));
  EXPECT_EQ(key_of("layers.1=choice(relu, { kind = \"leaky_relu\", slope = 0.1 }, 'a,b')"),
            (SearchKey{"layers.1",
                       ChoiceValues{{"relu", "{ kind = \"leaky_relu\", slope = 0.1 }", "'a,b'"}}}));
}

TEST(SearchKey, LeavesOrdinarySettingsAlone) {
  for (const char* text : {"batch=100", "optimizer.kind=adam", "name=\"log(1,2)\"", "name='a (b)'",
                           "no_decay=[\"a(b)\"]", "log(1,2)", ""})
    EXPECT_FALSE(parse_search_key({.text = text, .origin = "--set"})) << text;
}

TEST(SearchKey, IsGivenOnce) {
  const auto key = [](const std::string& text) { return key_of(text); };
  const std::vector<SearchKey> keys{key("batch=int(1,9)"), key("optim.beta1=uniform(0,1)")};
  require_distinct(keys);
  EXPECT_EQ(test::message_of([&] {
              require_distinct(keys, {{Setting{"optimizer.beta1=0.5", "--set"}}});
            }),
            "search: the key 'optimizer.beta1' is given twice");
  EXPECT_CONTAINS(test::message_of([&] {
                    require_distinct({{keys[0], key("batc=int(1,2)")}});
                  }),
                  "'batch' is given twice");
}

TEST(SearchKey, RefusesWhatIsMalformedAndSaysWhich) {
  const auto message = [](const std::string& text) {
    return test::message_of([&] { key_of(text); });
  };
  EXPECT_EQ(message("a=log(0,1)"),
            "--set a=log(0,1): expected log(LOW, HIGH) with LOW above 0, got 0");
  EXPECT_CONTAINS(message("a=log (0,1)"), "with LOW above 0");
  EXPECT_CONTAINS(message("a=log-uniform(0,1)"), "got 'log-uniform(0,1)'");
  EXPECT_EQ(message("a=lg(0,1)"),
            "--set a=lg(0,1): expected uniform(LOW, HIGH), log(LOW, HIGH), int(LOW, HIGH) or "
            "choice(VALUE, VALUE, ...), got 'lg(0,1)'");
  EXPECT_EQ(message("a=uniform(1,1)"),
            "--set a=uniform(1,1): expected uniform(LOW, HIGH) with numbers LOW < HIGH");
  EXPECT_EQ(message("a=int(1,2.5)"),
            "--set a=int(1,2.5): expected int(LOW, HIGH) with integers LOW < HIGH");
  EXPECT_EQ(message("a=choice(x,)"),
            "--set a=choice(x,): expected choice(VALUE, VALUE, ...), got an empty value");
  EXPECT_EQ(message("a=log(1,2"), "--set a=log(1,2: expected a ')' at the end");
  for (const char* text : {"a=log()", "a=log(1)", "a=log(1,2,3)", "a=uniform(0,nan)",
                           "a=uniform(0,inf)", "a=int(0,99999999999999999999)"})
    EXPECT_THROW(key_of(text), InvalidArgument) << text;
}

// Kolmogorov's distance between the draws and the distribution they should follow: beyond
// 1.95/sqrt(n) with probability 0.1 %.
double distance_to_uniform(std::vector<double> u) {
  std::sort(u.begin(), u.end());
  const double n = static_cast<double>(u.size());
  double distance = 0;
  for (std::size_t i = 0; i < u.size(); ++i)
    distance = std::max({distance, std::abs(u[i] - static_cast<double>(i) / n),
                         std::abs(u[i] - static_cast<double>(i + 1) / n)});
  return distance;
}

TEST(DrawSettings, FollowTheirDistributions) {
  const std::vector<SearchKey> keys{key_of("u=uniform(-2,6)"), key_of("l=log(1e-4,1e-1)")};
  constexpr std::size_t kDraws = 2'000;
  std::vector<double> uniform;
  std::vector<double> logarithmic;
  std::vector<double> wrong;  // a control: the logarithmic ones are not uniform
  for (std::size_t number = 1; number <= kDraws; ++number) {
    const auto settings = draw_settings(keys, 7, number);
    uniform.push_back((number_of(settings[0]) + 2) / 8);
    logarithmic.push_back(std::log10(number_of(settings[1]) * 1e4) / 3);
    wrong.push_back(number_of(settings[1]) / 0.1);
  }
  const double limit = 1.95 / std::sqrt(double{kDraws});
  EXPECT_LT(distance_to_uniform(uniform), limit);
  EXPECT_LT(distance_to_uniform(logarithmic), limit);
  EXPECT_GT(distance_to_uniform(wrong), limit);
}

TEST(DrawSettings, ReachEveryIntegerAndChoiceAboutEquallyOften) {
  const std::vector<SearchKey> keys{key_of("i=int(-1,2)"), key_of("c=choice(a,b,c,d)")};
  for (std::size_t k = 0; k < keys.size(); ++k) {
    std::map<std::string, int> counts;
    for (std::size_t number = 1; number <= 4'000; ++number)
      ++counts[draw_settings(keys, 3, number)[k].text];
    ASSERT_EQ(counts.size(), 4U);
    for (const auto& [text, count] : counts) EXPECT_NEAR(count, 1'000, 120) << text;
  }
  const auto extremes = key_of("i=int(-9223372036854775808,9223372036854775807)");
  EXPECT_NO_THROW(draw_settings(std::vector{extremes}, 1, 1));
}

TEST(DrawSettings, AKeyMoreChangesNoOther) {
  const std::vector<SearchKey> one{key_of("l=log(1e-4,1e-1)")};
  const std::vector<SearchKey> two{key_of("u=uniform(0,1)"), one[0]};
  EXPECT_EQ(draw_settings(one, 5, 9)[0].text, draw_settings(two, 5, 9)[1].text);
  EXPECT_NE(draw_settings(one, 5, 9)[0].text, draw_settings(one, 5, 10)[0].text);
  EXPECT_NE(draw_settings(one, 5, 9)[0].text, draw_settings(one, 6, 9)[0].text);
}

TEST(DrawTrials, DrawEachCombinationOnce) {
  const std::vector<SearchKey> few{key_of("a=choice(1,2,3)"), key_of("b=int(0,3)")};
  const auto texts = [](const std::vector<Trial>& trials) {
    std::set<std::string> found;
    for (const Trial& trial : trials)
      found.insert(trial.settings[0].text + " " + trial.settings[1].text);
    return found;
  };
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const auto some = draw_trials(few, seed, 7);
    EXPECT_EQ(some.size(), 7U);
    EXPECT_EQ(texts(some).size(), 7U);
    const auto all = draw_trials(few, seed, 1'000);
    EXPECT_EQ(all.size(), 12U) << seed;
    EXPECT_EQ(texts(all).size(), 12U);
  }
  const std::vector<SearchKey> many{key_of("x=uniform(0,1)"), key_of("b=int(0,3)")};
  const auto trials = draw_trials(many, 1, 81);
  for (std::size_t i = 0; i < trials.size(); ++i) {
    EXPECT_EQ(trials[i].number, i + 1);
    EXPECT_EQ(trials[i].settings[0].text, draw_settings(many, 1, i + 1)[0].text);
  }
}

TEST(Halving, KeepsOneOfThreeForThreeTimesTheSteps) {
  EXPECT_EQ(halving(27, 2'700), (std::vector<Rung>{{27, 100}, {9, 300}, {3, 900}, {1, 2'700}}));
  EXPECT_EQ(halving(20, 900, 3, 3), (std::vector<Rung>{{20, 100}, {6, 300}, {2, 900}}));
  EXPECT_EQ(halving(8, 80, 2), (std::vector<Rung>{{8, 10}, {4, 20}, {2, 40}, {1, 80}}));
  EXPECT_EQ(halving(2, 50), (std::vector<Rung>{{2, 50}}));
  EXPECT_EQ(halving(100, 4), (std::vector<Rung>{{100, 1}, {33, 4}}));  // none below one step
  EXPECT_THROW(halving(0, 1), InvalidArgument);
  EXPECT_THROW(halving(1, 0), InvalidArgument);
  EXPECT_THROW(halving(1, 1, 1), InvalidArgument);
  EXPECT_THROW(halving(1, 1, 3, 0), InvalidArgument);
}

// A training whose score rises to its limit, the higher the nearer x is to 0.3.
TrialScore pretend_to_train(const Trial& trial, std::size_t steps) {
  const double x = number_of(trial.settings[0]);
  return {.score = (1 - std::abs(x - 0.3)) * (1 - std::exp(-static_cast<double>(steps) / 100)),
          .failure = {}};
}

TEST(Search, FindsTheBestWithFarFewerStepsThanTrainingAll) {
  const std::vector<SearchKey> keys{key_of("x=uniform(0,1)")};
  std::size_t cost = 0;
  std::mutex mutex;
  const SearchResult result =
      search(keys, {.trials = 81, .steps = 2'700}, [&](const Trial& trial, std::size_t steps) {
        const std::lock_guard lock(mutex);
        cost += steps - trial.steps;
        return std::optional(pretend_to_train(trial, steps));
      });
  ASSERT_TRUE(result.complete);
  ASSERT_EQ(result.trials.size(), 81U);
  for (std::size_t number = 1; number <= 81; ++number) {
    const double x = number_of(draw_settings(keys, 1, number)[0]);
    EXPECT_GE(std::abs(x - 0.3), std::abs(number_of(result.trials[0].settings[0]) - 0.3));
  }
  EXPECT_EQ(result.trials[0].steps, 2'700U);
  EXPECT_EQ(cost, 81U * 100 + 27U * 200 + 9U * 600 + 3U * 1'800);
}

TEST(Search, TrainsNoCombinationTwice) {
  const std::vector<SearchKey> keys{key_of("x=choice(0.1,0.2,0.3,0.4)")};
  const auto result =
      search(keys, {.trials = 27, .steps = 900}, [](const Trial& trial, std::size_t steps) {
        return std::optional(pretend_to_train(trial, steps));
      });
  EXPECT_EQ(result.trials.size(), 4U);
  EXPECT_EQ(result.trials[0].settings[0].text, "x=0.3");
  EXPECT_EQ(result.trials[0].steps, 900U);
}

// Each of two trainings waits for the other: one after the other they would wait in vain.
TEST(Search, TrainsSeveralTrialsAtATime) {
  const std::vector<SearchKey> keys{key_of("x=uniform(0,1)")};
  for (const std::size_t threads : {1U, 2U, 3U}) {
    std::atomic<std::size_t> running = 0;
    std::atomic<std::size_t> most = 0;
    search(keys, {.trials = 12, .steps = 10, .most_rungs = 1, .threads = threads},
           [&](const Trial& trial, std::size_t steps) {
             const std::size_t now = ++running;
             for (std::size_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
             }
             for (int i = 0; most < threads && i < 2'000; ++i)
               std::this_thread::sleep_for(std::chrono::milliseconds(1));
             --running;
             return std::optional(pretend_to_train(trial, steps));
           });
    EXPECT_EQ(most, threads);
  }
}

TEST(Search, ATrialWithoutANumberIsNotScored) {
  const std::vector<SearchKey> keys{key_of("x=uniform(0,1)")};
  const auto result = search(keys, {.trials = 3, .steps = 10}, [](const Trial&, std::size_t) {
    return std::optional(TrialScore{});  // not a number
  });
  for (const Trial& trial : result.trials) EXPECT_FALSE(is_scored(trial));
  EXPECT_TRUE(is_scored(
      {.number = 1, .settings = {}, .steps = 1, .result = {.score = 0.5, .failure = {}}}));
  EXPECT_FALSE(is_scored(
      {.number = 1, .settings = {}, .steps = 0, .result = {.score = 0.5, .failure = {}}}));
}

TEST(Search, IsTheSameForAnyNumberOfThreads) {
  const std::vector<SearchKey> keys{key_of("x=uniform(0,1)")};
  const auto numbers = [&](std::size_t threads) {
    std::vector<std::size_t> order;
    const auto result = search(keys, {.trials = 30, .steps = 900, .threads = threads},
                               [](const Trial& trial, std::size_t steps) {
                                 return std::optional(pretend_to_train(trial, steps));
                               });
    order.reserve(result.trials.size());
    for (const Trial& trial : result.trials) order.push_back(trial.number);
    return order;
  };
  const auto alone = numbers(1);
  for (const std::size_t threads : {2U, 3U, 7U}) EXPECT_EQ(numbers(threads), alone);
}

TEST(Search, AFailedTrialNeverGoesOn) {
  const std::vector<SearchKey> keys{key_of("x=uniform(0,1)")};
  std::set<std::size_t> at_the_end;
  const SearchResult result = search(
      keys, {.trials = 9, .steps = 90, .threads = 1}, [&](const Trial& trial, std::size_t steps) {
        if (trial.number % 2 == 1) return std::optional(TrialScore{.score = 1e9, .failure = "nan"});
        if (steps == 90) at_the_end.insert(trial.number);
        return std::optional(pretend_to_train(trial, steps));
      });
  ASSERT_EQ(at_the_end.size(), 1U);
  EXPECT_EQ(*at_the_end.begin() % 2, 0U);
  EXPECT_EQ(result.trials.back().result.failure, "nan");
  EXPECT_TRUE(result.trials.front().result.failure.empty());
}

TEST(Search, StopsWhenATrialWasStopped) {
  const std::vector<SearchKey> keys{key_of("x=uniform(0,1)")};
  std::size_t calls = 0;
  const SearchResult result =
      search(keys, {.trials = 9, .steps = 90, .threads = 1},
             [&](const Trial& trial, std::size_t steps) -> std::optional<TrialScore> {
               if (++calls > 4) return std::nullopt;
               return pretend_to_train(trial, steps);
             });
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(calls, 5U);
  EXPECT_EQ(std::ranges::count_if(result.trials, [](const Trial& t) { return t.steps > 0; }), 4);
}

TEST(Search, PassesOnWhatATrialThrows) {
  const std::vector<SearchKey> keys{key_of("x=uniform(0,1)")};
  EXPECT_THROW(search(keys, {.trials = 9, .steps = 90, .threads = 3},
                      [](const Trial&, std::size_t) -> std::optional<TrialScore> {
                        throw DataError("the disk is full");
                      }),
               DataError);
}

}  // namespace
}  // namespace gradatim
