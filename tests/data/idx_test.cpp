#include "gradatim/data/idx.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "data/files.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

struct IdxTest : testing::Test {
  std::string error_of(const Bytes& bytes, std::size_t rank = 3) {
    const auto file = write(folder / "file", bytes);
    std::string message = message_of<DataError>([&] { read_idx(file, rank); });
    EXPECT_TRUE(contains(message, file.string())) << message;
    return message;
  }
  TemporaryFolder folder;
  const Bytes good = joined(idx_header({2, 3, 5}), counting(30));
};

// Written by hand, byte for byte, from the format's description.
TEST_F(IdxTest, ReadsTheFormatAsDescribed) {
  const Bytes bytes{0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 255};
  const ByteTensor tensor = read_idx(write(folder / "hand", bytes), 2);
  EXPECT_EQ(tensor.shape(), (Shape{2, 3}));
  EXPECT_EQ(tensor.view()(0, 2), 30);
  EXPECT_EQ(tensor.view()(1, 2), 255);
}

TEST_F(IdxTest, PlainAndGzipOfManySizesAreWhatWasWritten) {
  for (const std::uint32_t n : {0U, 1U, 2U, 7U, 257U, 65'535U, 65'536U, 65'537U, 300'007U}) {
    const Bytes payload = counting(n);
    const Bytes bytes = joined(idx_header({n}), payload);
    for (const Bytes& stored : {bytes, gzip(bytes)}) {
      const ByteTensor tensor = read_idx(write(folder / "file", stored), 1);
      ASSERT_EQ(tensor.shape(), (Shape{n}));
      ASSERT_TRUE(std::ranges::equal(tensor.values(), payload));
    }
  }
}

TEST_F(IdxTest, ReadsEveryMemberOfAGzipFile) {
  const Bytes two_members =
      joined(gzip(prefix(good, 21)), gzip(Bytes(good.begin() + 21, good.end())));
  EXPECT_EQ(read_idx(write(folder / "file", two_members), 3),
            read_idx(write(folder / "plain", good), 3));
}

TEST_F(IdxTest, EveryTruncationOfAPlainFileIsRefused) {
  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::string message = error_of(prefix(good, size));
    EXPECT_TRUE(contains(message, size < 16 ? "expected a header of 16 bytes" : "truncated"))
        << message;
  }
  EXPECT_NO_THROW(read_idx(write(folder / "file", good), 3));
}

TEST_F(IdxTest, EveryTruncationOfAGzipFileIsRefused) {
  const Bytes compressed = gzip(good);
  for (std::size_t size = 0; size < compressed.size(); ++size) error_of(prefix(compressed, size));
  EXPECT_NO_THROW(read_idx(write(folder / "file", compressed), 3));
}

// Also the length and the checksum: only what means nothing to the payload may change, which is
// bytes 3 to 9 of the gzip header (flags, time, system) and the bits that pad the deflate stream.
TEST_F(IdxTest, EveryFlippedBitOfAGzipFileIsRefusedOrHarmless) {
  const Bytes compressed = gzip(good);
  const ByteTensor expected = read_idx(write(folder / "good", compressed), 3);
  for (std::size_t bit = 0; bit < 8 * compressed.size(); ++bit) {
    Bytes flipped = compressed;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto file = write(folder / "file", flipped);
    try {
      EXPECT_EQ(read_idx(file, 3), expected);
      const std::size_t byte = bit / 8;
      EXPECT_TRUE((byte >= 3 && byte < 10) || byte == compressed.size() - 9) << bit;
    } catch (const DataError&) {
    }
  }
}

TEST_F(IdxTest, OverLongIsRefused) {
  EXPECT_TRUE(contains(error_of(joined(good, {0})), "expected 16 + 30 bytes"));
  EXPECT_TRUE(contains(error_of(joined(good, {0})), "got 47"));
  EXPECT_TRUE(contains(error_of(gzip(joined(good, {0}))), "over-long"));
}

TEST_F(IdxTest, GarbageAfterTheGzipStreamIsRefused) {
  EXPECT_TRUE(contains(error_of(joined(gzip(good), {'x', 'y', 'z'})), "garbage"));
  EXPECT_TRUE(contains(error_of(joined(gzip(good), {0})), "truncated")) << "a member of one byte";
}

