#include "gradatim/data/fetch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "data/files.hpp"
#include "data/loopback_server.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

namespace fs = std::filesystem;
using Requests = std::vector<std::string>;

// FIPS 180-4's examples.
TEST(PayloadSha256, KnownHashesPlainAndGzip) {
  const TemporaryFolder folder;
  const auto hash_of = [&](const Bytes& bytes) {
    return payload_sha256(write(folder / "file", bytes), bytes.size() + 1000);
  };
  constexpr auto kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(hash_of({'a', 'b', 'c'}), kAbc);
  EXPECT_EQ(hash_of(gzip({'a', 'b', 'c'})), kAbc);
  EXPECT_EQ(hash_of({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(PayloadSha256, StopsAtItsLimit) {
  const TemporaryFolder folder;
  const auto bomb = write(folder / "bomb", gzip(Bytes(50'000'000)));
  EXPECT_EQ(payload_sha256(write(folder / "a", gzip(Bytes(1'000'000, 'a'))), 1'000'000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_THROW(payload_sha256(bomb, 49'999'999), DataError);
  EXPECT_NO_THROW(payload_sha256(bomb, 50'000'000));
}

// A dataset of four small files that the loopback server publishes under "good/".
struct FetchTest : testing::Test {
  FetchTest() {
    // Nothing here may leave the machine, nor ask a proxy for 127.0.0.1.
    for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) unsetenv(name);
    for (std::size_t i = 0; i < kDatasetFiles; ++i) {
      payloads.push_back(counting(20'000 + 1'000 * i));
      packed.push_back(noisy_gzip(payloads.back()));
      hashes.push_back(payload_sha256(write(scratch / "packed", packed.back()), 1 << 20));
      names.push_back("file" + std::to_string(i));
      server.put("good/" + names.back() + ".gz", {.body = packed.back()});
    }
    for (std::size_t i = 0; i < kDatasetFiles; ++i)
      entry.files[i] = {names[i], hashes[i], payloads[i].size()};
    options.mirrors = {server.url("good/")};
    options.stall_timeout = std::chrono::seconds(1);
  }

  // Stored, not compressed: cuts in the middle of a download are then cuts in the payload.
  static Bytes noisy_gzip(Bytes& payload) {
    std::uint32_t state = 12345;
    for (auto& byte : payload)
      byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    return gzip(payload);
  }

  fs::path target(std::size_t i) const { return folder.path() / (names[i] + ".gz"); }
  fs::path part(std::size_t i) const { return folder.path() / (names[i] + ".gz.part"); }

  void expect_all_there() const {
    for (std::size_t i = 0; i < kDatasetFiles; ++i) {
      EXPECT_EQ(read_all(target(i)), packed[i]);
      EXPECT_FALSE(fs::exists(part(i)));
    }
  }
  std::string error_of_fetch() {
    return message_of<DataError>([&] { fetch(entry, folder.path(), options); });
  }

  TemporaryFolder scratch;
  TemporaryFolder folder;
  LoopbackServer server;
  std::vector<Bytes> payloads;
  std::vector<Bytes> packed;
  std::vector<std::string> hashes;
  std::vector<std::string> names;
  DatasetEntry entry{.name = "tiny",
                     .title = {},
                     .source = {},
                     .licence = {},
                     .files = {},
                     .mirrors = {},
                     .class_names = {}};
  FetchOptions options;
};

TEST_F(FetchTest, GoodFilesArriveUnderTheirNames) {
  const fs::path deep = folder / "not/there/yet";
  fetch(entry, deep, options);
  for (std::size_t i = 0; i < kDatasetFiles; ++i)
    EXPECT_EQ(read_all(deep / (names[i] + ".gz")), packed[i]);
  EXPECT_EQ(std::distance(fs::directory_iterator(deep), fs::directory_iterator()), 4);
}

TEST_F(FetchTest, AMirrorNeedNotEndInASlash) {
  options.mirrors = {server.url("good")};
  fetch(entry, folder.path(), options);
  expect_all_there();
}

TEST_F(FetchTest, WhatIsThereAndWholeIsLeftAlone) {
  fetch(entry, folder.path(), options);
  write(target(2), prefix(packed[2], 500));
  const std::size_t before = server.requests().size();
  fetch(entry, folder.path(), options);
  expect_all_there();
  EXPECT_EQ(server.requests().size(), before + 1) << "only the damaged one";
}

TEST_F(FetchTest, ReportsProgressUpToTheTotal) {
  std::vector<std::uint64_t> last(kDatasetFiles);
  std::string first_url;
  options.on_progress = [&](const FetchProgress& progress) {
    EXPECT_EQ(progress.file, names[progress.file_index] + ".gz");
    EXPECT_LE(progress.received, packed[progress.file_index].size());
    if (progress.total != 0) {
      EXPECT_EQ(progress.total, packed[progress.file_index].size());
    }
    last[progress.file_index] = progress.received;
    if (first_url.empty()) first_url = progress.url;
  };
  fetch(entry, folder.path(), options);
  for (std::size_t i = 0; i < kDatasetFiles; ++i) EXPECT_EQ(last[i], packed[i].size());
  EXPECT_EQ(first_url, server.url("good/file0.gz"));
}

TEST_F(FetchTest, WhatTheCallbackThrowsEndsTheFetch) {
  options.on_progress = [](const FetchProgress&) { throw std::runtime_error("enough"); };
  EXPECT_THROW(fetch(entry, folder.path(), options), std::runtime_error);
  EXPECT_FALSE(fs::exists(target(0)));
}

TEST_F(FetchTest, APartIsResumedWhereItEnds) {
  write(part(0), prefix(packed[0], 7'000));
  fetch(entry, folder.path(), options);
  expect_all_there();
  EXPECT_EQ(server.requests().front(), "good/file0.gz from 7000");
}

TEST_F(FetchTest, AnInterruptedDownloadIsResumedInTheNextRound) {
  server.put("cut/file0.gz", {.body = packed[0], .send_at_most = 9'000});
  options.mirrors = {server.url("cut/"), server.url("good/")};
  fetch(entry, folder.path(), options);
  expect_all_there();
  EXPECT_EQ(server.requests()[0], "cut/file0.gz");
  EXPECT_EQ(server.requests()[1], "good/file0.gz from 9000");
}

TEST_F(FetchTest, ACompletePartNeedsNoMoreBytes) {
  write(part(0), packed[0]);
  fetch(entry, folder.path(), options);
  expect_all_there();
}

TEST_F(FetchTest, AServerWithoutRangesIsAskedForEverything) {
  server.put("good/file0.gz", {.body = packed[0], .ranges = false});
  write(part(0), prefix(packed[0], 7'000));
  fetch(entry, folder.path(), options);
  expect_all_there();
}

TEST_F(FetchTest, APartOfSomethingElseIsThrownAway) {
  for (const std::size_t size : {std::size_t{10}, packed[0].size(), packed[0].size() + 5}) {
    fs::remove(target(0));
    write(part(0), Bytes(size, 'x'));
    fetch(entry, folder.path(), options);
    expect_all_there();
  }
}

TEST_F(FetchTest, ATruncatedDownloadIsReportedAndItsPartKept) {
  server.put("cut/file0.gz", {.body = packed[0], .ranges = false, .send_at_most = 9'000});
  options.mirrors = {server.url("cut/")};
  const std::string message = error_of_fetch();
  EXPECT_TRUE(contains(message, "fetch tiny: no mirror delivered file0.gz")) << message;
  EXPECT_FALSE(fs::exists(target(0)));
  EXPECT_EQ(read_all(part(0)), prefix(packed[0], 9'000));
}

TEST_F(FetchTest, AWrongHashIsRefusedDeletedAndToldWithBothHashes) {
  Bytes other = payloads[0];
  other[100] ^= 1;
  server.put("good/file0.gz", {.body = gzip(other)});
  const std::string message = error_of_fetch();
  const std::string got = payload_sha256(write(scratch / "other", other), other.size());
  EXPECT_TRUE(contains(message, "expected " + hashes[0] + ", got " + got)) << message;
  EXPECT_FALSE(fs::exists(target(0)));
  EXPECT_FALSE(fs::exists(part(0)));
}

TEST_F(FetchTest, ABombOfAPayloadIsRefused) {
  server.put("good/file0.gz", {.body = gzip(Bytes(5'000'000))});
  const std::string message = error_of_fetch();
  EXPECT_TRUE(contains(message, "over-long")) << message;
  EXPECT_FALSE(fs::exists(part(0)));
}

TEST_F(FetchTest, ADownloadThatDoesNotEndIsCutOff) {
  server.put("good/file0.gz", {.body = Bytes(5'000'000, 'x')});
  const std::string message = error_of_fetch();
  EXPECT_TRUE(contains(message, "sent more than")) << message;
}

TEST_F(FetchTest, NotFoundIsReportedWithTheMirror) {
  options.mirrors = {server.url("nowhere/")};
  const std::string message = error_of_fetch();
  EXPECT_TRUE(contains(message, server.url("nowhere/")) && contains(message, "404")) << message;
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST_F(FetchTest, AStalledServerIsLeftForTheNext) {
  server.put("slow/file0.gz", {.body = packed[0], .send_at_most = 5'000, .stall = true});
  options.mirrors = {server.url("slow/"), server.url("good/")};
  const auto start = std::chrono::steady_clock::now();
  fetch(entry, folder.path(), options);
  expect_all_there();
  EXPECT_EQ(server.requests()[1], "good/file0.gz from 5000");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(FetchTest, AStallWithoutAnotherMirrorIsAnError) {
  server.put("slow/file0.gz", {.body = packed[0], .send_at_most = 5'000, .stall = true});
  options.mirrors = {server.url("slow/")};
  options.rounds = 1;
  const std::string message = error_of_fetch();
  EXPECT_TRUE(contains(message, "stalled after 5000 bytes")) << message;
}

TEST_F(FetchTest, ADeadMirrorIsLeftForTheNext) {
  std::string dead;
  {
    const LoopbackServer gone;
    dead = gone.url();
  }
  options.mirrors = {dead, server.url("good/")};
  fetch(entry, folder.path(), options);
  expect_all_there();
  options.mirrors = {dead};
  fs::remove(target(0));
  EXPECT_TRUE(contains(error_of_fetch(), dead));
}

TEST_F(FetchTest, OnlyHttpIsSpoken) {
  write(scratch / "file0.gz", packed[0]);
  options.mirrors = {"file://" + scratch.path().string() + "/"};
  EXPECT_TRUE(contains(error_of_fetch(), "rotocol"));
}

TEST_F(FetchTest, AFolderThatCannotBeMadeIsReported) {
  write(scratch / "file", {});
  const std::string message =
      message_of<DataError>([&] { fetch(entry, scratch / "file/folder", options); });
  EXPECT_TRUE(contains(message, "cannot make the folder")) << message;
}

TEST_F(FetchTest, APartThatCannotBeWrittenIsReportedAtOnce) {
  fs::create_directories(part(0));
  const std::string message = error_of_fetch();
  EXPECT_TRUE(contains(message, part(0).string())) << message;
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(FetchTest, TwoAtOnceInAFolderAreRefused) {
  const int other = open(folder.path().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
  EXPECT_TRUE(contains(error_of_fetch(), "another process"));
  close(other);
  EXPECT_NO_THROW(fetch(entry, folder.path(), options));
}

TEST_F(FetchTest, NoRoundsAreRefused) {
  options.rounds = 0;
  EXPECT_THROW(fetch(entry, folder.path(), options), InvalidArgument);
}

}  // namespace
}  // namespace gradatim
