#include "apps/gradatim/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace gradatim::app {
namespace {

TEST(Text, IsShortenedBetweenCodePoints) {
  EXPECT_EQ(app::shortened("seed=1"), "seed=1");
  EXPECT_EQ(app::shortened(std::string(100, 'a')), std::string(100, 'a'));
  EXPECT_EQ(app::shortened(std::string(101, 'a')), std::string(97, 'a') + "...");
  EXPECT_EQ(app::shortened(std::string(96, 'a') + "\xC3\xA9 and more"),
            std::string(96, 'a') + "...");
}

TEST(Text, OneLineHasNoControlCharacters) {
  EXPECT_EQ(one_line("a\nb\x1b[31m\x7f é"), "a b [31m  é");
}

TEST(Text, Durations) {
  EXPECT_EQ(duration(0), "0:00");
  EXPECT_EQ(duration(6.2), "0:07");
  EXPECT_EQ(duration(59.5), "1:00");
  EXPECT_EQ(duration(3723), "1:02:03");
  EXPECT_EQ(duration(-1), "0:00");
}

TEST(Text, BarsAreAsWideAsAsked) {
  EXPECT_EQ(block_bar(0, 4), "    ");
  EXPECT_EQ(block_bar(1, 4), "████");
  EXPECT_EQ(block_bar(0.5, 4), "██  ");
  EXPECT_EQ(block_bar(0.25 + 1.0 / 32, 4), "█▏  ");
  EXPECT_EQ(block_bar(7, 2), "██");
  EXPECT_EQ(block_bar(NAN, 2), "  ");
  for (double share = 0; share <= 1; share += 0.01) EXPECT_EQ(columns(block_bar(share, 30)), 30U);
}

TEST(Text, SparklinesSpanLeastToLargest) {
  EXPECT_EQ(sparkline(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}, 99), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(sparkline(std::vector<double>{0, 1, 2, 7}, 2), "▁█");
  EXPECT_EQ(sparkline(std::vector<double>{3, 3}, 9), "▄▄");
  EXPECT_EQ(sparkline({}, 9), "");
  EXPECT_EQ(sparkline(std::vector<double>{NAN, 1, 5, -2}, 9), " ▄█▁");
  EXPECT_EQ(sparkline(std::vector<double>{1, NAN, 5, INFINITY, -2}, 9), "▄ █ ▁");
  EXPECT_EQ(sparkline(std::vector<double>{1, 5, -2, NAN}, 9), "▄█▁ ");
  EXPECT_EQ(sparkline(std::vector<double>{NAN, NAN}, 9), "  ");
}

TEST(Text, PaddingCountsColumns) {
  EXPECT_EQ(padded("é", 3), "é  ");
  EXPECT_EQ(padded("abcd", 3), "abcd");
}

TEST(Text, LossesStayReadable) {
  EXPECT_EQ(loss_text(0.5), "0.5000");
  EXPECT_EQ(loss_text(0), "0.0000");
  EXPECT_EQ(loss_text(1.5e30), "1.500e+30");
  EXPECT_EQ(loss_text(2e-5), "2.000e-05");
  EXPECT_EQ(loss_text(NAN), "nan");
}

}  // namespace
}  // namespace gradatim::app
