#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "gradatim/core/error.hpp"
#include "gradatim/data/table.hpp"

namespace gradatim {
namespace {

// Reads cell after cell; `line` is that of the place it has come to.
class Reader {
 public:
  Reader(std::string_view text, std::string_view name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // the byte order mark
  }

  bool at_end() const { return at_ == text_.size(); }
  /// Nothing but empty lines follows.
  bool is_blank_from_here() const {
    return text_.find_first_not_of("\r\n", at_) == std::string_view::npos;
  }
  std::size_t line() const { return line_; }

  /// The cells up to the end of the row.
  std::vector<std::string> row() {
    std::vector<std::string> cells;
    do cells.push_back(cell());
    while (take(','));
    const bool returned = take('\r');
    if (!at_end() && !take('\n')) {
      if (returned) fail("expected a line feed behind a carriage return");
      fail(
          fmt::format("expected a comma or the end of the line behind the cell that is quoted "
                      "from line {} on",
                      opened_));
    }
    ++line_;
    return cells;
  }

  [[noreturn]] void fail(std::string_view message) const {
    throw DataError(fmt::format("{}:{}: {}", name_, line_, message));
  }

 private:
  bool take(char wanted) {
    if (at_end() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::string cell() {
    if (take('"')) return quoted();
    const std::size_t end = std::min(text_.find_first_of(",\r\n\"", at_), text_.size());
    const std::string_view plain = text_.substr(at_, end - at_);
    if (end < text_.size() && text_[end] == '"') fail("a quote within a cell that is not quoted");
    at_ = end;
    return std::string(plain);
  }

  std::string quoted() {
    opened_ = line_;
    std::string value;
    for (;;) {
      const std::size_t quote = text_.find('"', at_);
      if (quote == std::string_view::npos) {
        line_ = opened_;
        fail("a quote is opened and not closed");
      }
      const std::string_view part = text_.substr(at_, quote - at_);
      line_ += static_cast<std::size_t>(std::ranges::count(part, '\n'));
      value += part;
      at_ = quote + 1;
      if (!take('"')) return value;
      value += '"';
    }
  }

  std::string_view text_;
  std::string_view name_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t opened_ = 0;  // the line where the last quoted cell begins
};

void check_header(const Reader& reader, const std::vector<std::string>& columns) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].empty()) reader.fail(fmt::format("column {} has no name", i + 1));
    if (!names.insert(columns[i]).second)
      reader.fail(fmt::format("two columns are called '{}'", columns[i]));
  }
}

}  // namespace

TextTable parse_table(std::string_view text, std::string_view name) {
  Reader reader(text, name);
  TextTable table{.name = std::string(name), .columns = reader.row(), .cells = {}, .lines = {}};
  check_header(Reader(text, name), table.columns);
  const bool may_be_empty = table.columns.size() == 1;  // a row, of a missing value
  while (may_be_empty ? !reader.at_end() : !reader.is_blank_from_here()) {
    const std::size_t line = reader.line();
    std::vector<std::string> cells = reader.row();
    if (cells.size() != table.columns.size())
      throw DataError(fmt::format("{}:{}: expected {} cells as in the header, got {}", name, line,
                                  table.columns.size(), cells.size()));
    table.lines.push_back(line);
    std::ranges::move(cells, std::back_inserter(table.cells));
  }
  if (table.rows() == 0) throw DataError(fmt::format("{}: there are no rows", name));
  return table;
}

TextTable read_table(const std::filesystem::path& file, std::size_t most_bytes) {
  std::error_code error;
  if (!std::filesystem::exists(file, error))
    throw DataError(fmt::format("read {}: no such file in {}", file.string(),
                                std::filesystem::current_path(error).string()));
  if (!std::filesystem::is_regular_file(file, error))
    throw DataError(fmt::format("read {}: expected a regular file", file.string()));
  const auto bytes = std::filesystem::file_size(file, error);
  if (error || bytes > most_bytes)
    throw DataError(fmt::format("read {}: expected at most {} bytes", file.string(), most_bytes));
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw DataError(fmt::format("read {}: it can't be read", file.string()));
  return parse_table(text, file.string());
}

}  // namespace gradatim
