#include "train/metrics_file.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"
#include "gradatim/core/number_text.hpp"
#include "gradatim/io/file.hpp"

namespace gradatim::detail {
namespace {

std::vector<std::string> column_names(const MetricsFile::Columns& columns) {
  std::vector<std::string> names{"step", "epoch", "loss"};
  for (const Figure& figure : columns.figures) {
    names.push_back(fmt::format("train_{}", figure.name));
    names.push_back(fmt::format("test_{}", figure.name));
  }
  if (!columns.validation) return names;
  names.emplace_back("validation_loss");
  for (const Figure& figure : columns.figures)
    names.push_back(fmt::format("validation_{}", figure.name));
  return names;
}

CsvWriter open_csv(const std::filesystem::path& path, const MetricsFile::Columns& columns,
                   std::uint64_t kept) {
  const std::vector<std::string> names = column_names(columns);
  const std::vector<std::string_view> views(names.begin(), names.end());
  return {path, views, kept};
}

// The cells of a row without quotes.
std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  for (;;) {
    const std::size_t comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

double number_of(std::string_view cell) {
  const auto number = number_in<double>(cell);
  if (!number) throw DataError(fmt::format("expected a number, got '{}'", cell));
  return *number;
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& path, const Columns& columns,
                         std::uint64_t kept)
    : columns_(columns), csv_(open_csv(path, columns, kept)) {}

void MetricsFile::write(const StepRecord& step, const EpochRecord* epoch) {
  csv_.cell(step.step);
  epoch != nullptr ? csv_.cell(epoch->epoch) : csv_.blank();
  csv_.cell(step.loss);
  const auto score = [&](const Scores EpochRecord::*scores, double Scores::*value) {
    epoch != nullptr ? csv_.cell(epoch->*scores.*value) : csv_.blank();
  };
  for (const Figure& figure : columns_.figures) {
    score(&EpochRecord::train, figure.value);
    score(&EpochRecord::test, figure.value);
  }
  if (columns_.validation) {
    score(&EpochRecord::validation, &Scores::loss);
    for (const Figure& figure : columns_.figures) score(&EpochRecord::validation, figure.value);
  }
  csv_.end_row();
}

void read_metrics(const std::filesystem::path& path, const MetricsFile::Columns& columns,
                  std::uint64_t bytes, std::size_t epoch_steps, LossCurve& loss,
                  std::vector<ScorePoint>& scores) {
  const std::string text = read_file(path, SIZE_MAX - 1);
  if (text.size() < bytes)
    throw DataError(
        fmt::format("{}: expected at least {} bytes, got {}", path.string(), bytes, text.size()));
  std::string_view rest = std::string_view(text).substr(0, bytes);
  const std::size_t width = column_names(columns).size();
  const std::size_t validation = 3 + 2 * columns.figures.size() + 1;  // its first figure
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = rest.find('\n');
    const auto cells = cells_of(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    try {
      if (cells.size() != width)
        throw DataError(fmt::format("expected {} cells, got {}", width, cells.size()));
      if (line == 1) continue;
      if (line == 2) loss = LossCurve(static_cast<std::size_t>(number_of(cells[0])));
      loss.add(number_of(cells[2]));
      if (cells[1].empty()) continue;
      scores.push_back({.epoch = number_of(cells[0]) / static_cast<double>(epoch_steps),
                        .train = number_of(cells[3]),
                        .test = number_of(cells[4])});
      if (columns.validation) scores.back().validation = number_of(cells[validation]);
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}:{}: {}", path.string(), line, error.what()));
    }
  }
}

}  // namespace gradatim::detail
