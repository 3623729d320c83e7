#include "gradatim/data/table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "gradatim/data/generated.hpp"
#include "gradatim/data/hold_out.hpp"
#include "gradatim/io/file.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

std::string refusal(std::string_view text) {
  return message_of<DataError>([&] { parse_table(text, "t.csv"); });
}

TEST(Table, ReadsWhatRfc4180Allows) {
  const TextTable table =
      parse_table("\xEF\xBB\xBFname,\"a,b\"\r\n\"x \"\"y\"\"\nz\",1\r\n,\"\"\nlast, 2 ", "t.csv");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"name", "a,b"}));
  EXPECT_EQ(table.cells, (std::vector<std::string>{"x \"y\"\nz", "1", "", "", "last", " 2 "}));
  EXPECT_EQ(table.lines, (std::vector<std::size_t>{2, 4, 5}));
}

TEST(Table, NamesLinesThatAreNotRows) {
  EXPECT_EQ(refusal("a,b\n1,2\n3\n"), "t.csv:3: expected 2 cells as in the header, got 1");
  EXPECT_EQ(parse_table("a,b\n1,2\n\n\r\n\n", "t.csv").rows(), 1U);
  EXPECT_EQ(parse_table("a\n1\n\n", "t.csv").rows(), 2U) << "the second has a missing value";
  EXPECT_EQ(refusal("a,b\n1,2\n\n3,4\n"), "t.csv:3: expected 2 cells as in the header, got 1");
  EXPECT_EQ(refusal("a,b\n1,\"2\n\n"), "t.csv:2: a quote is opened and not closed");
  EXPECT_EQ(refusal("a,b\n1,\"2\"x\n"),
            "t.csv:2: expected a comma or the end of the line behind the cell that is quoted from "
            "line 2 on");
  EXPECT_EQ(refusal("a,b\n1,\"2\n3,\"4\"\n"),
            "t.csv:3: expected a comma or the end of the line behind the cell that is quoted from "
            "line 2 on");
  EXPECT_EQ(refusal("a,b\n1,2\r3,4\n"), "t.csv:2: expected a line feed behind a carriage return");
  EXPECT_EQ(refusal("a,b\n1,2\"\n"), "t.csv:2: a quote within a cell that is not quoted");
  EXPECT_EQ(refusal("a,a\n1,2\n"), "t.csv:1: two columns are called 'a'");
  EXPECT_EQ(refusal("a,\n1,2\n"), "t.csv:1: column 2 has no name");
  EXPECT_EQ(refusal("a,b\n"), "t.csv: there are no rows");
  EXPECT_EQ(refusal(""), "t.csv:1: column 1 has no name");
  const test::TemporaryFolder folder;
  write_file(folder / "t.csv", "a\n1\n");
  EXPECT_EQ(read_table(folder / "t.csv").rows(), 1U);
  EXPECT_CONTAINS(message_of<DataError>([&] { read_table(folder / "t.csv", 3); }),
                  "expected at most 3 bytes");
  EXPECT_CONTAINS(message_of<DataError>([&] { read_table(folder.path()); }), "a regular file");
}

