#include "gradatim/io/shell.hpp"

#include <gtest/gtest.h>

namespace gradatim {
namespace {

TEST(Shell, AWordIsQuotedWhereItNeedsIt) {
  EXPECT_EQ(shell_word("runs/tiny-1"), "runs/tiny-1");
  EXPECT_EQ(shell_word("se 1"), "'se 1'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("$HOME"), "'$HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace gradatim
