#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"
#include "gradatim/core/number_text.hpp"
#include "gradatim/data/hold_out.hpp"
#include "gradatim/data/table.hpp"

namespace gradatim {
namespace {

std::size_t column_of(const TextTable& table, const std::string& name) {
  const auto found = std::ranges::find(table.columns, name);
  if (found != table.columns.end()) return static_cast<std::size_t>(found - table.columns.begin());
  const std::vector<std::string_view> names(table.columns.begin(), table.columns.end());
  throw InvalidArgument(
      fmt::format("{}: no column is called '{}'{}", table.name, name, did_you_mean(name, names)));
}

std::vector<std::size_t> columns_of(const TextTable& table, const std::vector<std::string>& names) {
  std::vector<std::size_t> columns;
  columns.reserve(names.size());
  for (const std::string& name : names) columns.push_back(column_of(table, name));
  return columns;
}

[[noreturn]] void fail(const TextTable& table, std::size_t row, std::size_t column,
                       std::string_view message) {
  throw DataError(fmt::format("{}:{}: row {}, column '{}': {}", table.name, table.lines[row],
                              row + 1, table.columns[column], message));
}

bool is_missing(std::string_view cell) {
  constexpr std::string_view kMarks[] = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"};
  return std::ranges::find(kMarks, cell) != std::end(kMarks);
}

float number(const TextTable& table, std::size_t row, std::size_t column) {
  const std::string_view cell = trimmed(table.cell(row, column));
  if (is_missing(cell)) fail(table, row, column, "the value is missing");
  const bool has_plus = cell.size() > 1 && cell[0] == '+' && cell[1] != '-';
  const auto value = number_in<double>(has_plus ? cell.substr(1) : cell);
  if (!value || !std::isfinite(static_cast<float>(*value)))
    fail(table, row, column, fmt::format("expected a finite number, got '{:.40}'", cell));
  return static_cast<float>(*value);
}

Tensor numbers(const TextTable& table, const std::vector<std::size_t>& columns) {
  Tensor values({table.rows(), columns.size()});
  for (std::size_t row = 0; row < table.rows(); ++row)
    for (std::size_t i = 0; i < columns.size(); ++i)
      values.view()(row, i) = number(table, row, columns[i]);
  return values;
}

void check_answers(const TextTable& table, const std::vector<std::size_t>& columns,
                   const Tensor& values) {
  for (std::size_t row = 0; row < table.rows(); ++row)
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (const float value = values.view()(row, i); value != 0 && value != 1)
        fail(table, row, columns[i], fmt::format("expected 0 or 1, got {}", value));
}

void read_classes(const TextTable& table, std::size_t column, Dataset& data) {
  std::set<std::string, std::less<>> names;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::string_view name = trimmed(table.cell(row, column));
    if (is_missing(name)) fail(table, row, column, "the value is missing");
    names.emplace(name);
  }
  data.class_names.assign(names.begin(), names.end());
  for (std::size_t row = 0; row < table.rows(); ++row)
    data.train.labels.push_back(static_cast<std::int32_t>(
        std::distance(names.begin(), names.find(trimmed(table.cell(row, column))))));
}

std::vector<std::size_t> feature_columns(const TextTable& table, const TableOptions& options) {
  std::vector<std::size_t> others = columns_of(table, options.targets);
  std::ranges::copy(columns_of(table, options.ignore), std::back_inserter(others));
  std::vector<std::size_t> features;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    if (std::ranges::find(others, i) == others.end()) features.push_back(i);
  if (features.empty())
    throw InvalidArgument(fmt::format("{}: no column is left for a feature", table.name));
  return features;
}

std::vector<Column> named_columns(const TextTable& table, const std::vector<std::size_t>& columns) {
  std::vector<Column> named;
  named.reserve(columns.size());
  for (const std::size_t column : columns) named.push_back({.name = table.columns[column]});
  return named;
}

void check_options(const TextTable& table, const TableOptions& options, TableTargets kind) {
  if (options.targets.empty())
    throw InvalidArgument(
        fmt::format("{}: expected the target columns by name: table = {{ targets = [\"{}\"] }}",
                    table.name, table.columns.back()));
  for (const std::string& target : options.targets)
    if (std::ranges::count(options.targets, target) > 1)
      throw InvalidArgument(
          fmt::format("{}: the target column '{}' is named twice", table.name, target));
  if (kind == TableTargets::classes && options.targets.size() != 1)
    throw InvalidArgument(fmt::format("{}: expected one target column of classes, got {}",
                                      table.name, options.targets.size()));
}

void check_columns(std::span<const Column> columns, ConstTensorView values) {
  if (values.rows() != 0 && values.row_size() != columns.size())
    throw ShapeError(fmt::format("scaling: expected rows of {} values, got {}", columns.size(),
                                 values.row_size()));
}

}  // namespace

Dataset dataset_of(const TextTable& table, const TableOptions& options, TableTargets kind,
                   std::uint64_t seed) {
  check_options(table, options, kind);
  const std::vector<std::size_t> features = feature_columns(table, options);
  const std::vector<std::size_t> targets = columns_of(table, options.targets);
  Dataset data;
  data.name = std::filesystem::path(table.name).filename().string();
  data.columns.features = named_columns(table, features);
  data.train.features = numbers(table, features);
  if (kind == TableTargets::classes) {
    read_classes(table, targets[0], data);
  } else {
    data.columns.targets = named_columns(table, targets);
    data.train.targets = numbers(table, targets);
    if (kind == TableTargets::answers) check_answers(table, targets, data.train.targets);
  }
  // The test rows are held out as validation samples are, by another seed.
  const bool is_share = options.test >= 0 && options.test < 1;
  const bool none = is_share && held_out(options.test, table.rows()) == 0;
  data = hold_out(std::move(data), {.fraction = none ? 0 : options.test}, ~seed, "table.test");
  data.test = std::exchange(data.validation, {});
  return data;
}

Tensor features_of(const TextTable& table, const std::vector<Column>& features) {
  std::vector<std::size_t> columns;
  columns.reserve(features.size());
  for (const Column& feature : features) columns.push_back(column_of(table, feature.name));
  return numbers(table, columns);
}

std::vector<Column> measured(std::vector<Column> columns, ConstTensorView values) {
  columns.resize(values.row_size());
  const auto rows = static_cast<double>(values.rows());
  for (std::size_t k = 0; k < columns.size(); ++k) {
    double sum = 0;
    for (std::size_t i = 0; i < values.rows(); ++i) sum += static_cast<double>(values(i, k));
    const double mean = sum / rows;
    double squares = 0;
    for (std::size_t i = 0; i < values.rows(); ++i)
      squares += std::pow(static_cast<double>(values(i, k)) - mean, 2);
    const auto deviation = static_cast<float>(std::sqrt(squares / rows));
    columns[k].mean = static_cast<float>(mean);
    columns[k].deviation = deviation > 0 ? deviation : 1.0F;
  }
  return columns;
}

void apply_scaling(std::span<const Column> columns, TensorView<float> values) {
  check_columns(columns, values);
  for (std::size_t i = 0; i < values.rows(); ++i)
    for (std::size_t k = 0; k < columns.size(); ++k)
      values(i, k) = (values(i, k) - columns[k].mean) / columns[k].deviation;
}

void undo_scaling(std::span<const Column> columns, TensorView<float> values) {
  check_columns(columns, values);
  for (std::size_t i = 0; i < values.rows(); ++i)
    for (std::size_t k = 0; k < columns.size(); ++k)
      values(i, k) = values(i, k) * columns[k].deviation + columns[k].mean;
}

}  // namespace gradatim