TEST(Table, NamesValuesByRowAndColumn) {
  const auto refused = [](std::string_view cell) {
    const TextTable table = parse_table("id,x,y\n1,2,3\n2," + std::string(cell) + ",4\n", "t.csv");
    return message_of<DataError>(
        [&] { dataset_of(table, {.targets = {"y"}, .ignore = {"id"}}, TableTargets::values, 1); });
  };
  for (const char* missing : {"", "NA", "NaN", "?", "  "})
    EXPECT_EQ(refused(missing), "t.csv:3: row 2, column 'x': the value is missing");
  for (const char* text : {"tall", "1.2.3", "1e99", "inf", "0x10", "1 2"})
    EXPECT_EQ(refused(text), "t.csv:3: row 2, column 'x': expected a finite number, got '" +
                                 std::string(text) + "'");
  for (const char* text : {"+", "+-1", "++1"})
    EXPECT_EQ(refused(text), "t.csv:3: row 2, column 'x': expected a finite number, got '" +
                                 std::string(text) + "'");
  const TextTable signed_numbers = parse_table("x,y\n+4,-2\n+.5,+1e2\n", "t.csv");
  const Dataset data =
      dataset_of(signed_numbers, {.targets = {"y"}, .test = 0.5F}, TableTargets::values, 1);
  EXPECT_EQ(data.train.features.values()[0] + data.test.features.values()[0], 4.5F);
  EXPECT_EQ(data.train.targets.values()[0] + data.test.targets.values()[0], 98);
  const TextTable table = parse_table("x,y\n1,2\n3,4\n", "t.csv");
  EXPECT_CONTAINS(message_of<DataError>(
                      [&] { dataset_of(table, {.targets = {"y"}}, TableTargets::answers, 1); }),
                  "row 1, column 'y': expected 0 or 1, got 2");
  EXPECT_CONTAINS(message_of<InvalidArgument>(
                      [&] { dataset_of(table, {.targets = {"z"}}, TableTargets::values, 1); }),
                  "no column is called 'z'");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              dataset_of(table, {.targets = {"y", "y"}}, TableTargets::values, 1);
            }),
            "t.csv: the target column 'y' is named twice");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              dataset_of(table, {.targets = {"y"}, .test = 0.8F}, TableTargets::values, 1);
            }),
            "table.test: 2 of 2 training samples leave none to train on");
  EXPECT_CONTAINS(
      message_of<InvalidArgument>([&] { dataset_of(table, {}, TableTargets::values, 1); }),
      "expected the target columns by name");
}

TEST(Table, BecomesTrainingAndTestSamples) {
  std::string text = "x,kind,y\n";
  for (int i = 0; i < 100; ++i)
    text += std::to_string(i) + (i % 3 == 0 ? ",b," : ",a,") + std::to_string(2 * i) + "\n";
  const TextTable table = parse_table(text, "dir/t.csv");
  const Dataset data = dataset_of(table, {.targets = {"y"}, .ignore = {"kind"}, .test = 0.3F},
                                  TableTargets::values, 5);
  EXPECT_EQ(data.name, "t.csv");
  EXPECT_EQ(data.train.size(), 70U);
  EXPECT_EQ(data.test.size(), 30U);
  std::set<float> seen;
  for (const Split* split : {&data.train, &data.test})
    for (std::size_t i = 0; i < split->size(); ++i) {
      EXPECT_EQ(split->targets.values()[i], 2 * split->features.values()[i]);
      seen.insert(split->features.values()[i]);
    }
  EXPECT_EQ(seen.size(), 100U);

  const Dataset classes = dataset_of(table, {.targets = {"kind"}}, TableTargets::classes, 5);
  EXPECT_EQ(classes.class_names, (std::vector<std::string>{"a", "b"}));
  for (std::size_t i = 0; i < classes.train.size(); ++i)
    EXPECT_EQ(classes.train.labels[i],
              static_cast<int>(classes.train.features.view()(i, 0)) % 3 == 0 ? 1 : 0);
}

// 0.02 of 25 is half a row in float, and less in double.
TEST(Table, AShareOfTestRowsIsRoundedTheSameForAnyNumberOfRows) {
  std::string text = "x,y\n";
  for (std::size_t rows = 1; rows <= 30; ++rows) {
    text += std::to_string(rows) + ",1\n";
    const Dataset data = dataset_of(parse_table(text, "t.csv"), {.targets = {"y"}, .test = 0.02F},
                                    TableTargets::values, 1);
    EXPECT_EQ(data.test.size(), rows <= 25 ? 0U : 1U) << rows;
    EXPECT_EQ(data.train.size() + data.test.size(), rows);
  }
}

TEST(Table, BlanksAroundAClassAreNoPartOfIt) {
  const TextTable table = parse_table("x,kind\n1,a\n2, a\n3,\"a \"\n4,b\n", "t.csv");
  const Dataset data =
      dataset_of(table, {.targets = {"kind"}, .test = 0.1F}, TableTargets::classes, 1);
  EXPECT_EQ(data.test.size(), 0U) << "of so few";
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(data.train.labels, (std::vector<std::int32_t>{0, 0, 0, 1}));
}

