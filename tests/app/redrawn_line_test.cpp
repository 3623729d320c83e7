#include "apps/gradatim/redrawn_line.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "core/open_file.hpp"

namespace gradatim {
namespace {

using detail::OpenFile;

/// A terminal, and what a program writes to it.
class Terminal {
 public:
  Terminal() : screen_(posix_openpt(O_RDWR | O_NOCTTY)) {
    if (screen_ < 0 || grantpt(screen_) != 0 || unlockpt(screen_) != 0) return;
    file_.reset(std::fopen(ptsname(screen_), "w"));
  }
  ~Terminal() {
    if (screen_ >= 0) close(screen_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  std::FILE* file() const { return file_.get(); }
  std::string written() {
    std::fflush(file());
    std::string text(1000, '\0');
    fcntl(screen_, F_SETFL, O_NONBLOCK);
    const ssize_t size = read(screen_, text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

 private:
  int screen_;
  OpenFile file_;
};

constexpr std::chrono::milliseconds kRedraw{110};

TEST(RedrawnLine, IsDrawnInItsPlaceAndClearedWhenItGoesBehindAnErrorToo) {
  Terminal terminal;
  if (terminal.file() == nullptr) GTEST_SKIP() << "no terminal can be made here";
  try {
    const auto start = std::chrono::steady_clock::now();
    app::RedrawnLine line(terminal.file());
    const bool due = line.is_due();
    EXPECT_TRUE(!due || std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(100));
    std::this_thread::sleep_for(kRedraw);
    EXPECT_TRUE(line.is_due());
    line.draw("half");
    EXPECT_EQ(terminal.written(), "\rhalf\x1b[K");
    throw std::runtime_error("of what the line tells of");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(terminal.written(), "\r\x1b[K");
  }
}

TEST(RedrawnLine, NothingIsClearedThatWasNotDrawnAndAKeptLineStays) {
  Terminal terminal;
  if (terminal.file() == nullptr) GTEST_SKIP() << "no terminal can be made here";
  { const app::RedrawnLine line(terminal.file()); }
  EXPECT_EQ(terminal.written(), "");
  {
    app::RedrawnLine line(terminal.file());
    line.draw("all");
    line.keep();
  }
  EXPECT_EQ(terminal.written(), "\rall\x1b[K\r\n");
}

TEST(RedrawnLine, AFileGetsNothing) {
  const OpenFile file(std::tmpfile());
  ASSERT_NE(file, nullptr);
  app::RedrawnLine line(file.get());
  std::this_thread::sleep_for(kRedraw);
  EXPECT_FALSE(line.is_due());
  line.draw("half");
  line.clear();
  EXPECT_EQ(std::ftell(file.get()), 0);
}

}  // namespace
}  // namespace gradatim
