#include "gradatim/core/nearest.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace gradatim {
namespace {

// The textbook pairs, and one of each edit.
TEST(EditDistance, KnownDistances) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("saturday", "sunday"), 3U);
  EXPECT_EQ(edit_distance("mnist", "mnits"), 1U) << "a swap of neighbours is one edit";
  EXPECT_EQ(edit_distance("ca", "abc"), 3U) << "no edit inside a swap: 2 would be the true Damerau";
  EXPECT_EQ(edit_distance("MNIST", "mnist"), 0U);
}

TEST(EditDistance, IsSymmetricAndObeysTheLengthBounds) {
  constexpr std::array<std::string_view, 7> kWords{
      "sgd", "momentum", "dense", "sigmoid", "fashion-mnist", "mnist", "learning_rate"};
  for (const auto a : kWords)
    for (const auto b : kWords) {
      const std::size_t distance = edit_distance(a, b);
      EXPECT_EQ(distance, edit_distance(b, a));
      EXPECT_LE(distance, std::max(a.size(), b.size()));
      EXPECT_GE(distance, std::max(a.size(), b.size()) - std::min(a.size(), b.size()));
      EXPECT_EQ(distance == 0, a == b);
    }
}

TEST(Nearest, FindsWhatWasMeant) {
  constexpr std::array<std::string_view, 3> kNames{"fashion-mnist", "mnist", "cifar10"};
  EXPECT_EQ(nearest("minst", kNames), "mnist");
  EXPECT_EQ(nearest("fashion_mnist", kNames), "fashion-mnist");
  EXPECT_EQ(nearest("FashionMNIST", kNames), "fashion-mnist");
  EXPECT_EQ(nearest("fasion", kNames), "fashion-mnist") << "by edits alone, mnist is nearer";
  EXPECT_EQ(nearest("mnst", kNames), "mnist");
  EXPECT_EQ(nearest("CIFAR-10", kNames), "cifar10");
  EXPECT_EQ(nearest("anything", {}), "");
}

TEST(DidYouMean, NamesWhatIsNearOrAllThereAre) {
  constexpr std::array<std::string_view, 3> kNames{"fashion-mnist", "mnist", "cifar10"};
  EXPECT_EQ(did_you_mean("mnits", kNames), "; did you mean 'mnist'?");
  EXPECT_EQ(did_you_mean("fasion", kNames), "; did you mean 'fashion-mnist'?");
  const std::string all = "; expected one of fashion-mnist, mnist, cifar10";
  EXPECT_EQ(did_you_mean("imagenet", kNames), all);
  EXPECT_EQ(did_you_mean("i", kNames), all) << "a letter that all have means none of them";
  EXPECT_EQ(did_you_mean("", kNames), all);
  constexpr std::array<std::string_view, 1> kSoftmax{"softmax"};
  EXPECT_EQ(did_you_mean("lstm", kSoftmax), "; expected one of softmax")
      << "has three of its letters";
  EXPECT_EQ(did_you_mean("anything", {}), "");
  EXPECT_EQ(did_you_mean("", {}), "");
  EXPECT_EQ(did_you_mean("cifar10-small", kNames), "; did you mean 'cifar10'?");
  EXPECT_EQ(did_you_mean("CIF", kNames), "; did you mean 'cifar10'?");
  const std::vector<std::string_view> many(33, "mnist");
  EXPECT_EQ(did_you_mean("imagenet", many), "; expected one of mnist") << "each name once";
  EXPECT_EQ(did_you_mean("mnis", many), "; did you mean 'mnist'?");
}

TEST(DidYouMean, ListsTheFirstOfManyNames) {
  std::vector<std::string> names;
  for (int i = 10; i < 50; ++i) names.push_back("x" + std::to_string(i));
  const std::string list =
      did_you_mean("imagenet", std::vector<std::string_view>(names.begin(), names.end()));
  EXPECT_TRUE(list.starts_with("; expected one of x10, x11, ")) << list;
  EXPECT_TRUE(list.ends_with(", x41, ...")) << list;
}

TEST(Nearest, TakesTheFirstAmongEquals) {
  constexpr std::array<std::string_view, 2> kNames{"ab", "ac"};
  EXPECT_EQ(nearest("a", kNames), "ab");
}

}  // namespace
}  // namespace gradatim