TEST(Scaling, GivesTheTrainingSamplesMeanZeroAndDeviationOne) {
  Dataset data = find_generated("friedman1")->make();
  for (std::size_t i = 0; i < data.train.size(); ++i) data.train.features.view()(i, 3) = 7;
  const std::vector<Column> features = measured(data.columns.features, data.train.features);
  EXPECT_EQ(features[0].name, "x1");
  EXPECT_NEAR(features[0].mean, 0.5, 0.02);
  EXPECT_NEAR(features[0].deviation, std::sqrt(1.0 / 12), 0.01);
  EXPECT_EQ(features[3].deviation, 1);
  const Tensor before = data.train.features;
  apply_scaling(features, data.train.features.view());
  const ConstTensorView x = data.train.features;
  for (std::size_t k = 0; k < 10; ++k) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < x.rows(); ++i) sum += x(i, k), squares += std::pow(x(i, k), 2);
    EXPECT_NEAR(sum / static_cast<double>(x.rows()), 0, 1e-4);
    EXPECT_NEAR(squares / static_cast<double>(x.rows()), k == 3 ? 0 : 1, 1e-4);
  }
  undo_scaling(features, data.train.features.view());
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(data.train.features.values()[i], before.values()[i], 1e-6) << i;
  EXPECT_THROW(undo_scaling(features, data.train.targets.view()), ShapeError);
}

TEST(Generated, IsWhatItsFormulaSays) {
  const Dataset friedman = find_generated("friedman1")->make();
  double noise = 0;
  for (std::size_t i = 0; i < friedman.train.size(); ++i) {
    const auto x = friedman.train.features.view().row(i);
    const double y = 10 * std::sin(3.14159265358979 * x[0] * x[1]) +
                     20 * (x[2] - 0.5) * (x[2] - 0.5) + 10 * x[3] + 5 * x[4];
    noise += std::pow(friedman.train.targets.values()[i] - y, 2);
  }
  EXPECT_NEAR(noise / static_cast<double>(friedman.train.size()), 1, 0.05);
  const Dataset discs = find_generated("discs")->make();
  double inside = 0;
  for (const float answer : discs.train.targets.values()) inside += answer;
  EXPECT_NEAR(inside / static_cast<double>(discs.train.targets.size()), 3.14159265358979 * 0.25 / 4,
              0.01);
  EXPECT_EQ(find_generated("mnist"), nullptr);
}

TEST(HoldOut, PartsTheSamplesBySeed) {
  Dataset data;
  data.train = {.features = Tensor({50, 1}), .targets = Tensor({50, 1})};
  for (std::size_t i = 0; i < 50; ++i) data.train.features.values()[i] = static_cast<float>(i);
  const auto values = [](const Split& split) {
    return std::vector<float>(split.features.values().begin(), split.features.values().end());
  };
  const Dataset parted = hold_out(data, {.fraction = 0.3F}, 1);
  EXPECT_EQ(parted.train.size(), 35U);
  EXPECT_EQ(parted.validation.size(), 15U);
  std::vector<float> all = values(parted.train);
  const std::vector<float> held = values(parted.validation);
  all.insert(all.end(), held.begin(), held.end());
  std::ranges::sort(all);
  EXPECT_EQ(all, values(data.train));
  EXPECT_EQ(values(hold_out(data, {.count = 15}, 1).validation), held);
  EXPECT_NE(values(hold_out(data, {.count = 15}, 2).validation), held);
  EXPECT_EQ(values(hold_out(data, {}, 1).train), values(data.train));
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { hold_out(data, {.count = 50}, 1); }),
                  "validation: 50 of 50 training samples leave none to train on");
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { hold_out(data, {.fraction = 0.009F}, 1); }),
                  "validation: 0.009 of 50 samples are none");
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const float fraction : {kNan, -0.1F, 1.0F})
    EXPECT_CONTAINS(message_of<InvalidArgument>([&] { hold_out(data, {.fraction = fraction}, 1); }),
                    "expected a fraction in [0, 1)");
}

}  // namespace
}  // namespace gradatim
