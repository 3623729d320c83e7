#include <gtest/gtest.h>

#include <cmath>

#include "gradatim/core/random.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/search_folder.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

Split numbers(std::size_t samples, std::uint64_t seed) {
  Split split{.features = Tensor({samples, 2}), .targets = Tensor({samples, 1})};
  fill_uniform(split.features.values(), {.seed = seed}, -1, 1);
  for (std::size_t i = 0; i < samples; ++i)
    split.targets.values()[i] = split.features.values()[2 * i];
  return split;
}

SearchDescription description() {
  SearchDescription description;
  description.recipe.name = "line";
  description.recipe.data = "line";
  description.recipe.network = Network({2}, {Dense{1, Xavier{}}});
  description.recipe.options.loss = MeanSquaredError{};
  description.recipe.options.batch = 5;
  description.recipe.options.steps = 20;
  description.keys = {"optimizer.learning_rate=log(0.01,0.1)"};
  description.options.steps = 20;
  return description;
}

Trial first_trial(const SearchDescription& description) {
  return {.number = 1,
          .settings = draw_settings(search_keys(description), 1, 1),
          .steps = 0,
          .result = {}};
}

// One sample deviates from its mean by nothing, so r2 divides by zero.
TEST(TrialTrainer, AScoreThatIsNoNumberIsReadBackAsThat) {
  const test::TemporaryFolder folder;
  const SearchDescription search = description();
  const Dataset data{
      .name = "line", .train = numbers(20, 1), .test = numbers(5, 2), .validation = numbers(1, 3)};
  const TrialTrainer trainer(folder.path(), search, data, [] { return false; });
  for (const char* when : {"trained", "read"}) {
    const auto score = trainer(first_trial(search), 10);
    ASSERT_TRUE(score) << when;
    EXPECT_TRUE(std::isnan(score->score)) << when;
    EXPECT_EQ(score->failure, "") << when;
  }
}

TEST(TrialTrainer, ATrialThatWasTrainedButNotScoredIsOnlyScored) {
  const test::TemporaryFolder folder;
  const SearchDescription search = description();
  const Dataset data{
      .name = "line", .train = numbers(20, 1), .test = numbers(5, 2), .validation = numbers(9, 3)};
  std::size_t steps = 0;
  const TrialTrainer trainer(folder.path(), search, data, [&] { return ++steps == 0; });
  const auto score = trainer(first_trial(search), 10);
  ASSERT_TRUE(score.has_value() && std::isfinite(score->score));
  EXPECT_GT(steps, 0U);
  ASSERT_TRUE(std::filesystem::remove(folder / "trials/1/scores.json"));
  steps = 0;
  EXPECT_EQ(trainer(first_trial(search), 10), score);
  EXPECT_EQ(steps, 0U);
  EXPECT_NE(trainer(first_trial(search), 20), score);
  EXPECT_EQ(steps, 9U);  // the last is not asked about
}

TEST(TrialTrainer, DamagedScoresAreNamedAndWhatAKillLeftIsRemoved) {
  const test::TemporaryFolder folder;
  const SearchDescription search = description();
  const Dataset data{
      .name = "line", .train = numbers(20, 1), .test = numbers(5, 2), .validation = numbers(9, 3)};
  const TrialTrainer trainer(folder.path(), search, data, [] { return false; });
  std::filesystem::create_directories(folder / "trials/1");
  write_file(folder / "trials/1/.scores.json.7-0.tmp", "{");
  for (const char* damaged : {"{", "[]", R"({"rungs":[{"steps":10}]})"}) {
    write_file(folder / "trials/1/scores.json", damaged);
    EXPECT_EQ(test::message_of<DataError>([&] { trainer(first_trial(search), 10); }),
              (folder / "trials/1/scores.json").string() +
                  ": it is damaged, or holds no scores of a trial; without it the trial is scored "
                  "anew");
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "trials/1/.scores.json.7-0.tmp"));
}

TEST(TrialTrainer, KeysThatOneAnswerWouldNotHoldForAreRefusedByName) {
  for (const std::string key : {"data", "table.test", "validation", "validation.fraction", "steps",
                                "epochs", "seed", " seed", "\"seed\""}) {
    SearchDescription search = description();
    search.keys.push_back(key + "=int(1,9)");
    const std::string message = test::message_of<InvalidArgument>([&] { search_keys(search); });
    EXPECT_CONTAINS(message, "search: '" + key);
    EXPECT_CONTAINS(message, "can't be searched");
  }
  EXPECT_EQ(search_keys(description()).size(), 1U);
}

}  // namespace
}  // namespace gradatim
