#include "gradatim/io/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/full_disk.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

std::size_t entries(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(AtomicFile, ReplacesTheFileAtCommitAndNotBefore) {
  const test::TemporaryFolder folder;
  const auto path = folder / "a.txt";
  write_file(path, "before");
  {
    AtomicFile file(path);
    file.write("af");
    file.write("ter");
    EXPECT_EQ(read_file(path), "before");
    file.commit();
  }
  EXPECT_EQ(read_file(path), "after");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const test::TemporaryFolder folder;
  { AtomicFile(folder / "a.txt").write("half"); }
  EXPECT_EQ(entries(folder.path()), 0U);
}

TEST(AtomicFile, WhatAKilledProcessLeftIsRemovedAndNothingElse) {
  const test::TemporaryFolder folder;
  const std::vector<std::string> others{"kept.tmp",   ".kept",    "a.txt",   ".vim.tmp",
                                        ".a.b-1.tmp", ".a.-.tmp", ".1-2.tmp"};
  for (const std::string& name : others) write_file(folder / name, "x");
  write_file(folder / ".a.txt.12-0.tmp", "x");
  write_file(folder / ".search.png.4711-13.tmp", "x");
  remove_temporaries(folder.path());
  EXPECT_EQ(entries(folder.path()), others.size());
  for (const std::string& name : others)
    EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
  EXPECT_NO_THROW(remove_temporaries(folder / "nowhere"));
}

TEST(AtomicFile, KeepsTheOldFileWhenTheDiskIsFull) {
  const test::TemporaryFolder folder;
  const auto path = folder / "a.txt";
  write_file(path, "before");
  const std::string large(100'000, 'x');
  const std::string message = [&] {
    const test::FullDisk full(50'000);
    return message_of<DataError>([&] { write_file(path, large); });
  }();
  EXPECT_EQ(message, "write " + path.string() + ": File too large");
  EXPECT_EQ(read_file(path), "before");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(AtomicFile, NamesThePathAndTheReason) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(message_of<DataError>([&] { write_file(folder / "no/a.txt", ""); }),
            "write " + (folder / "no/a.txt").string() + ": No such file or directory");
  EXPECT_EQ(message_of<DataError>([&] { write_file(folder.path(), ""); }),
            "write " + folder.path().string() + ": Is a directory");
}

TEST(ReadFile, HasALimitAndNamesThePath) {
  const test::TemporaryFolder folder;
  const auto path = folder / "a.txt";
  const std::string text(200'001, 'y');
  write_file(path, text);
  EXPECT_EQ(read_file(path), text);
  EXPECT_EQ(read_file(path, text.size()), text);
  EXPECT_EQ(message_of<DataError>([&] { read_file(path, text.size() - 1); }),
            "read " + path.string() + ": expected at most 200000 bytes");
  EXPECT_EQ(message_of<DataError>([&] { read_file(folder / "none"); }),
            "read " + (folder / "none").string() + ": No such file or directory");
  EXPECT_EQ(message_of<DataError>([&] { read_file(folder.path()); }),
            "read " + folder.path().string() + ": Is a directory");
}

TEST(ReadFile, RefusesWhatIsNotARegularFile) {
  const test::TemporaryFolder folder;
  const auto path = folder / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  ::alarm(20);  // ends the process if the open waits for a writer
  EXPECT_EQ(message_of<DataError>([&] { read_file(path); }),
            "read " + path.string() + ": expected a regular file");
  ::alarm(0);
  EXPECT_EQ(message_of<DataError>([] { read_file("/dev/zero"); }),
            "read /dev/zero: expected a regular file");
}

}  // namespace
}  // namespace gradatim
