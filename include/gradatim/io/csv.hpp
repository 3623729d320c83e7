#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gradatim {

/// A table written row by row as comma-separated values (RFC 4180, lines ending in \n). Rows are
/// buffered and reach the file at flush(), when 64 KiB have gathered, and at the end, so that a
/// run that is killed leaves what it had. No allocation after construction but for quoted text.
///
/// Every error is a DataError that names the path and the reason.
class CsvWriter {
 public:
  /// Creates or empties the file and writes the header.
  CsvWriter(std::filesystem::path path, std::span<const std::string_view> columns);
  /// Goes on with a file of these columns behind its first `kept` bytes and drops the rest; without
  /// any, as above. Throws DataError if the file is shorter.
  CsvWriter(std::filesystem::path path, std::span<const std::string_view> columns,
            std::uint64_t kept);
  ~CsvWriter();
  CsvWriter(const CsvWriter&) = delete;
  CsvWriter& operator=(const CsvWriter&) = delete;

  /// Shortest decimal text that reads back as the same value; "nan", "inf".
  CsvWriter& cell(double value);
  CsvWriter& cell(std::size_t value);
  CsvWriter& cell(std::string_view text);
  CsvWriter& blank();
  /// Throws InvalidArgument if the row has not as many cells as there are columns.
  void end_row();

  /// What the file holds when it is flushed.
  std::uint64_t bytes() const { return flushed_ + buffer_.size(); }

  void flush();
  /// flush(), and onto the disk (fsync).
  void sync();

 private:
  void keep(std::uint64_t bytes);
  void separate();

  std::filesystem::path path_;
  std::size_t columns_;
  std::size_t cells_ = 0;
  std::uint64_t flushed_ = 0;
  std::string buffer_;
  int descriptor_ = -1;
};

}  // namespace gradatim
