#include "gradatim/io/csv.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

#include "gradatim/io/file.hpp"
#include "support/errors.hpp"
#include "support/full_disk.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

constexpr std::array<std::string_view, 3> kColumns{"step", "loss", "note"};

TEST(CsvWriter, WritesNumbersThatReadBackAndQuotesText) {
  const test::TemporaryFolder folder;
  {
    CsvWriter csv(folder / "a.csv", kColumns);
    csv.cell(std::size_t{1}).cell(0.1).blank().end_row();
    csv.cell(std::size_t{2}).cell(1.0 / 3).cell("a \"b\", c").end_row();
    csv.cell(std::size_t{3}).cell(-std::numeric_limits<double>::quiet_NaN()).blank().end_row();
  }
  EXPECT_EQ(read_file(folder / "a.csv"),
            "step,loss,note\n1,0.1,\n2,0.3333333333333333,\"a \"\"b\"\", c\"\n3,nan,\n");
}

TEST(CsvWriter, RefusesARowOfTheWrongLength) {
  const test::TemporaryFolder folder;
  CsvWriter csv(folder / "a.csv", kColumns);
  csv.cell(std::size_t{1});
  EXPECT_CONTAINS(test::message_of<InvalidArgument>([&] { csv.end_row(); }),
                  "expected 3 cells in a row, got 1");
}

TEST(CsvWriter, WritesWhatIsBufferedBeforeItEnds) {
  const test::TemporaryFolder folder;
  CsvWriter csv(folder / "a.csv", kColumns);
  for (std::size_t i = 0; i < 10'000; ++i) csv.cell(i).cell(0.5).blank().end_row();
  EXPECT_GE(std::filesystem::file_size(folder / "a.csv"), 1U << 16U);
  csv.flush();
  const std::string text = read_file(folder / "a.csv");
  EXPECT_TRUE(text.ends_with("\n9999,0.5,\n"));
}

TEST(CsvWriter, NamesTheFileOnAFullDisk) {
  const test::TemporaryFolder folder;
  CsvWriter csv(folder / "a.csv", kColumns);
  csv.cell(std::size_t{1}).cell(0.5).blank().end_row();
  const test::FullDisk full(10);
  EXPECT_EQ(test::message_of<DataError>([&] { csv.flush(); }),
            "write " + (folder / "a.csv").string() + ": File too large");
}

}  // namespace
}  // namespace gradatim
