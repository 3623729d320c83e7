#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>

#include "data/files.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/data/catalogue.hpp"
#include "support/mnist.hpp"

namespace gradatim {
namespace {

namespace fs = std::filesystem;
using gradatim::test::kNoMnist;
using gradatim::test::mnist_folder;

// A dataset in small: `n` training images of 2x2, one test image, all pixels `shade`.
void write_small(const fs::path& folder, std::uint32_t n, std::uint8_t shade,
                 const std::string& suffix = ".gz") {
  const auto put = [&](const std::string& name, const Bytes& bytes) {
    write(folder / (name + suffix), suffix.empty() ? bytes : gzip(bytes));
  };
  put("train-images-idx3-ubyte", joined(idx_header({n, 2, 2}), Bytes(std::size_t{n} * 4, shade)));
  put("train-labels-idx1-ubyte", joined(idx_header({n}), Bytes(n, 1)));
  put("t10k-images-idx3-ubyte", joined(idx_header({1, 2, 2}), Bytes(4, shade)));
  put("t10k-labels-idx1-ubyte", joined(idx_header({1}), Bytes(1, 2)));
}

int shade_of(const Dataset& dataset) { return dataset.train.images.data()[0]; }

struct LoadTest : ::testing::Test {
  TemporaryFolder folder;
  DataPaths paths{
      .chosen = folder / "chosen", .cache = folder / "cache", .system = folder / "system"};
  void SetUp() override { fs::create_directories(paths.chosen); }
};

TEST(Catalogue, IsWellFormed) {
  ASSERT_EQ(catalogue().size(), 2U);
  for (const DatasetEntry& entry : catalogue()) {
    EXPECT_EQ(&find_dataset(entry.name), &entry);
    EXPECT_EQ(entry.class_names.size(), 10U);
    EXPECT_FALSE(entry.licence.empty());
    EXPECT_GE(entry.mirrors.size(), 2U);
    for (const auto mirror : entry.mirrors)
      EXPECT_TRUE(mirror.starts_with("https://") && mirror.ends_with('/')) << mirror;
    for (const DatasetFile& file : entry.files) {
      EXPECT_EQ(file.sha256.size(), 64U);
      EXPECT_EQ(file.sha256.find_first_not_of("0123456789abcdef"), std::string_view::npos);
    }
  }
}

TEST(Catalogue, SaysThatWhatIsGeneratedHasNoFiles) {
  EXPECT_EQ(message_of<InvalidArgument>([] { find_dataset("discs"); }),
            "dataset 'discs' is generated: there are no files of it to fetch");
}

TEST(Catalogue, AnUnknownNameIsAnsweredWithTheNearest) {
  const std::string message = message_of<InvalidArgument>([] { find_dataset("fasion-mnist"); });
  EXPECT_TRUE(contains(message, "'fasion-mnist'")) << message;
  EXPECT_TRUE(contains(message, "did you mean 'fashion-mnist'?")) << message;
  EXPECT_THROW(load_dataset("imagenet"), InvalidArgument);
}

TEST_F(LoadTest, LooksInTheChosenFolderThenTheCacheThenTheSystem) {
  write_small(paths.system / "mnist", 3, 30);
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 30);
  write_small(paths.cache / "mnist", 3, 20);
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 20);
  write_small(paths.chosen, 3, 10);
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 10);
  write_small(paths.chosen / "mnist", 3, 5);
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 5);
  EXPECT_EQ(locate(find_dataset("mnist"), paths).value_or(DatasetLocation{}).folder,
            paths.chosen / "mnist");
}

TEST_F(LoadTest, GivesNamesClassesAndBothSplits) {
  write_small(paths.cache / "fashion-mnist", 3, 9);
  const Dataset dataset = load_dataset("fashion-mnist", {.cache = paths.cache, .system = {}});
  EXPECT_EQ(dataset.name, "fashion-mnist");
  EXPECT_EQ(dataset.class_names.back(), "Ankle boot");
  EXPECT_EQ(dataset.train.size(), 3U);
  EXPECT_EQ(dataset.test.labels, std::vector<std::int32_t>{2});
}

TEST_F(LoadTest, PlainFilesWillDoAndGzipComesFirst) {
  write_small(paths.cache / "mnist", 3, 8, "");
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 8);
  write_small(paths.cache / "mnist", 3, 7, ".gz");
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 7);
}

TEST_F(LoadTest, NowhereNamesEveryFolderAndTheCommand) {
  EXPECT_FALSE(locate(find_dataset("mnist"), paths));
  const std::string message = message_of<DataError>([&] { load_dataset("mnist", paths); });
  for (const fs::path& place : {paths.chosen, paths.cache / "mnist", paths.system / "mnist"})
    EXPECT_TRUE(contains(message, place.string())) << message;
  EXPECT_TRUE(contains(message, "gradatim data fetch mnist")) << message;
}

