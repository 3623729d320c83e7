#include "gradatim/io/csv.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <utility>

#include "gradatim/core/error.hpp"
#include "io/text.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kFlushAt = 1U << 16U;

[[noreturn]] void fail(const std::filesystem::path& path, int code) {
  throw DataError(fmt::format("write {}: {}", path.string(), detail::system_message(code)));
}

template <class Number>
void append_number(std::string& text, Number value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  text.append(digits.data(), end);
}

}  // namespace

CsvWriter::CsvWriter(std::filesystem::path path, std::span<const std::string_view> columns)
    : CsvWriter(std::move(path), columns, 0) {}

CsvWriter::CsvWriter(std::filesystem::path path, std::span<const std::string_view> columns,
                     std::uint64_t kept)
    : path_(std::move(path)), columns_(columns.size()), flushed_(kept) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(path_, errno);
  try {
    keep(kept);
    buffer_.reserve(kFlushAt + (1U << 12U));
    if (kept != 0) return;
    for (const std::string_view column : columns) cell(column);
    end_row();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

void CsvWriter::keep(std::uint64_t bytes) {
  const off_t size = ::lseek(descriptor_, 0, SEEK_END);
  if (bytes > 0 && size < static_cast<off_t>(bytes))
    throw DataError(
        fmt::format("csv {}: expected at least {} bytes, got {}", path_.string(), bytes, size));
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0 && errno != EINVAL)
    fail(path_, errno);
  ::lseek(descriptor_, static_cast<off_t>(bytes), SEEK_SET);
}

CsvWriter::~CsvWriter() {
  try {
    flush();
  } catch (const Error&) {  // a destructor can't tell; who wants to know has called flush()
  }
  ::close(descriptor_);
}

void CsvWriter::separate() {
  if (cells_++ != 0) buffer_ += ',';
}

CsvWriter& CsvWriter::cell(double value) {
  if (std::isnan(value)) return cell("nan");  // whatever its sign
  separate();
  append_number(buffer_, value);
  return *this;
}

CsvWriter& CsvWriter::cell(std::size_t value) {
  separate();
  append_number(buffer_, value);
  return *this;
}

CsvWriter& CsvWriter::cell(std::string_view text) {
  separate();
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    buffer_ += text;
    return *this;
  }
  buffer_ += '"';
  for (const char c : text) buffer_.append(c == '"' ? 2 : 1, c);
  buffer_ += '"';
  return *this;
}

CsvWriter& CsvWriter::blank() {
  separate();
  return *this;
}

void CsvWriter::end_row() {
  const std::size_t cells = std::exchange(cells_, 0);
  if (cells != columns_)
    throw InvalidArgument(
        fmt::format("csv {}: expected {} cells in a row, got {}", path_.string(), columns_, cells));
  buffer_ += '\n';
  if (buffer_.size() >= kFlushAt) flush();
}

void CsvWriter::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) {
      const int code = errno;
      buffer_.clear();  // the destructor must not write the same rows again
      fail(path_, code);
    }
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
      flushed_ += static_cast<std::uint64_t>(written);
    }
  }
  buffer_.clear();
}

void CsvWriter::sync() {
  flush();
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail(path_, errno);
}

}  // namespace gradatim
