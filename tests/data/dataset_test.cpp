#include "gradatim/data/dataset.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "data/files.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

struct DatasetTest : testing::Test {
  std::filesystem::path images(std::uint32_t n) {
    return write(folder / "images", joined(idx_header({n, 2, 3}), counting(std::size_t{n} * 6)));
  }
  std::filesystem::path labels(const Bytes& values) {
    return write(folder / "labels",
                 joined(idx_header({static_cast<std::uint32_t>(values.size())}), values));
  }
  TemporaryFolder folder;
};

TEST_F(DatasetTest, ReadsImagesAndLabels) {
  const Split split = read_split(images(3), labels({0, 9, 4}), 10);
  EXPECT_EQ(split.size(), 3U);
  EXPECT_EQ(split.images.shape(), (Shape{3, 2, 3}));
  EXPECT_EQ(split.labels, (std::vector<std::int32_t>{0, 9, 4}));
}

TEST_F(DatasetTest, CountsThatDifferAreRefusedWithBoth) {
  const std::string message = message_of<DataError>([&] {
    read_split(images(3), labels({0, 9}), 10);
  });
  EXPECT_TRUE(contains(message, "3 images") && contains(message, "2 labels")) << message;
}

TEST_F(DatasetTest, ALabelOutsideTheClassesIsRefusedWithItsIndex) {
  const std::string message = message_of<DataError>([&] {
    read_split(images(3), labels({0, 9, 10}), 10);
  });
  EXPECT_TRUE(contains(message, "expected labels from 0 to 9, got 10 at index 2")) << message;
  EXPECT_NO_THROW(read_split(images(3), labels({0, 9, 10}), 11));
  EXPECT_THROW(read_split(images(3), labels({0, 9, 10}), 0), InvalidArgument);
}

TEST_F(DatasetTest, ABadFileOfEitherKindIsReported) {
  EXPECT_THROW(read_split(images(3), folder / "absent", 10), DataError);
  EXPECT_THROW(read_split(folder / "absent", labels({1}), 10), DataError);
}

TEST(Normalize, EveryByteIsWithinOneUlpOfTheQuotient) {
  ByteTensor bytes({2, 128});
  for (std::size_t i = 0; i < 256; ++i) bytes.data()[i] = static_cast<std::uint8_t>(i);
  const Tensor floats = normalize(bytes);
  EXPECT_EQ(floats.shape(), bytes.shape());
  for (std::size_t i = 0; i < 256; ++i) {
    const float quotient = static_cast<float>(i) / 255.0F;
    EXPECT_GE(floats.data()[i], std::nextafter(quotient, -1.0F));
    EXPECT_LE(floats.data()[i], std::nextafter(quotient, 2.0F));
  }
  EXPECT_EQ(floats.data()[0], 0.0F);
  EXPECT_EQ(floats.data()[255], 1.0F);
}

TEST(Flatten, KeepsTheMemory) {
  const ByteTensor images({7, 28, 28});
  EXPECT_EQ(flatten(images).shape(), (Shape{7, 784}));
  EXPECT_EQ(flatten(images).data(), images.data());
  Tensor floats({7, 4, 5});
  flatten(floats.view())(6, 19) = 3;
  EXPECT_EQ(floats.values().back(), 3.0F);
  EXPECT_EQ(flatten(ByteTensor({0, 28, 28})).size(), 0U);
}

TEST(OneHot, OneInEachRow) {
  const std::vector<std::int32_t> labels{2, 0, 1, 2};
  const Tensor targets = one_hot(labels, 3);
  const std::vector<float> expected{0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  EXPECT_EQ(targets.shape(), (Shape{4, 3}));
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), targets.values().begin()));
}

TEST(OneHot, RefusesLabelsOutsideTheClasses) {
  const auto error_of = [](std::vector<std::int32_t> labels) {
    return message_of<InvalidArgument>([&] { one_hot(labels, 3); });
  };
  EXPECT_TRUE(contains(error_of({0, 3}), "got 3 at index 1"));
  EXPECT_TRUE(contains(error_of({-1}), "got -1 at index 0"));
}

}  // namespace
}  // namespace gradatim
