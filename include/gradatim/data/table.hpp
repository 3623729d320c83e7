#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/data/dataset.hpp"

namespace gradatim {

/// A table of text: comma-separated values with a header (RFC 4180: cells may be quoted, and then
/// hold commas, line ends and doubled quotes; lines end in \n or \r\n). Empty lines at the end are
/// none of its rows, but in a table of one column, where each is a missing value.
struct TextTable {
  std::string name;  // of the file, for messages
  std::vector<std::string> columns;
  std::vector<std::string> cells;  // row by row
  std::vector<std::size_t> lines;  // where each row begins, the header's being 1

  std::size_t rows() const { return lines.size(); }
  const std::string& cell(std::size_t row, std::size_t column) const {
    return cells[row * columns.size() + column];
  }
};

/// Throws DataError naming the file and line for a row of another length than the header, a quote
/// that is not closed or has text behind it, a column without a name or with that of another, no
/// rows, or a file that can't be read or has more than `most_bytes`.
TextTable read_table(const std::filesystem::path& file, std::size_t most_bytes = 1U << 28U);
TextTable parse_table(std::string_view text, std::string_view name);

/// How a table becomes samples.
struct TableOptions {
  std::vector<std::string> targets{};  // columns
  std::vector<std::string> ignore{};   // columns; all others are features
  float test = 0.2F;                   // share of the rows, drawn by the seed, in [0, 1)
  friend bool operator==(const TableOptions&, const TableOptions&) = default;
};

/// What the target columns hold.
enum class TableTargets {
  values,   // numbers
  answers,  // 0 or 1
  classes,  // one column of names
};

/// Features and targets of all rows but the test's in train, as they stand in the table. Throws
/// DataError that names the file, row and column for a value that is missing (empty, NA, NaN,
/// null or ?) or no finite number; InvalidArgument for a column that does not exist, with the
/// nearest, or options out of range.
Dataset dataset_of(const TextTable& table, const TableOptions& options, TableTargets kind,
                   std::uint64_t seed);

/// The features that the columns of these names hold, (rows, features), in this order. Throws as
/// dataset_of.
Tensor features_of(const TextTable& table, const std::vector<Column>& features);

/// The columns with the mean and the deviation of their values (rows, columns), in double;
/// deviation 1 is noted for one that does not vary.
std::vector<Column> measured(std::vector<Column> columns, ConstTensorView values);
/// (x - mean) / deviation of each column, in place. Throws ShapeError if their numbers differ.
void apply_scaling(std::span<const Column> columns, TensorView<float> values);
/// x · deviation + mean of each column, in place. Throws as apply_scaling.
void undo_scaling(std::span<const Column> columns, TensorView<float> values);

}  // namespace gradatim