TEST_F(IdxTest, AnotherMagicIsRefusedWithBoth) {
  const std::string message = error_of(joined(Bytes{0, 0, 9, 3}, Bytes(12)));
  EXPECT_TRUE(contains(message, "00 00 08 03")) << message;
  EXPECT_TRUE(contains(message, "00 00 09 03")) << message;
  EXPECT_TRUE(contains(error_of(good, 1), "00 00 08 01")) << "images where labels should be";
  EXPECT_TRUE(contains(error_of(Bytes(100, 'a')), "61 61 61 61"));
  Bytes first_byte_set = good;
  first_byte_set[0] = 1;
  EXPECT_TRUE(contains(error_of(first_byte_set), "01 00 08 03"));
}

TEST_F(IdxTest, ExtentsWhoseProductOverflowsAreRefused) {
  constexpr std::uint32_t kHuge = 0xFFFFFFFF;
  EXPECT_TRUE(contains(error_of(idx_header({kHuge, kHuge, kHuge})), "overflow"));
  EXPECT_TRUE(contains(error_of(gzip(idx_header({kHuge, kHuge, kHuge}))), "overflow"));
  // 2^64 exactly would wrap to 0, which an empty payload fits.
  EXPECT_TRUE(contains(error_of(idx_header({1U << 31, 1U << 31, 4})), "overflow"));
  // The product fits 64 bits, but not with the header's 16.
  EXPECT_TRUE(contains(error_of(idx_header({kHuge, 641, 6'700'417})), "truncated"));
}

TEST_F(IdxTest, ExtentsBeyondTheFileAreRefusedBeforeAnythingIsAllocated) {
  const Bytes promise = idx_header({60'000, 10'000, 10'000});  // 6 TB
  EXPECT_TRUE(contains(error_of(joined(promise, counting(100))), "truncated"));
  EXPECT_TRUE(contains(error_of(gzip(joined(promise, counting(100)))), "holds at most"));
}

std::size_t peak_memory_in_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss);
}

// 100 MB of zeros in 100 kB, behind a header of a thousand bytes: inflated no further than that.
TEST_F(IdxTest, AGzipBombIsRefusedWithoutInflatingIt) {
  const Bytes bomb = gzip(joined(idx_header({10, 10, 10}), Bytes(100'000'000)));
  ASSERT_LT(bomb.size(), 110'000U);
  const auto file = write(folder / "bomb", bomb);
  EXPECT_TRUE(contains(message_of<DataError>([&] { read_idx(file, 3); }), "over-long"));
}

// The other lie: incompressible megabytes let the header promise a gigabyte that never comes.
TEST_F(IdxTest, MemoryGrowsWithTheBytesNotWithThePromise) {
  Bytes noise(2'000'000);
  std::uint32_t state = 1;
  for (auto& byte : noise)
    byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  const Bytes lie = gzip(joined(idx_header({1000, 1000, 1000}), noise));
  ASSERT_GT(lie.size() * 1032, 1'000'000'016U) << "the bound alone must not refuse it";
  const auto file = write(folder / "lie", lie);
  const std::size_t before = peak_memory_in_kib();
  const std::string message = message_of<DataError>([&] { read_idx(file, 3); });
  EXPECT_TRUE(contains(message, "truncated: expected 1000000000 elements")) << message;
  EXPECT_TRUE(contains(message, "got 2000000")) << message;
  EXPECT_LT(peak_memory_in_kib() - before, 64U << 10);
}

TEST_F(IdxTest, WhatIsNotAFileIsRefused) {
  const auto error_at = [](const std::filesystem::path& file) {
    return message_of<DataError>([&] { read_idx(file, 3); });
  };
  EXPECT_TRUE(contains(error_at(folder / "absent"), "no such file"));
  EXPECT_TRUE(contains(error_at(folder.path()), "got a directory"));
  EXPECT_TRUE(contains(error_at("/dev/zero"), "regular file"));
  EXPECT_TRUE(contains(error_of({}), "expected a header of 16 bytes, got 0"));
}

TEST_F(IdxTest, RankOutsideItsDomainIsRefused) {
  const auto file = write(folder / "file", good);
  EXPECT_THROW(read_idx(file, 0), InvalidArgument);
  EXPECT_THROW(read_idx(file, 7), InvalidArgument);
}

}  // namespace
}  // namespace gradatim
