// Recipes of the project, trained by the command on the real data: what is promised of them.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <set>
#include <string>

#include "app/command.hpp"
#include "apps/gradatim/memory.hpp"
#include "gradatim/train/recipe.hpp"
#include "support/mnist.hpp"

namespace gradatim {
namespace {

using test::Workshop;

// Every recipe that is shipped is one that can be planned and begun.
TEST(Recipes, AllArePlanned) {
  const Workshop workshop;
  std::set<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(test::source_folder() / "recipes")) {
    const std::string path = file.path().string();
    const auto plan = workshop.gradatim({"doctor", path, "--json"});
    ASSERT_EQ(plan.exit_code, 0) << plan.err;
    EXPECT_EQ(plan.json()["recipe"], file.path().stem().string());
    EXPECT_GT(plan.json()["parameters"].get<std::size_t>(), 0U);
    EXPECT_LE(app::least_bytes_of_step(read_recipe(file.path())),
              plan.json()["peak_bytes"].get<double>())
        << path;
    names.insert(file.path().stem().string());
  }
  EXPECT_EQ(names, (std::set<std::string>{"deep-convnet", "discs", "fashion-convnet", "friedman1",
                                          "mlp-512", "mnist-fast", "simple-convnet", "two-layer"}));
}

#if !defined(GRADATIM_SANITIZED)  // slow, and of another memory

nlohmann::json trained(const std::string& recipe, const std::vector<std::string>& more = {}) {
  const Workshop workshop;
  std::vector<std::string> words{"train",
                                 (test::source_folder() / "recipes" / (recipe + ".toml")).string(),
                                 "--data-dir", test::mnist_folder().string(), "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const auto outcome = workshop.gradatim(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.json();
}

TEST(Recipes, MnistFastReaches99Percent) {
  if (test::mnist_folder().empty()) GTEST_SKIP() << test::kNoMnist;
  EXPECT_GE(trained("mnist-fast")["test_accuracy"].get<double>(), 0.99);
}

TEST(Recipes, SimpleConvnetLearnsInLessThan300Megabytes) {
  if (test::mnist_folder().empty()) GTEST_SKIP() << test::kNoMnist;
  const auto summary = trained("simple-convnet", {"--epochs", "1"});
  EXPECT_GE(summary["test_accuracy"].get<double>(), 0.97);
  rusage children{};
  ASSERT_EQ(getrusage(RUSAGE_CHILDREN, &children), 0);
  EXPECT_LT(children.ru_maxrss, 300 * 1000) << "kilobytes, the data included";
  EXPECT_GT(children.ru_maxrss, 47'000) << "less than the images take";
}

#endif  // !GRADATIM_SANITIZED

}  // namespace
}  // namespace gradatim