TEST_F(LoadTest, AnIncompleteFolderIsAnErrorNotAMiss) {
  write_small(paths.chosen, 3, 1);
  write_small(paths.cache / "mnist", 3, 2);
  fs::remove(paths.chosen / "t10k-labels-idx1-ubyte.gz");
  const std::string message = message_of<DataError>([&] { load_dataset("mnist", paths); });
  EXPECT_TRUE(contains(message,
                       "lacks t10k-labels-idx1-ubyte (.gz or plain); `gradatim data fetch "
                       "mnist --data-dir " +
                           paths.chosen.string() + "` completes it"))
      << message;
}

TEST_F(LoadTest, AnIncompleteCacheDoesNotHideTheSystemsCopy) {
  write_small(paths.cache / "mnist", 3, 20);
  fs::remove(paths.cache / "mnist/t10k-images-idx3-ubyte.gz");
  const std::string message = message_of<DataError>([&] { load_dataset("mnist", paths); });
  EXPECT_TRUE(contains(message, (paths.cache / "mnist").string() +
                                    "' lacks t10k-images-idx3-ubyte (.gz or plain); `gradatim data "
                                    "fetch mnist` completes it"))
      << message;
  write_small(paths.system / "mnist", 3, 30);
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 30);
  fs::remove(paths.system / "mnist/t10k-images-idx3-ubyte.gz");
  write_small(paths.cache / "mnist", 3, 20);
  EXPECT_EQ(shade_of(load_dataset("mnist", paths)), 20);
}

TEST_F(LoadTest, AChosenFolderThatIsNoneIsAnError) {
  write_small(paths.cache / "mnist", 3, 2);
  paths.chosen = folder / "typo";
  const std::string message = message_of<DataError>([&] { load_dataset("mnist", paths); });
  EXPECT_TRUE(contains(message, "typo")) << message;
}

TEST_F(LoadTest, DamageInAnyOfTheFourFilesIsReported) {
  for (const DatasetFile& file : find_dataset("mnist").files) {
    write_small(paths.chosen, 3, 1);
    const fs::path damaged = paths.chosen / (std::string(file.name) + ".gz");
    fs::resize_file(damaged, fs::file_size(damaged) - 1);
    const std::string message = message_of<DataError>([&] { load_dataset("mnist", paths); });
    EXPECT_TRUE(contains(message, file.name)) << message;
  }
}

// What is known of both datasets from outside: sizes, balance, first labels.
void expect_full_size(const Dataset& dataset) {
  EXPECT_EQ(dataset.train.images.shape(), (Shape{60'000, 28, 28}));
  EXPECT_EQ(dataset.test.images.shape(), (Shape{10'000, 28, 28}));
  EXPECT_EQ(normalize(flatten(dataset.test.images)).shape(), (Shape{10'000, 784}));
  EXPECT_EQ(one_hot(dataset.train.labels, 10).shape(), (Shape{60'000, 10}));
}

std::map<std::int32_t, int> counts_of(const std::vector<std::int32_t>& labels) {
  std::map<std::int32_t, int> counts;
  for (const auto label : labels) ++counts[label];
  return counts;
}

TEST(RealData, FashionMnistFromDebian) {
  if (!fs::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "Debian's package dataset-fashion-mnist is not installed";
  const Dataset dataset = load_dataset("fashion-mnist");
  expect_full_size(dataset);
  for (const auto& [label, count] : counts_of(dataset.train.labels))
    EXPECT_EQ(count, 6'000) << label;
  for (const auto& [label, count] : counts_of(dataset.test.labels))
    EXPECT_EQ(count, 1'000) << label;
  const std::vector<std::int32_t> first{9, 0, 0, 3, 0, 2, 7, 2, 5, 5};
  EXPECT_TRUE(std::equal(first.begin(), first.end(), dataset.train.labels.begin()));
  // The published mean of the normalised training pixels is 0.2860.
  const auto pixels = dataset.train.images.values();
  const auto sum = std::accumulate(pixels.begin(), pixels.end(), std::uint64_t{0});
  EXPECT_NEAR(static_cast<double>(sum) / 255 / static_cast<double>(pixels.size()), 0.2860, 5e-5);
}

TEST(MnistFolder, IsTheOneThatIsNamed) {
  const char* before = std::getenv("GRADATIM_TEST_MNIST");
  const std::string kept = before == nullptr ? "" : before;
  setenv("GRADATIM_TEST_MNIST", "/some/where", 1);
  EXPECT_EQ(mnist_folder(), "/some/where");
  setenv("GRADATIM_TEST_MNIST", kept.c_str(), 1);
}

TEST(RealData, Mnist) {
  if (mnist_folder().empty()) GTEST_SKIP() << kNoMnist;
  const Dataset dataset = load_dataset("mnist", {.chosen = mnist_folder()});
  expect_full_size(dataset);
  const std::vector<std::int32_t> first{5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
  EXPECT_TRUE(std::equal(first.begin(), first.end(), dataset.train.labels.begin()));
  EXPECT_EQ(counts_of(dataset.train.labels)[1], 6'742);
  EXPECT_EQ(counts_of(dataset.test.labels)[5], 892);
}

}  // namespace
}  // namespace gradatim
